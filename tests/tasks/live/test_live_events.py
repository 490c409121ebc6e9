"""Many tasks on one stream of server-sent events, to which requests add, whichever process they reach."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient

from tasks.errors import BadRequest
from tasks.live import current_hub, cursor
from tasks.live.events import events_response
from tasks.live.lines import LINE_TYPE, line_of, new_exchange, new_line, send_to_line, sign_line
from tasks.live.protocol import MAX_SUBSCRIPTIONS, Subscribe, Target
from tasks.models import TaskRoot
from tasks.services.access import Viewer
from tasks.services.revocations import USERS_GROUP
from tests.tasks.live.streams import EventStream, until

Open = Callable[..., Awaitable[EventStream]]


@pytest.fixture
async def client(log, owner) -> AsyncIterator[AsyncClient]:
    client = AsyncClient()
    await client.aforce_login(owner)
    yield client
    await current_hub().close()
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def open_stream(client) -> AsyncIterator[Open]:
    streams: list[EventStream] = []

    async def open_one(query: str = "", *, by: AsyncClient | None = None, last_id: str = "") -> EventStream:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        response = await (by or client).get(f"/api/events/{query}", headers=headers)
        assert response.status_code == 200
        streams.append(EventStream(response))
        return streams[-1]

    yield open_one
    for stream in streams:
        await stream.close()


async def post(client: AsyncClient, action: str, **message: Any) -> Any:
    return await client.post(f"/api/{action}-job/", json.dumps(message), content_type="application/json")


async def other_task(log, owner) -> str:
    root = await log.run(lambda: TaskRoot.objects.create(title="Other", owner=owner))
    return str(root.pk)


async def test_a_task_is_added_to_an_open_stream(log, client, open_stream):
    await log.write(2)
    stream = await open_stream()
    connection_id = (await stream.next())["connectionId"]

    answer = await post(
        client, "subscribe", connectionId=connection_id, taskId=str(log.root_id), since=1, clientSubId="bar"
    )

    assert (answer.status_code, answer.json()) == (202, {"taskId": str(log.root_id), "clientSubId": "bar"})
    assert await stream.next() == {"type": "subscribed", "taskId": str(log.root_id), "clientSubId": "bar"}
    assert (await stream.next())["seq"] == 2
    await log.write_and_tell()
    assert (await stream.next())["seq"] == 3


async def test_a_task_is_taken_away_again(log, client, open_stream):
    stream = await open_stream()
    connection_id = (await stream.next())["connectionId"]
    await post(client, "subscribe", connectionId=connection_id, taskId=str(log.root_id))
    await stream.until("subscribed")

    answer = await post(client, "unsubscribe", connectionId=connection_id, taskId=str(log.root_id))

    assert answer.status_code == 202
    assert await stream.next() == {"type": "unsubscribed", "taskId": str(log.root_id)}
    assert current_hub().followed == frozenset()


async def test_a_request_that_reaches_another_process_adds_too(log, visitor, owner, start_hub):
    """The second hub has a channel of its own, as that of another process has."""
    await log.write(1)
    holder = start_hub()
    stream = EventStream(events_response(holder, visitor=visitor, requests=[]))
    connection_id = (await stream.next())["connectionId"]
    line = line_of(connection_id, await start_hub().viewer(visitor))
    assert line is not None

    request = {"taskId": str(log.root_id)}
    await send_to_line(line, {"type": LINE_TYPE, "line": line, "action": "subscribe", "request": request})

    assert [(await stream.next())["type"] for _ in range(2)] == ["subscribed", "nodeProgress"]
    await stream.close()
    await until(lambda: not holder.followed)


async def test_tasks_and_lists_are_named_in_the_address(log, owner, open_stream):
    await log.write(3)
    other = await other_task(log, owner)

    stream = await open_stream(f"?task={log.root_id}:2&task={other}&snapshot=1&scope=mine&text=imp")

    events = [await stream.next() for _ in range(7)]
    assert [event["type"] for event in events if event["type"] != "subscribed"].count("connected") == 1
    by_type = {event["type"]: event for event in events}
    assert by_type["nodeProgress"]["seq"] == 3
    assert by_type["snapshot"]["taskId"] == other
    assert [task["title"] for task in by_type["tasks"]["tasks"]] == ["Importing"]


async def test_what_is_missing_or_forbidden_is_told_and_the_stream_stays(log, client, open_stream, owner):
    foreign = await log.run(lambda: TaskRoot.objects.create(title="Not yours"))
    stream = await open_stream()
    connection_id = (await stream.next())["connectionId"]
    answers = []
    for task_id in (str(foreign.pk), str(uuid.uuid4())):
        assert (await post(client, "subscribe", connectionId=connection_id, taskId=task_id)).status_code == 202
        event = await stream.next()
        assert event.pop("taskId") == task_id
        answers.append(event)

    assert answers[0] == answers[1]
    assert (answers[0]["type"], answers[0]["code"]) == ("error", "not_found")
    await post(client, "subscribe", connectionId=connection_id, scope="all")
    assert (await stream.next())["code"] == "forbidden"
    await post(client, "subscribe", connectionId=connection_id, taskId=str(log.root_id))
    assert (await stream.next())["type"] == "subscribed"


async def test_a_foreign_connection_looks_like_one_that_never_was(log, client, open_stream):
    stream = await open_stream()
    connection_id = (await stream.next())["connectionId"]
    nobody = AsyncClient()

    answers = [
        await post(nobody, "subscribe", connectionId=name, taskId=str(log.root_id))
        for name in (connection_id, "0" * len(connection_id), f"{'0' * 48}.{'é' * 32}", "", None, 7)
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"taskId": "7"},
        {"taskId": str(uuid.UUID(int=7)), "since": -1},
        {"taskId": str(uuid.UUID(int=7)), "types": ["noSuchType"]},
        {"taskId": str(uuid.UUID(int=7)), "clientSubId": "x" * 65},
        {"taskId": str(uuid.UUID(int=7)), "clientSubId": "a\nid: 7"},
        {"taskId": str(uuid.UUID(int=7)), "scope": "mine"},
        {"scope": "mine", "status": [7]},
    ],
)
async def test_a_bad_request_is_refused_at_once(message, client, open_stream):
    stream = await open_stream()

    answer = await post(client, "subscribe", connectionId=(await stream.next())["connectionId"], **message)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a":"' + b"x" * 5_000 + b'"}'])
async def test_a_body_that_is_no_request_is_refused(body, client):
    answer = await client.post("/api/subscribe-job/", body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_adding_needs_a_csrf_token(owner, log):
    strict = AsyncClient(enforce_csrf_checks=True)
    await strict.aforce_login(owner)

    assert (await post(strict, "subscribe", connectionId="x", taskId=str(log.root_id))).status_code == 403


async def test_without_the_layer_a_connection_elsewhere_can_not_be_reached(log, client, owner, settings):
    settings.CHANNEL_LAYERS = {}
    connection_id = sign_line(new_line(new_exchange()), Viewer(user_id=owner.pk))

    answer = await post(client, "subscribe", connectionId=connection_id, taskId=str(log.root_id))

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_stream_follows_a_bounded_number_of_tasks(log, owner, client, open_stream):
    tasks = await log.run(
        lambda: [
            str(root.pk)
            for root in TaskRoot.objects.bulk_create(TaskRoot(title="x", owner=owner) for _ in range(MAX_SUBSCRIPTIONS))
        ]
    )
    address = "&".join(f"task={task}" for task in tasks)
    stream = await open_stream(f"?{address}")
    connection_id = (await stream.next())["connectionId"]
    assert [(await stream.next())["type"] for _ in tasks] == ["subscribed"] * MAX_SUBSCRIPTIONS

    await post(client, "subscribe", connectionId=connection_id, taskId=str(log.root_id))
    assert (await stream.next())["code"] == "too_many"
    assert stream.last_id == ""
    answer = await client.get(f"/api/events/?{address}&task={log.root_id}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_new_stream_goes_on_where_the_last_one_stopped(log, owner, client, open_stream):
    """Every event's id is enough for all of the tasks, those of the address and those that were added."""
    await log.write(3)
    other = await other_task(log, owner)
    stream = await open_stream(f"?task={log.root_id}:1")
    connection_id = (await stream.next())["connectionId"]
    await post(client, "subscribe", connectionId=connection_id, taskId=other, snapshot=True, clientSubId="ü:,/")
    seen = [(event["taskId"], event.get("seq")) for event in [await stream.next() for _ in range(5)]]
    assert set(seen) == {
        (str(log.root_id), None),
        (str(log.root_id), 2),
        (str(log.root_id), 3),
        (other, None),
        (other, 0),
    }

    await stream.close()
    await log.write_and_tell(2)
    again = await open_stream(f"?task={log.root_id}:1", last_id=stream.last_id)

    assert (await again.next())["connectionId"] != connection_id
    events = [await again.next() for _ in range(4)]
    confirmed = {event["taskId"]: event.get("clientSubId") for event in events if event["type"] == "subscribed"}
    assert confirmed == {str(log.root_id): None, other: "ü:,/"}
    assert [event["seq"] for event in events if event["type"] == "nodeProgress"] == [4, 5]


async def test_a_stream_for_tasks_ends_with_the_last_of_them(log, client, open_stream):
    await log.write(2, ends=True)
    address = f"?task={log.root_id}&task={uuid.uuid4()}"
    stream = await open_stream(address)

    events = await stream.rest()

    assert [event["type"] for event in events if event["type"] != "error"] == [
        *("connected", "subscribed", "nodeProgress", "taskEnd", "end")
    ]
    back = await client.get(f"/api/events/{address}", headers={"Last-Event-ID": stream.last_id})
    assert back.status_code == 204


async def test_a_stream_that_is_asked_for_more_stays_open(log, owner, client, open_stream):
    other = await other_task(log, owner)
    stream = await open_stream(f"?task={log.root_id}")
    connection_id = (await stream.next())["connectionId"]
    await stream.until("subscribed")
    await post(client, "subscribe", connectionId=connection_id, taskId=other)
    await stream.until("subscribed")

    await log.write_and_tell(ends=True)
    await stream.until("taskEnd")
    await post(client, "unsubscribe", connectionId=connection_id, taskId=other)

    assert (await stream.next())["type"] == "unsubscribed"


async def test_it_stays_open_after_a_reconnection_too(log, owner, client, open_stream):
    other = await other_task(log, owner)
    stream = await open_stream(f"?task={log.root_id}")
    connection_id = (await stream.next())["connectionId"]
    await post(client, "subscribe", connectionId=connection_id, taskId=other)
    await stream.until("subscribed")
    await post(client, "unsubscribe", connectionId=connection_id, taskId=other)
    await stream.until("unsubscribed")
    await stream.close()

    again = await open_stream(f"?task={log.root_id}", last_id=stream.last_id)
    connection_id = (await again.next())["connectionId"]
    await log.write_and_tell(ends=True)
    await again.until("taskEnd")
    await post(client, "subscribe", connectionId=connection_id, taskId=other)

    assert (await again.next())["type"] == "subscribed"


async def test_an_id_is_never_ahead_of_what_was_sent(log, client, open_stream):
    stream = await open_stream(f"?task={log.root_id}")
    connection_id = (await stream.next())["connectionId"]
    await stream.until("subscribed")
    # The first waits to be read, and the second for the first.
    (follower,) = current_hub()._feeds[log.root_id].followers
    for number in (1, 2):
        await log.write_and_tell()
        await until(lambda number=number: follower.position == number)

    await post(client, "unsubscribe", connectionId=connection_id, taskId=str(log.root_id))
    await until(lambda: not current_hub().followed)

    assert (await stream.next())["seq"] == 1
    assert (await stream.next())["type"] == "unsubscribed"
    assert [place.since for place in cursor.decode(stream.last_id)] == [1]


async def test_the_streams_of_a_process_share_one_group_and_each_hears_only_its_own(log, visitor, start_hub):
    hub = start_hub()
    streams = [EventStream(events_response(hub, visitor=visitor, requests=[]))]
    ids = [(await streams[0].next())["connectionId"]]
    groups = hub.groups
    for _ in range(3):
        streams.append(EventStream(events_response(hub, visitor=visitor, requests=[])))
        ids.append((await streams[-1].next())["connectionId"])
    viewer = await hub.viewer(visitor)
    lines = [line_of(one, viewer) for one in ids]
    assert hub.groups - {USERS_GROUP} == groups - {USERS_GROUP}
    assert len(set(lines)) == 4

    for name in (lines[1], lines[2]):
        request = {"taskId": str(log.root_id)}
        await send_to_line(name, {"type": LINE_TYPE, "line": name, "action": "unsubscribe", "request": request})

    assert [(await streams[place].next())["type"] for place in (1, 2)] == ["unsubscribed"] * 2
    await streams[1].close()
    request = {"taskId": str(log.root_id), "clientSubId": "last"}
    await send_to_line(lines[3], {"type": LINE_TYPE, "line": lines[3], "action": "unsubscribe", "request": request})
    # What came to the others first would have come to it first as well.
    assert (await streams[3].next())["clientSubId"] == "last"
    for stream in streams:
        await stream.close()


async def test_silence_is_filled_with_heartbeats(log, visitor, start_hub):
    response = events_response(start_hub(), visitor=visitor, requests=[], heartbeat_seconds=0.01)
    parts = response.__aiter__()
    async with asyncio.timeout(10):
        assert b"connected" in await anext(parts)
        assert (await anext(parts)).startswith(b":")
    await parts.aclose()


async def test_leaving_gives_everything_back(log, visitor, start_hub):
    hub = start_hub()
    request = Subscribe(target=Target(root_id=log.root_id))
    stream = EventStream(events_response(hub, visitor=visitor, requests=[request]))
    await stream.until("subscribed")
    assert hub.followed == {log.root_id}

    await stream.close()

    await until(lambda: not hub.followed and not hub.doors)


async def test_a_client_that_does_not_read_holds_one_message(log, visitor, start_hub):
    """Whatever comes for it waits in the log."""
    hub = start_hub()
    request = Subscribe(target=Target(root_id=log.root_id))
    stream = EventStream(events_response(hub, visitor=visitor, requests=[request]))
    await stream.until("subscribed")

    for _ in range(4):
        await log.write_and_tell(100)

    assert [(await stream.next())["seq"] for _ in range(400)] == list(range(1, 401))
    await stream.close()


def places(*requests: Subscribe) -> str:
    return cursor.encode(map(cursor.Place, requests))


@pytest.mark.parametrize(
    "request_",
    [
        Subscribe(target=Target(root_id=uuid.UUID(int=7)), since=12),
        Subscribe(target=Target(root_id=uuid.UUID(int=7)), snapshot=True, label="a:b,c"),
        Subscribe(target=Target(request_id=uuid.UUID(int=9)), since=0, types=frozenset({"nodeOutput", "taskStart"})),
    ],
)
def test_a_cursor_says_what_goes_on(request_: Subscribe) -> None:
    assert cursor.decode(places(request_)) == [request_]


def test_a_cursor_that_would_be_too_long_is_none() -> None:
    requests = [Subscribe(target=Target(root_id=uuid.uuid4()), since=10**6) for _ in range(60)]
    assert places(*requests) == ""
    assert len(cursor.decode(places(*requests[:45]))) == 45


@pytest.mark.parametrize(
    "text",
    [
        *("7", "2,", "1,x", "1,t:1", "1" + ",t" * 2_000, f"1,t{'z' * 32}:1", f"1,t{'0' * 32}"),
        *(f"1,t{'0' * 32}:{rest}" for rest in ("-1", "1:a:b:c", "1::noType", "1:%0a")),
    ],
)
def test_what_was_never_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        cursor.decode(text)


def test_a_connection_id_is_its_openers_alone() -> None:
    owner, session, nobody = Viewer(user_id=1), Viewer(session_key="abc"), Viewer()
    for viewer in (owner, session, nobody):
        signed = sign_line(new_line(new_exchange()), viewer)
        assert [line_of(signed, other) is not None for other in (owner, session, nobody)] == [
            other is viewer for other in (owner, session, nobody)
        ]
