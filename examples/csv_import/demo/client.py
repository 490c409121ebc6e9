"""Go through the process as a person with a browser would: the same pages, the same forms, the same feed."""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx
from httpx_sse import connect_sse

from examples.csv_import.demo.pages import Form, Page
from examples.csv_import.demo.problems import DemoFailure

_PROGRESS_PATH = re.compile(r"/progress/([0-9a-f-]{32,36})/$")
_TERMINAL: Final = frozenset({"taskEnd", "taskError", "taskAborted"})
_MOST_CONNECTIONS: Final = 5
_TIMEOUT: Final = httpx.Timeout(30, read=60)  # the feed shows a sign of life every 15 seconds


class DemoClient(AbstractContextManager["DemoClient"]):
    """Be a client with a cookie jar. Every method raises DemoFailure with one line."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def upload(self, path: Path) -> tuple[str, Page]:
        """Upload the file through the form; give the address and the page of the preview."""
        first = self._ok(self._http.get("/p/csv-import/"))
        form = Page(first.text).form_with_file()
        with path.open("rb") as file:
            files = {form.files[0]: (path.name, file, "text/csv")}
            answer = self._ok(self._http.post(_target(first, form), data=form.hidden, files=files))
        return str(answer.url), Page(answer.text)

    def confirm(self, address: str, page: Page) -> str:
        """Confirm the import; give the id of the task whose progress page this leads to."""
        form = page.form_with_data()
        answer = self._ok(self._http.post(urljoin(address, form.action), data=form.hidden))
        found = _PROGRESS_PATH.search(answer.url.path)
        if found is None:
            said = " ".join(Page(answer.text).errors)
            raise DemoFailure(f"The confirmation led to {answer.url.path}, not to a progress page. {said}".rstrip())
        return found.group(1)

    def follow(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Give the updates of a task as they come, up to the terminal one; connect again where the stream breaks."""
        last = 0
        for _ in range(_MOST_CONNECTIONS):
            try:
                with connect_sse(self._http, "GET", f"/api/tasks/{task_id}/updates/?since={last}") as source:
                    self._ok(source.response)
                    for event in source.iter_sse():
                        if not event.data:
                            continue  # A comment or a reconnection time, no update.
                        update = json.loads(event.data)
                        last = update["seq"]
                        yield update
                        if update["type"] in _TERMINAL:
                            return
            except httpx.TransportError:
                continue
        raise DemoFailure(f"The update feed broke {_MOST_CONNECTIONS} times; the last update seen is number {last}.")

    def result(self, path: str) -> Page:
        """Open the page that the progress page leads to."""
        return Page(self._ok(self._http.get(path)).text)

    def download_rows(self, path: str) -> list[dict[str, str]]:
        """Download a CSV file and read its rows."""
        text = self._ok(self._http.get(path)).content.decode("utf-8-sig")
        return list(csv.DictReader(StringIO(text, newline="")))

    def _ok(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == httpx.codes.OK:
            return answer
        answer.read()
        said = " ".join(Page(answer.text).errors)
        status = f"{answer.status_code} {answer.reason_phrase}"
        raise DemoFailure(f"{answer.request.method} {answer.url.path} answered {status}. {said}".strip())


def _target(answer: httpx.Response, form: Form) -> str:
    return urljoin(str(answer.url), form.action)
