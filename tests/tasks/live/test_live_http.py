"""The task API over HTTP: snapshot, event stream, cancellation."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone

from tasks.domain.updates import UpdateType
from tasks.live import current_hub
from tasks.live.sse import stream_response
from tasks.models import Job
from tasks.registry import JobSpec, jobs


@pytest.fixture
async def client_of_nobody(log) -> AsyncIterator[AsyncClient]:
    yield AsyncClient()
    await current_hub().close()
    # Views and the session live in a thread whose connection outlasts the test.
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def client_of_owner(client_of_nobody, owner) -> AsyncClient:
    await client_of_nobody.aforce_login(owner)
    return client_of_nobody


def address(name: str, log: object) -> str:
    return reverse(f"tasks-api:{name}", kwargs={"task_id": log.root_id})


async def text_of(response: StreamingHttpResponse) -> str:
    return b"".join([part async for part in response]).decode()


def events(text: str) -> list[tuple[int, dict[str, object]]]:
    """Return the events of a stream, as pairs of id and decoded data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((int(fields["id"]), json.loads(fields["data"])))
    return found


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        pytest.param("", {}, [1, 2, 3], id="all"),
        pytest.param("?since=1", {}, [2, 3], id="since"),
        pytest.param("", {"Last-Event-ID": "2"}, [3], id="a reconnection"),
        pytest.param("?since=0", {"Last-Event-ID": "2"}, [3], id="a reconnection knows better than the address"),
        pytest.param("?snapshot=1", {"Last-Event-ID": "2"}, [3], id="a reconnection needs no snapshot"),
    ],
)
async def test_streams_the_log_and_ends_with_it(query, headers, expected, log, client_of_owner):
    await log.write(3, ends=True)

    response = await client_of_owner.get(address("updates", log) + query, headers=headers)

    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert "no-cache" in response.headers["Cache-Control"]
    assert response.headers["X-Accel-Buffering"] == "no"
    received = events(await text_of(response))
    assert [number for number, _ in received] == expected
    assert all(update["seq"] == number for number, update in received)
    assert current_hub().followed == frozenset()


async def test_a_snapshot_is_an_event_with_its_number(log, client_of_owner):
    await log.write(3, ends=True)

    response = await client_of_owner.get(address("updates", log) + "?snapshot=1")

    ((number, snapshot),) = events(await text_of(response))
    assert (number, snapshot["type"], snapshot["seq"], snapshot["isOwner"]) == (3, "snapshot", 3, True)


async def test_whoever_has_everything_is_told_not_to_come_back(log, client_of_owner):
    await log.write(3, ends=True)

    response = await client_of_owner.get(address("updates", log) + "?since=3")

    assert response.status_code == 204
    assert current_hub().followed == frozenset()


async def test_headers_alone_are_answered_and_begin_no_stream(log, client_of_owner):
    await log.write(1)

    for address_ in (address("updates", log), f"/api/events/?task={log.root_id}"):
        response = await client_of_owner.head(address_)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert not current_hub().doors
    assert (await client_of_owner.head("/api/tasks/")).status_code == 200
    missing = reverse("tasks-api:updates", kwargs={"task_id": uuid.uuid4()})
    assert (await client_of_owner.head(missing)).status_code == 404
    assert current_hub().followed == frozenset()


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_no_cache_takes_one_form_of_a_log_or_one_persons_for_another(accept, log, client_of_owner):
    await log.write(1, ends=True)

    response = await client_of_owner.get(address("updates", log), headers={"accept": accept})

    assert "no-" in response.headers["Cache-Control"]
    assert {"Accept", "Cookie"} <= {name.strip() for name in response.headers["Vary"].split(",")}


async def test_silence_is_filled_with_heartbeats(log, visitor, start_hub):
    hub = start_hub()
    response = await stream_response(await hub.follow(log.root_id, visitor=visitor), heartbeat_seconds=0.01)
    parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def read() -> None:
        async for part in response:
            parts.put_nowait(part)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(10):
        await parts.get()
        assert (await parts.get()).startswith(b":")
    # What the server does when the client goes.
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert hub.followed == frozenset()


async def test_what_a_filter_leaves_out_is_silence(log, visitor, start_hub):
    follower = await start_hub().follow(log.root_id, visitor=visitor, types=frozenset({UpdateType.NODE_OUTPUT}))
    waiting = asyncio.create_task(follower.next(timeout_seconds=0.2))

    # Something else is told all the time.
    async with asyncio.timeout(10):
        while not waiting.done():
            await log.write_and_tell()

    assert waiting.result() == []
    assert not follower.ended


async def test_streams_where_requests_have_transactions(log, client_of_owner, monkeypatch):
    """Django refuses asynchronous views there unless they say that they need none."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    await log.write(1, ends=True)
    message = json.dumps({"connectionId": "x", "taskId": str(log.root_id)})

    statuses = [
        (await client_of_owner.get(address("updates", log))).status_code,
        (await client_of_owner.get(f"/api/events/?task={log.root_id}")).status_code,
        (await client_of_owner.post("/api/subscribe-job/", message, content_type="application/json")).status_code,
        (await client_of_owner.post("/api/unsubscribe-job/", message, content_type="application/json")).status_code,
    ]

    assert statuses == [200, 200, 404, 404]


@pytest.mark.parametrize("name", ["task", "updates"])
async def test_missing_and_forbidden_look_the_same(name, log, client_of_nobody):
    forbidden = await client_of_nobody.get(address(name, log))
    missing = await client_of_nobody.get(reverse(f"tasks-api:{name}", kwargs={"task_id": uuid.uuid4()}))

    assert forbidden.status_code == missing.status_code == 404
    assert forbidden.json() == missing.json()
    assert set(forbidden.json()) == {"title", "status", "detail", "code", "message"}


@pytest.mark.parametrize("since", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_a_bad_position_is_refused(since, log, client_of_owner):
    response = await client_of_owner.get(address("updates", log), {"since": since})

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_the_snapshot_is_the_feeds(log, client_of_owner):
    await log.write(3)

    response = await client_of_owner.get(address("task", log))

    snapshot = response.json()
    assert (snapshot["type"], snapshot["seq"], snapshot["isOwner"]) == ("snapshot", 3, True)
    assert snapshot["task"]["title"] == "Importing"


async def test_a_cancellation_needs_a_csrf_token(log, owner, client_of_owner):
    strict = AsyncClient(enforce_csrf_checks=True)
    await strict.aforce_login(owner)

    response = await strict.post(address("cancel", log))

    assert response.status_code == 403


async def test_what_has_no_job_cant_be_cancelled(log, client_of_owner):
    response = await client_of_owner.post(address("cancel", log))

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.fixture
def idle_function() -> Iterator[str]:
    jobs.add(JobSpec(name="test.idle", function=lambda context: None))
    yield "test.idle"
    jobs.remove("test.idle")


async def test_a_job_is_cancelled_once(log, client_of_owner, idle_function):
    await log.run(lambda: Job.objects.create(root_id=log.root_id, function=idle_function, due_at=timezone.now()))

    first = await client_of_owner.post(address("cancel", log))
    second = await client_of_owner.post(address("cancel", log))

    assert (first.status_code, first.json()["status"]) == (202, "cancelled")
    assert (second.status_code, second.json()["code"]) == (409, "illegal_transition")
