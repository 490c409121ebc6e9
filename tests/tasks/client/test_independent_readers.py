"""Streams of real servers, read by two libraries of others: they agree with each other and with the log."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tasks.client import Client
from tests.live_servers import LiveServer
from tests.tasks.client.conftest import PATIENCE_SECONDS, Worker
from tests.tasks.live.called.jobs import Pace
from tests.tasks.live.readers import READERS, decoded

BOTH = pytest.mark.parametrize("server", ["uvicorn", "daphne"], indirect=True)
EACH = pytest.mark.parametrize("library", READERS)
Log = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def http(server: LiveServer, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)


def numbered(log: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(str(update["seq"]), update) for update in log]


@BOTH
@EACH
def test_a_stream_is_the_log_and_goes_on_by_the_last_id(
    library: str, http: httpx.Client, client: Client, worker: Worker, pace: Pace, log_of: Log
) -> None:
    read = READERS[library]
    task_id = client.start("called.export", {"rows": 6, "name": "Zoë \r 𝄞"}).sync.task_id
    address = f"/api/tasks/{task_id}/updates/"
    seen: list[tuple[str, str]] = []
    pace.let_go_on(2)
    with http, http.stream("GET", address) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        # The connection is left in the middle, having read so much.
        for event in read(response):
            seen.append(event)
            if json.loads(event[1])["type"] == "nodeOutput":
                break
    pace.let_go_on()
    with http_again(http) as again, again.stream("GET", address, headers={"Last-Event-ID": seen[-1][0]}) as response:
        seen += read(response)

    assert decoded(iter(seen)) == numbered(log_of(task_id))
    with http_again(http) as again:
        assert again.get(address, headers={"Last-Event-ID": seen[-1][0]}).status_code == 204


@BOTH
@EACH
def test_many_tasks_on_one_stream_are_read_as_well(
    library: str, http: httpx.Client, client: Client, worker: Worker, pace: Pace, log_of: Log
) -> None:
    pace.let_go_on()
    ids = [client.start("called.export", {"rows": 2}).sync.task_id for _ in range(2)]
    query = [("task", f"{task_id}:0") for task_id in ids]
    with http, http.stream("GET", "/api/events/", params=query) as response:
        events = decoded(READERS[library](response))
    for task_id in ids:
        told = [event for _, event in events if event.get("taskId") == task_id and "seq" in event]
        assert told == log_of(task_id)
    assert events[-1][1]["type"] == "end"
    with http_again(http) as again:
        headers = {"Last-Event-ID": events[-1][0]}
        assert again.get("/api/events/", params=query, headers=headers).status_code == 204


def http_again(http: httpx.Client) -> httpx.Client:
    return httpx.Client(base_url=http.base_url, headers=http.headers, timeout=http.timeout, trust_env=False)
