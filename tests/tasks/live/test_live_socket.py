"""The WebSocket's protocol: what a client may say, and that nothing it says breaks the connection."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User

from tasks.domain.sequencer import Item
from tasks.live import current_hub
from tasks.live.consumer import MOST_UNANSWERED, TasksConsumer
from tasks.live.feed import FRAME_CHARS
from tasks.live.protocol import MAX_SUBSCRIPTIONS
from tasks.models import TaskRoot, Update
from tasks.services.roots import Owner, create_root

Connect = Callable[[Any], Awaitable[WebsocketCommunicator]]


@pytest.fixture
async def connect(log) -> AsyncIterator[Connect]:
    sockets: list[WebsocketCommunicator] = []

    async def open_socket(user: Any) -> WebsocketCommunicator:
        socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/")
        socket.scope["user"] = user
        assert (await socket.connect())[0]
        sockets.append(socket)
        return socket

    yield open_socket
    for socket in sockets:
        await socket.disconnect()
    await current_hub().close()


async def say(socket: WebsocketCommunicator, **message: object) -> None:
    await socket.send_to(text_data=json.dumps(message))


async def heard(socket: WebsocketCommunicator) -> dict[str, Any]:
    text = await socket.receive_from(timeout=10)
    # As a server does, which ends the connection where that fails.
    return json.loads(text.encode())


async def test_a_subscription_is_confirmed_and_then_fed(connect, log, owner):
    await log.write(2)
    socket = await connect(owner)

    await say(socket, type="subscribe", taskId=str(log.root_id), snapshot=True)

    assert await heard(socket) == {"type": "subscribed", "taskId": str(log.root_id)}
    snapshot = await heard(socket)
    assert (snapshot["type"], snapshot["seq"], snapshot["isOwner"]) == ("snapshot", 2, True)
    await log.write_and_tell()
    assert (await heard(socket))["seq"] == 3


async def test_one_socket_follows_many_tasks(connect, log, owner):
    (other,) = await log.run(lambda: _roots(owner, 1))
    await log.write(1)
    socket = await connect(owner)

    await say(socket, type="subscribe", taskId=other, snapshot=True)
    await say(socket, type="subscribe", taskId=str(log.root_id))

    told = [(message["type"], message["taskId"]) for message in [await heard(socket) for _ in range(4)]]
    assert sorted(told) == sorted(
        [
            ("subscribed", other),
            ("snapshot", other),
            ("subscribed", str(log.root_id)),
            ("nodeProgress", str(log.root_id)),
        ]
    )


@pytest.mark.parametrize("since", [0, 1, 2])
async def test_goes_on_after_since(since, connect, log, owner):
    await log.write(2, ends=True)
    socket = await connect(owner)

    await say(socket, type="subscribe", taskId=str(log.root_id), since=since)

    assert (await heard(socket))["type"] == "subscribed"
    assert [(await heard(socket))["seq"] for _ in range(2 - since)] == list(range(since + 1, 3))
    assert await socket.receive_nothing()


async def test_unsubscribed_means_silence(connect, log, owner):
    socket = await connect(owner)
    await say(socket, type="subscribe", taskId=str(log.root_id))
    await heard(socket)

    await say(socket, type="unsubscribe", taskId=str(log.root_id))
    await say(socket, type="ping")
    assert await heard(socket) == {"type": "pong"}
    await log.write_and_tell()

    assert await socket.receive_nothing()
    assert current_hub().followed == frozenset()


async def test_subscribing_again_starts_anew(connect, log, owner):
    await log.write(1)
    socket = await connect(owner)

    for _ in range(2):
        await say(socket, type="subscribe", taskId=str(log.root_id))
        assert [(await heard(socket)).get("seq") for _ in range(2)] == [None, 1]


async def test_missing_and_forbidden_sound_the_same(connect, log):
    stranger = await connect(AnonymousUser())
    missing = str(uuid.uuid4())

    answers = []
    for task_id in (str(log.root_id), missing):
        await say(stranger, type="subscribe", taskId=task_id)
        answer = await heard(stranger)
        assert answer.pop("taskId") == task_id
        answers.append(answer)

    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_found"


async def test_several_updates_come_in_one_message_where_the_client_takes_them(connect, log, owner):
    await log.write(4)
    quick, simple = await connect(owner), await connect(owner)

    await say(quick, type="subscribe", taskId=str(log.root_id), batch=True)
    await say(simple, type="subscribe", taskId=str(log.root_id))

    assert (await heard(quick))["type"] == (await heard(simple))["type"] == "subscribed"
    assert [update["seq"] for update in await heard(quick)] == [1, 2, 3, 4]
    assert [(await heard(simple))["seq"] for _ in range(4)] == [1, 2, 3, 4]
    # One update is no list of one, and a snapshot comes alone.
    await log.write_and_tell()
    assert (await heard(quick))["seq"] == 5
    await say(quick, type="subscribe", taskId=str(log.root_id), batch=True, snapshot=True)
    assert [(await heard(quick))["type"] for _ in range(2)] == ["subscribed", "snapshot"]


async def test_messages_with_several_updates_are_of_bounded_size(log, visitor, start_hub):
    follower = await start_hub().follow(log.root_id, visitor=visitor)
    items = [Item(seq, f'"{"x" * (FRAME_CHARS // 3)}"') for seq in range(1, 8)] + [Item(8, f'"{"y" * FRAME_CHARS}"')]

    frames = follower.frames(items)

    assert [text for frame in frames for text in json.loads(frame)] == [json.loads(item.text) for item in items]
    assert all(len(frame) <= FRAME_CHARS + 10 or len(json.loads(frame)) == 1 for frame in frames)


async def test_messages_with_several_updates_are_put_together_once_for_all(log, visitor, start_hub):
    await log.write(3)
    hub = start_hub()
    followers = [await hub.follow(log.root_id, visitor=visitor) for _ in range(3)]

    frames = [follower.frames(await follower.next()) for follower in followers]

    assert frames[0][0] is frames[1][0] is frames[2][0]


async def test_a_client_that_answers_is_sent_no_more_than_it_takes(connect, log, owner):
    """Not every server tells when a client reads slowly, so the client itself says how far it has come."""
    large = "x" * 60_000
    await log.run(lambda: _write_large(log, 60, large))
    socket = await connect(owner)
    await say(socket, type="subscribe", taskId=str(log.root_id), acks=True)
    seqs: list[int] = []
    pings = 0
    while pings < MOST_UNANSWERED:
        message = await heard(socket)
        pings += message["type"] == "ping"
        seqs += [message["seq"]] if "seq" in message else []

    assert await socket.receive_nothing()
    assert len(seqs) < 30

    while len(seqs) < 60:
        await say(socket, type="pong")
        message = await heard(socket)
        seqs += [message["seq"]] if "seq" in message else []
    assert seqs == list(range(1, 61))


async def test_a_client_that_never_says_a_word_is_cut_off_in_the_end(connect, log, owner, monkeypatch):
    monkeypatch.setattr("tasks.live.consumer.MOST_UNHEARD_CHARS", 300_000)
    await log.run(lambda: _write_large(log, 10, "x" * 60_000))
    socket = await connect(owner)
    await say(socket, type="subscribe", taskId=str(log.root_id))

    outputs = [await socket.receive_output(timeout=10)]
    while outputs[-1]["type"] == "websocket.send":
        outputs.append(await socket.receive_output(timeout=10))

    assert (outputs[-1]["type"], outputs[-1]["code"]) == ("websocket.close", 1013)
    assert len(outputs) < 9
    assert current_hub().followed == frozenset()


async def test_a_filter_leaves_the_numbers_as_they_are(connect, log, owner):
    await log.run(lambda: _write_kinds(log, ["taskStart", "nodeOutput", "nodeProgress", "nodeOutput", "taskEnd"]))
    socket = await connect(owner)

    await say(socket, type="subscribe", taskId=str(log.root_id), types=["nodeOutput"])

    assert (await heard(socket))["type"] == "subscribed"
    received = [await heard(socket) for _ in range(3)]
    # The end is told whatever is asked for: else nobody would know of it.
    assert [(message["seq"], message["type"]) for message in received] == [
        *((2, "nodeOutput"), (4, "nodeOutput"), (5, "taskEnd"))
    ]


async def test_who_is_told_nothing_for_long_is_told_how_far_the_log_is(connect, log, owner):
    await log.write(1_200)
    socket = await connect(owner)

    await say(socket, type="subscribe", taskId=str(log.root_id), types=["nodeOutput"])

    assert (await heard(socket))["type"] == "subscribed"
    positions = [await heard(socket) for _ in range(2)]
    assert [(message["type"], message["seq"]) for message in positions] == [("position", 500), ("position", 1000)]


async def test_a_list_on_the_socket(connect, log, owner):
    socket = await connect(owner)

    await say(socket, type="subscribe", scope="mine", clientSubId="left")
    await say(socket, type="subscribe", scope="mine", clientSubId="right", text="no such title")

    confirmed = {"type": "subscribed", "scope": "mine"}
    answers = [await heard(socket) for _ in range(4)]
    assert [one for one in answers if one["type"] == "subscribed"] == [
        {**confirmed, "clientSubId": name} for name in ("left", "right")
    ]
    lists = {one["clientSubId"]: one["tasks"] for one in answers if one["type"] == "tasks"}
    assert [task["taskId"] for task in lists["left"]] == [str(log.root_id)]
    assert lists["right"] == []
    for name in ("left", "right"):
        await say(socket, type="unsubscribe", scope="mine", clientSubId=name)
    await log.write_and_tell()
    assert await socket.receive_nothing()


async def test_everyones_list_is_forbidden_to_most(connect, log, owner):
    socket = await connect(owner)

    await say(socket, type="subscribe", scope="all")

    answer = await heard(socket)
    assert (answer["type"], answer["code"], answer["scope"]) == ("error", "forbidden", "all")


async def test_the_tree_of_a_request_on_the_socket(connect, log, owner):
    request_id = str(uuid.uuid4())
    socket = await connect(owner)

    await say(socket, type="subscribe", requestId=request_id)
    confirmed = await heard(socket)
    root_id = uuid.UUID(confirmed["taskId"])
    await log.run(lambda: create_root(title="Upload", owner=Owner(user_id=owner.pk), root_id=root_id))

    assert (confirmed["type"], confirmed["requestId"]) == ("subscribed", request_id)
    started = await heard(socket)
    assert (started["type"], started["taskId"]) == ("taskStart", confirmed["taskId"])


BAD = {
    "not JSON": "{",
    "deep nesting": "[" * 4_000,
    "no object": "[]",
    "no type": "{}",
    "an unknown type": '{"type":"shout"}',
    "no task": '{"type":"subscribe"}',
    "a task that is no UUID": '{"type":"subscribe","taskId":"1"}',
    "a task that is no text": '{"type":"subscribe","taskId":7}',
    "a UUID in braces": '{"type":"subscribe","taskId":"{0197f000-0000-7000-8000-000000000000}"}',
    "since that is no number": '{"type":"subscribe","taskId":"0197f000-0000-7000-8000-000000000000","since":"1"}',
    "since below zero": '{"type":"subscribe","taskId":"0197f000-0000-7000-8000-000000000000","since":-1}',
    "since beyond all numbers": f'{{"type":"subscribe","taskId":"{uuid.UUID(int=7)}","since":{2**64}}}',
    "since that is true": '{"type":"subscribe","taskId":"0197f000-0000-7000-8000-000000000000","since":true}',
    "two things at once": f'{{"type":"subscribe","scope":"mine","taskId":"{uuid.UUID(int=7)}"}}',
    "an unknown scope": '{"type":"subscribe","scope":"yours"}',
    "a scope that is no text": '{"type":"subscribe","scope":[]}',
    "types that are none": f'{{"type":"subscribe","taskId":"{uuid.UUID(int=7)}","types":["snapshot"]}}',
    "types that are no list": f'{{"type":"subscribe","taskId":"{uuid.UUID(int=7)}","types":7}}',
    "a list since a number": '{"type":"subscribe","scope":"mine","since":7}',
    "a status that is no text": '{"type":"subscribe","scope":"mine","status":["\\ud800"]}',
    "a title that is no text": '{"type":"subscribe","scope":"mine","text":"\\ud800"}',
    "a wish that is neither true nor false": f'{{"type":"subscribe","taskId":"{uuid.UUID(int=7)}","snapshot":"yes"}}',
    "a list with such a wish": '{"type":"subscribe","scope":"mine","open":1}',
    "too long": '{"type":"' + "x" * 5_000 + '"}',
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_a_bad_message_is_answered_and_the_connection_stays(text, connect, log):
    socket = await connect(AnonymousUser())

    await socket.send_to(text_data=text)

    answer = await heard(socket)
    assert (answer["type"], answer["code"]) == ("error", "bad_request")
    await say(socket, type="ping")
    assert await heard(socket) == {"type": "pong"}


async def test_binary_messages_are_refused(connect, log):
    socket = await connect(AnonymousUser())

    await socket.send_to(bytes_data=b"\x00")

    answer = await heard(socket)
    assert (answer["code"], answer["message"]) == ("bad_request", "Send JSON as text: binary messages aren't read.")


async def test_one_socket_follows_a_bounded_number_of_tasks(connect, log, owner):
    roots = await log.run(lambda: _roots(owner, MAX_SUBSCRIPTIONS + 1))
    socket = await connect(owner)

    for root_id in roots:
        await say(socket, type="subscribe", taskId=root_id)

    answers = [await heard(socket) for _ in roots]
    assert [answer["type"] for answer in answers] == ["subscribed"] * MAX_SUBSCRIPTIONS + ["error"]
    assert answers[-1]["code"] == "too_many"


async def test_leaving_gives_everything_back(connect, log, owner):
    socket = await connect(owner)
    await say(socket, type="subscribe", taskId=str(log.root_id))
    await heard(socket)

    await socket.disconnect()

    assert current_hub().followed == frozenset()


def _write_large(log: Any, count: int, text: str) -> None:
    for seq in range(1, count + 1):
        Update.objects.create(root_id=log.root_id, seq=seq, body=log.body(seq)[:-1] + f',"text":"{text}"}}')
    TaskRoot.objects.filter(pk=log.root_id).update(last_seq=count)


def _write_kinds(log: Any, kinds: list[str]) -> None:
    for seq, kind in enumerate(kinds, start=1):
        Update.objects.create(root_id=log.root_id, seq=seq, body=log.body(seq, kind))
    TaskRoot.objects.filter(pk=log.root_id).update(last_seq=len(kinds), closed=True)


def _roots(owner: User, count: int) -> list[str]:
    return [
        str(root.pk) for root in TaskRoot.objects.bulk_create(TaskRoot(title="x", owner=owner) for _ in range(count))
    ]


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (None, True),  # no browser
        ("http://stepline.example:8000", True),
        ("https://stepline.example:8000", True),  # TLS ends at a proxy
        ("https://trusted.example", True),
        ("https://any.wild.example", True),
        ("http://any.wild.example", False),
        ("http://stepline.example:9000", False),
        ("http://stepline.example", False),
        ("https://evil.example", False),
        ("null", False),
        ("\x80", False),
    ],
)
async def test_pages_of_other_origins_may_not_connect(settings, origin: str | None, accepted: bool) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example", "https://*.wild.example"]
    headers = [(b"host", b"stepline.example:8000")] + ([(b"origin", origin.encode("latin-1"))] if origin else [])
    socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/", headers=headers)
    assert (await socket.connect())[0] is accepted
    if accepted:
        await say(socket, type="ping")
        assert await heard(socket) == {"type": "pong"}
    await socket.disconnect()
