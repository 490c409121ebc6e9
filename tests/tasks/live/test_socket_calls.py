"""Functions called by name over the WebSocket, under an id that the client gives each call."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from pydantic import BeforeValidator

from tasks import check_cancelled, mutation, output, progress, query
from tasks.errors import NotAllowed, TaskCancelled
from tasks.live import current_hub
from tasks.live.consumer import TasksConsumer
from tasks.live.protocol import MAX_CALL_CHARS, MAX_MESSAGE_CHARS
from tasks.live.socket_calls import MOST_CALLS
from tasks.models import TaskRoot
from tasks.registry import CallContext
from tasks.services.api_tokens import PREFIX, create_api_token, revoke_api_token
from tasks.services.revocations import USERS_GROUP
from tests.tasks.live.streams import until

Connect = Callable[..., Awaitable[WebsocketCommunicator]]


pytestmark = pytest.mark.usefixtures("own_declarations")


@pytest.fixture
async def connect(transactional_db: None, broker: object) -> AsyncIterator[Connect]:
    sockets: list[WebsocketCommunicator] = []

    async def open_socket(user: Any, session: Any = None, token: str = "") -> WebsocketCommunicator:
        socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/", headers=bearer(token) if token else [])
        socket.scope["user"] = user
        socket.scope["session"] = session
        assert (await socket.connect())[0]
        sockets.append(socket)
        return socket

    yield open_socket
    for socket in sockets:
        await socket.disconnect()
    await current_hub().close()


@pytest.fixture
def user(transactional_db: None) -> User:
    return User.objects.create_user("caller")


def bearer(secret: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {secret}".encode())]


async def say(socket: WebsocketCommunicator, **message: object) -> str:
    request_id = str(message.setdefault("requestId", str(uuid.uuid4())))
    await socket.send_to(text_data=json.dumps(message))
    return request_id


async def heard(socket: WebsocketCommunicator) -> dict[str, Any]:
    return json.loads(await socket.receive_from(timeout=10))


async def until_over(socket: WebsocketCommunicator, request_id: str) -> list[dict[str, Any]]:
    """Return what is told up to the result, or the error, of a call."""
    told = []
    while True:
        told.append(await heard(socket))
        if told[-1]["type"] in ("result", "error") and told[-1]["requestId"] == request_id:
            return told


async def test_a_call_tells_its_tree_and_then_its_result(connect: Connect, user: User) -> None:
    @mutation("test.import")
    def import_rows(context: CallContext, rows: int) -> dict[str, Any]:
        progress(1, rows)
        output("read")
        return {"rows": rows, "by": context.user.get_username()}

    socket = await connect(user)
    request_id = await say(socket, type="call", fn="test.import", args={"rows": 3})

    first, *updates, last = await until_over(socket, request_id)
    assert (first["type"], first["requestId"]) == ("subscribed", request_id)
    assert {update["taskId"] for update in updates} == {first["taskId"]}
    assert [update["seq"] for update in updates] == list(range(1, len(updates) + 1))
    assert updates[-1]["type"] == "taskEnd"
    assert last == {"type": "result", "requestId": request_id, "data": {"rows": 3, "by": "caller"}}


async def test_calls_of_one_socket_are_made_side_by_side(connect: Connect, user: User) -> None:
    together = threading.Barrier(3)

    @query("test.meets")
    def meets(context: CallContext) -> int:
        together.wait(10)
        return 1

    socket = await connect(user)
    asked = {await say(socket, type="call", fn="test.meets") for _ in range(3)}

    told = [message for message in [await heard(socket) for _ in range(6)] if message["type"] == "result"]
    assert {message["requestId"] for message in told} == asked


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("test.missing", {}, "unknown_function"),
        ("test.staff", {}, "forbidden"),
        ("test.fails", {}, "forbidden"),
        ("test.breaks", {}, "internal"),
        ("test.fails", {"more": 1}, "invalid_arguments"),
        ("test.fails", [], "bad_request"),
        (7, {}, "bad_request"),
    ],
)
async def test_what_goes_wrong_is_told_of_that_call(
    connect: Connect, user: User, name: object, arguments: object, code: str
) -> None:
    query("test.staff", access="staff")(lambda context: None)

    @mutation("test.fails")
    def fails(context: CallContext) -> None:
        raise NotAllowed("Not yours.")

    @mutation("test.breaks")
    def breaks(context: CallContext) -> None:
        raise ZeroDivisionError("a secret")

    socket = await connect(user)
    request_id = str(uuid.uuid4())
    await say(socket, type="call", fn=name, args=arguments, requestId=request_id)

    while (last := await heard(socket))["type"] != "error":
        pass
    assert last["code"] == code
    assert "secret" not in str(last)
    # A message that is no call at all isn't about one.
    assert last.get("requestId") == (None if code == "bad_request" else request_id)
    await say(socket, type="ping")
    assert (await heard(socket))["type"] == "pong"


async def test_who_hasnt_signed_in_calls_what_anyone_may(connect: Connect) -> None:
    query("test.inside")(lambda context: 1)
    query("test.outside", access="anyone")(lambda context: 2)
    socket = await connect(AnonymousUser())

    refused = await until_over(socket, await say(socket, type="call", fn="test.inside"))
    assert [message["code"] for message in refused] == ["sign_in_required"]
    answered = await until_over(socket, await say(socket, type="call", fn="test.outside"))
    assert [message["data"] for message in answered] == [2]


async def test_who_has_signed_out_calls_nothing_any_more(connect: Connect, user: User) -> None:
    query("test.inside")(lambda context: 1)
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    socket = await connect(user)

    told = await until_over(socket, await say(socket, type="call", fn="test.inside"))
    assert told[-1]["code"] == "sign_in_required"


async def test_a_session_without_a_user_follows_its_own_calls(connect: Connect) -> None:
    @mutation("test.outside", access="anyone")
    def outside(context: CallContext) -> None:
        progress(1, 1)

    session = SessionStore()
    await session.acreate()
    socket = await connect(AnonymousUser(), session)

    told = await until_over(socket, await say(socket, type="call", fn="test.outside"))
    assert [message["type"] for message in told][-2:] == ["taskEnd", "result"]


def endless(told: list[str], begun: threading.Event) -> Callable[[CallContext], None]:
    def work(context: CallContext) -> None:
        progress(0, 1)
        begun.set()
        limit = time.monotonic() + 10
        try:
            while time.monotonic() < limit:
                check_cancelled()
                time.sleep(0.005)
        except TaskCancelled:
            told.append("cancelled")
            raise

    return work


async def test_a_call_can_be_cancelled(connect: Connect, user: User) -> None:
    told: list[str] = []
    begun = threading.Event()
    mutation("test.endless")(endless(told, begun))
    socket = await connect(user)

    request_id = await say(socket, type="call", fn="test.endless")
    assert await asyncio.to_thread(begun.wait, 10)
    await say(socket, type="cancel", requestId=request_id)

    over = await until_over(socket, request_id)
    assert (over[-1]["type"], over[-1]["code"]) == ("error", "cancelled")
    assert over[-2]["type"] == "taskAborted"
    # Of one that is over there is nothing to cancel, and nothing is told.
    await say(socket, type="cancel", requestId=request_id)
    await say(socket, type="ping")
    assert (await heard(socket))["type"] == "pong"


async def test_a_coroutine_is_cancelled_where_it_waits(connect: Connect, user: User) -> None:
    @mutation("test.sleeps")
    async def sleeps(context: CallContext) -> None:
        await asyncio.sleep(60)

    socket = await connect(user)
    request_id = await say(socket, type="call", fn="test.sleeps")
    assert (await heard(socket))["type"] == "subscribed"
    await say(socket, type="cancel", requestId=request_id)

    assert (await until_over(socket, request_id))[-1]["code"] == "cancelled"


async def test_what_is_at_work_ends_with_the_socket(connect: Connect, user: User) -> None:
    told: list[str] = []
    begun = threading.Event()
    mutation("test.endless")(endless(told, begun))
    socket = await connect(user)

    await say(socket, type="call", fn="test.endless")
    assert await asyncio.to_thread(begun.wait, 10)
    await socket.disconnect()

    await until(lambda: told == ["cancelled"])
    # Its beginning and its end may come with one write.
    async with asyncio.timeout(10):
        while [root.status async for root in TaskRoot.objects.all()] != ["cancelled"]:
            await asyncio.sleep(0.02)


async def test_an_id_names_one_call_at_a_time_and_there_are_only_so_many(connect: Connect, user: User) -> None:
    @mutation("test.sleeps")
    async def sleeps(context: CallContext) -> None:
        await asyncio.sleep(60)

    socket = await connect(user)
    request_id = await say(socket, type="call", fn="test.sleeps")
    await say(socket, type="call", fn="test.sleeps", requestId=request_id)
    assert (await until_over(socket, request_id))[-1]["code"] == "bad_request"
    for _ in range(MOST_CALLS - 1):
        await say(socket, type="call", fn="test.sleeps")
    refused = await say(socket, type="call", fn="test.sleeps")
    assert (await until_over(socket, refused))[-1]["code"] == "too_many"


async def test_calls_may_be_long_and_other_messages_not(connect: Connect, user: User) -> None:
    @query("test.length")
    def length(context: CallContext, text: str) -> int:
        return len(text)

    socket = await connect(user)
    long = "x" * (MAX_MESSAGE_CHARS * 4)
    told = await until_over(socket, await say(socket, type="call", fn="test.length", args={"text": long}))
    assert told[-1]["data"] == len(long)
    for message in (
        {"type": "subscribe", "taskId": str(uuid.uuid4()), "clientSubId": long},
        {"type": "call", "fn": "test.length", "args": {"text": "x" * MAX_CALL_CHARS}},
    ):
        await say(socket, **message)
        assert (await heard(socket))["code"] == "bad_request"


async def test_a_program_comes_in_by_its_token(connect: Connect, user: User) -> None:
    @query("test.whoami")
    def whoami(context: CallContext) -> str:
        return str(context.user.get_username())

    mutation("test.change")(lambda context: "changed")
    row, secret = await sync_to_async(create_api_token)(user=user, name="test", scopes=["read"])
    socket = await connect(AnonymousUser(), token=secret)

    told = await until_over(socket, await say(socket, type="call", fn="test.whoami"))
    assert told[-1]["data"] == "caller"
    refused = await until_over(socket, await say(socket, type="call", fn="test.change"))
    assert refused[-1]["code"] == "insufficient_scope"
    await until(lambda: USERS_GROUP in current_hub().groups)
    await sync_to_async(revoke_api_token)(row)
    assert (await socket.receive_output(timeout=10))["type"] == "websocket.close"


@pytest.mark.parametrize("shared", [False, True])
async def test_what_a_program_follows_ends_when_its_token_is_revoked(
    connect: Connect, user: User, shared: bool
) -> None:
    row, secret = await sync_to_async(create_api_token)(user=user, name="test", scopes=["tasks:read"])
    root = await TaskRoot.objects.acreate(title="Long", owner=user, shared=shared)
    socket, idle = await connect(AnonymousUser(), token=secret), await connect(AnonymousUser(), token=secret)
    await say(socket, type="subscribe", taskId=str(root.pk), snapshot=True, requestId=None)
    assert [(await heard(socket))["type"] for _ in range(2)] == ["subscribed", "snapshot"]

    await until(lambda: USERS_GROUP in current_hub().groups)
    await sync_to_async(revoke_api_token)(row)

    # Told by a message, at once. A program that follows nothing is let go too.
    for one in (socket, idle):
        assert (await one.receive_output(timeout=10))["type"] == "websocket.close"


async def test_a_program_whose_token_holds_stays_when_another_one_goes(connect: Connect, user: User) -> None:
    row, secret = await sync_to_async(create_api_token)(user=user, name="test", scopes=["tasks:read"])
    _other, other_secret = await sync_to_async(create_api_token)(user=user, name="other", scopes=["tasks:read"])
    gone, stays = await connect(AnonymousUser(), token=secret), await connect(AnonymousUser(), token=other_secret)

    await until(lambda: USERS_GROUP in current_hub().groups)
    await sync_to_async(revoke_api_token)(row)

    assert (await gone.receive_output(timeout=10))["type"] == "websocket.close"
    await say(stays, type="ping", requestId=None)
    assert (await heard(stays))["type"] == "pong"


@pytest.mark.parametrize("scopes", [None, ["instances:write"]])
async def test_a_token_that_isnt_good_for_it_opens_no_socket(
    connect: Connect, user: User, scopes: list[str] | None
) -> None:
    secret = PREFIX + "unknown"
    if scopes is not None:
        _row, secret = await sync_to_async(create_api_token)(user=user, name="test", scopes=scopes)
    socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/", headers=bearer(secret))
    assert not (await socket.connect())[0]


async def test_a_call_is_cancelled_while_it_is_still_being_prepared(connect: Connect, user: User) -> None:
    made: list[str] = []
    cancelled = threading.Event()

    def wait(value: object) -> object:
        assert cancelled.wait(10)
        return value

    @mutation("test.made")
    def make(context: CallContext, what: Annotated[str, BeforeValidator(wait)]) -> None:
        made.append(what)

    socket = await connect(user)
    request_id = await say(socket, type="call", fn="test.made", args={"what": "it"})
    await say(socket, type="cancel", requestId=request_id)
    # What is said is heard in order.
    await say(socket, type="nonsense", requestId=None)
    assert (await heard(socket))["type"] == "error"
    cancelled.set()
    over = await until_over(socket, request_id)
    assert (over[-1]["type"], over[-1]["code"]) == ("error", "cancelled")
    assert made == []
