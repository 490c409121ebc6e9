"""Responses that a worker builds, and a page shows later: copied into the data, and out of them."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from processes.domain.application import Application
from processes.models import Run
from processes.registry import scripts
from processes.services.files import store_file
from processes.services.host import caller_of
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.work import work_off
from tests.processes.pages.browsing import links_of, main_of, send_form
from tests.processes.services.published import action, form, publish_process


@pytest.fixture(autouse=True)
def worker(transactional_db: None) -> Iterator[None]:
    """Give the script that writes a file for whoever the run belongs to, and stop the worker's threads in the end."""

    def write(app: Application) -> None:
        app.data["file"] = dict(
            store_file(content=b"written", name="b.txt", content_type="text/plain", caller=caller_of(app))
        )

    with scripts.override("write_for_test", write):
        yield
    stop_flusher()
    stop_heart()


def in_the_background(client: Client, *build: dict[str, Any]) -> Any:
    """Run actions in a worker, keep the response, and follow the progress page to what it leads to."""
    publish_process(
        "p",
        [
            form("ask", "begin", {"name": "x"}),
            action("begin", "start_progress"),
            action("leave", "execute_in_background"),
            *build,
            action("end", "end_progress_with_execute", config={"action": "result"}, next=False),
            action("result", "copy_data_to_response", next=False),
            action("look", "show_page", config={"text": "looked %{data:x}"}, next=False),
            action("renderProgress", "render_progress", next=False),
        ],
    )
    begun = send_form(client, client.get("/p/p/"), x="<Ada>")
    assert begun.headers["Location"] == f"/progress/{Run.objects.get().pk}/"
    while work_off("default"):
        pass
    run = Run.objects.get()
    assert run.status == "completed", run.error
    finished = client.get(f"/progress/{run.pk}/").content.decode()
    found = re.search(r'href="(/p/p/\?action=result[^"]*)"', finished)
    assert found is not None
    return client.get(html.unescape(found[1]))


def test_a_page_built_in_the_background_is_shown_later(client: Client) -> None:
    first = {
        "title": "Report for %{data:x}",
        "content": '{% table data.rows caption="Sums" %}{% action_link "look" "Look" %}',
        "into": "response",
    }
    second = {
        "tables": [{"rows": [{"n": 1.5}]}],
        "links": [{"label": "Look again", "action": "look"}],
        "append": True,
        "into": "response",
        "status": 203,
    }
    shown = in_the_background(
        client, action("one", "show_page", config=first), action("two", "show_page", config=second)
    )
    assert shown.status_code == 203
    main = main_of(shown)
    assert "Report for &lt;Ada&gt;" in main
    assert main.count('<div class="table-box" tabindex="0" role="region"') == 2
    links = links_of(shown)
    assert "looked &lt;Ada&gt;" in client.get(links["Look"]).content.decode()
    assert "looked &lt;Ada&gt;" in client.get(links["Look again"]).content.decode()
    assert Client().get(links["Look"]).status_code == 404


@pytest.mark.parametrize(
    ("build", "status"),
    [
        (action("go", "redirect", config={"url": "/elsewhere/"}), 302),
        (action("go", "redirect", config={"action": "look", "data": True}), 302),
        (action("go", "send_json", config={"value": {"x": "%{data:x}"}, "status": 202}), 202),
        (action("go", "show_page", config={"text": "gone", "status": 410}), 410),
    ],
    ids=["redirect", "redirect with data", "JSON", "status"],
)
def test_every_kind_of_response_can_be_built_in_the_background(
    client: Client, build: dict[str, Any], status: int
) -> None:
    shown = in_the_background(client, build, action("keep", "copy_response_to_data"))
    assert shown.status_code == status
    leads_to = shown.headers.get("Location", "")
    if "action=look" in leads_to:
        assert "looked &lt;Ada&gt;" in client.get(leads_to).content.decode()
    elif status == 302:
        assert leads_to == "/elsewhere/"
    if status == 202:
        assert shown.json() == {"x": "<Ada>"}


def test_a_file_written_in_the_background_is_sent_later(client: Client) -> None:
    shown = in_the_background(
        client,
        action("write", "write_for_test"),
        action("send", "send_file", config={"file": "%{data:file}"}),
        action("keep", "copy_response_to_data"),
    )
    assert b"".join(shown) == b"written"
