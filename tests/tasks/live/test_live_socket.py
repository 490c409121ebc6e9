"""The WebSocket's protocol: what a client may say, and that nothing it says breaks the connection."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User

from tasks.live import current_hub
from tasks.live.consumer import TasksConsumer
from tasks.live.protocol import MAX_SUBSCRIPTIONS
from tasks.models import TaskRoot

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
    return json.loads(await socket.receive_from(timeout=10))


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

    assert (await heard(socket))["code"] == "bad_request"


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
