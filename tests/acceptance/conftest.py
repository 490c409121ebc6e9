"""The real stack as processes, and what drives it: Chromium, or a client that fills in the same forms."""

import csv
import importlib.util
import io
import re
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import Browser

from config.local_account import account_path, read_account
from tests.config.conftest import Program, watched

#: A file that takes a worker several seconds, so that a test can look at the page on the way.
MANY_ROWS = 40_000
#: How long a worker may be silent before its work is taken over; short, so that the tests needn't wait.
LEASE_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running `manage.py up`."""

    program: Program
    address: str
    data_folder: Path
    variables: dict[str, str]

    @property
    def account(self) -> tuple[str, str]:
        """Return the local account's name and password."""
        account = read_account(account_path(self.data_folder))
        assert account is not None
        return account.username, account.password

    def ask_database(self, expression: str) -> str:
        """Return what a Python expression gives in the stack's own Django (`models` are csv_import's)."""
        program = Program(
            [
                sys.executable,
                "-c",
                "import django; django.setup(); from examples.csv_import import models; from tasks.models import *; "
                f"from processes.models import *; print('answer:', {expression})",
            ],
            variables={**self.variables, "DJANGO_SETTINGS_MODULE": "config.settings"},
        )
        try:
            return program.wait_for("^answer: (.*)$")[1]
        finally:
            program.close()

    def pids(self, *words: bytes) -> list[int]:
        """Return the stack's processes whose command line holds all the words."""
        found = []
        for pid in descendants(self.program.process.pid):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if all(word in line for word in words):
                found.append(pid)
        return found


def descendants(pid: int) -> list[int]:
    """Return all processes below one, from the kernel's lists."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in descendants(child))]


@contextmanager
def running_stack(folder: Path, **variables: str) -> Iterator[Stack]:
    """Run everything; at the end hold it to leaving nothing behind, and leave nothing where a test has failed."""
    stack = start_stack(folder, **variables)
    try:
        yield stack
        stop_stack(stack)
    finally:
        stack.program.close()


def start_stack(folder: Path, **variables: str) -> Stack:
    """Start everything on a free port, and wait until it is ready."""
    own = {
        "STEPLINE_DATA_DIR": str(folder),
        "STEPLINE_LEASE_SECONDS": LEASE_SECONDS,
        "DEBUG": "1",
        **variables,
    }
    program = Program([sys.executable, "manage.py", "up", "--port", "0", "--workers", "2"], variables=own)
    try:
        address = program.wait_for(r"^ready: (\S+) after")[1].rstrip("/")
        program.wait_for("stop        Ctrl-C")
    except BaseException:
        program.close()
        raise
    return Stack(program=program, address=address, data_folder=folder, variables=own)


def stop_stack(stack: Stack) -> None:
    """Stop it as Ctrl-C does, and hold it to leaving nothing behind."""
    with watched(descendants(stack.program.process.pid)) as all_end:
        stack.program.signal(signal.SIGINT)
        assert stack.program.wait() == 0, stack.program.output
        assert all_end()


@pytest.fixture(scope="session")
def browser(launch_browser: Callable[..., Browser], whole_browser: dict[str, object]) -> Iterator[Browser]:
    """Return the whole browser, as people have it."""
    browser = launch_browser(**whole_browser)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Run the embedded default, once for all tests that only use it."""
    with tempfile.TemporaryDirectory(prefix="stepline-acceptance-") as folder, running_stack(Path(folder)) as stack:
        yield stack


@pytest.fixture(scope="session")
def airports() -> bytes:
    """Return the 3,376 airports."""
    found = importlib.util.find_spec("vega_datasets")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "_data" / "airports.csv").read_bytes()


@pytest.fixture(scope="session")
def many_airports() -> bytes:
    """Return a file whose import takes a moment."""
    return like_airports(MANY_ROWS)


def like_airports(rows: int) -> bytes:
    """Return a file like the airports', with distinct codes, every hundredth row bad."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["iata", "name", "city", "state", "country", "latitude", "longitude"])
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number in range(rows):
        code = "".join(letters[(number // 26**place) % 26] for place in range(4))
        latitude = "99.5" if number % 100 == 99 else "41.5"
        writer.writerow([code, f"Airport {number}", "Town", "TX", "USA", latitude, "-95.0"])
    return text.getvalue().encode()


_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
_FORM = re.compile(r'<form class="process-form.*?</form>', re.DOTALL)


class Visitor:
    """Go through the pages as a browser without JavaScript does."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, follow_redirects=True, timeout=60)

    def fields(self, page: str) -> dict[str, str]:
        form = _FORM.search(page)
        assert form is not None, page
        return dict(_HIDDEN.findall(form.group()))

    def upload(self, content: bytes, *, name: str = "airports.csv", slug: str = "csv-import") -> httpx.Response:
        page = self.http.get(f"/p/{slug}/")
        return self.http.post(f"/p/{slug}/", data=self.fields(page.text), files={"upload": (name, content, "text/csv")})

    def confirm(self, preview: httpx.Response) -> httpx.Response:
        return self.http.post("/p/csv-import/", data=self.fields(preview.text))

    def task_of(self, progress: httpx.Response) -> uuid.UUID:
        found = re.fullmatch(r"/progress/([0-9a-f-]{36})/", progress.url.path)
        assert found is not None, f"{progress.status_code} {progress.url}: {progress.text}"
        return uuid.UUID(found[1])

    def follow(self, task: uuid.UUID, *, since: int = 0) -> Iterator[dict[str, object]]:
        """Yield the task's updates over SSE, up to the terminal one."""
        with connect_sse(self.http, "GET", f"/api/tasks/{task}/updates/?since={since}") as source:
            assert source.response.status_code == 200
            for event in source.iter_sse():
                if event.data:
                    yield event.json()


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Visitor]:
    visitor = Visitor(stack.address)
    yield visitor
    visitor.http.close()


@pytest.fixture
def new_visitor(stack: Stack) -> Iterator[Callable[[], Visitor]]:
    """Return a function that makes further visitors, each with a session of its own."""
    visitors: list[Visitor] = []

    def make() -> Visitor:
        visitors.append(Visitor(stack.address))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.http.close()
