"""The WebSocket: many subscriptions on one socket."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from typing import Any

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer

from tasks.domain.scopes import allows_address
from tasks.domain.sequencer import Item
from tasks.errors import TasksError
from tasks.live.hub import current_hub
from tasks.live.protocol import (
    CallFunction,
    CancelCall,
    Interrupted,
    Ping,
    Pong,
    Subscribe,
    Target,
    Unsubscribe,
    error_text,
    parse,
    ping,
    pong,
)
from tasks.live.socket_calls import SocketCalls
from tasks.live.subscriptions import Subscription, Subscriptions
from tasks.live.visitor import Visitor, is_own_origin
from tasks.models import ApiToken
from tasks.services.api_tokens import find_api_token, token_in
from tasks.services.call_threads import in_own_thread

logger = logging.getLogger(__name__)

#: Characters sent after which the client is asked whether they have arrived.
PING_EVERY_CHARS = 262_144
#: Questions without an answer at which nothing more is sent to a client that answers.
MOST_UNANSWERED = 4
#: Characters sent to a client that says nothing at all before it is taken to be one that reads nothing either.
MOST_UNHEARD_CHARS = 64 * 1024 * 1024
#: Closes the socket (RFC 6455, 7.4): the client may come back.
GOING_AWAY, TRY_AGAIN_LATER = 1001, 1013

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class TasksConsumer(AsyncWebsocketConsumer):
    """Speak the protocol of `tasks.live.protocol` with one client; the hub does the rest."""

    # No layer by this name exists, so that Channels opens no channel of its own for each socket: the hub's is enough.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subscriptions: Subscriptions | None = None
        self._calls: SocketCalls | None = None
        self._api_token: ApiToken | None = None
        self._intake = Intake()
        self._closing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket, and follow nothing any more when it is over, however it ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in `disconnect`: a server that shuts down, or finds a socket hanging, cancels instead.
            if self._subscriptions is not None:
                self._end_all()
                current_hub().doors.discard(self)

    async def connect(self) -> None:
        """Accept everyone but the pages of other sites; what they may see is decided for each task."""
        if not is_own_origin(self.scope["headers"]):
            await self.close()
            return
        hub = current_hub()
        token = await self._token()
        if token is None:
            self.visitor = Visitor(user=self.scope.get("user"), session=self.scope.get("session"))
        elif not allows_address(token.scopes, "tasks", is_safe=True):
            await self.close()
            return
        else:
            self.visitor = Visitor(user=token.user, session=None, token_id=token.pk)
        self._api_token = token
        self._subscriptions = Subscriptions(hub=hub, visitor=self.visitor, client=self)
        hub.admit(self)
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one message of the client; nothing it sends can break the connection."""
        self._intake.hear()
        target: Target | None = None
        label: str | None = None
        assert self._subscriptions is not None
        try:
            request = parse(text_data)
            if isinstance(request, Ping):
                await self.send(text_data=pong())
            elif isinstance(request, Pong):
                self._intake.take_pong()
            elif isinstance(request, Unsubscribe):
                self._subscriptions.remove(request.target)
            elif isinstance(request, CallFunction):
                target = Target(request_id=request.request_id)
                self._socket_calls().add(request)
            elif isinstance(request, CancelCall):
                self._socket_calls().cancel(request.request_id)
            else:
                target, label = request.target, request.label
                await self._subscribe(request)
        except TasksError as error:
            await self.send(text_data=error_text(error, target=target, label=label))
        except Exception:
            logger.exception("A WebSocket message could not be handled.")
            await self.send(text_data=error_text(Interrupted(), target=target, label=label))

    async def deliver(self, subscription: Subscription, items: Sequence[Item]) -> None:
        """Send updates, once the client has taken most of what was sent before."""
        assert subscription.stream is not None
        if subscription.request.batch:
            texts: Sequence[str] = subscription.stream.frames(items)
        else:
            texts = [item.text for item in items]
        for text in texts:
            if not await self._send_in_turn(text):
                return

    async def begun(self, subscription: Subscription) -> None:
        """Confirm a subscription."""
        await self.send(text_data=subscription.confirmation())

    async def failed(self, subscription: Subscription, error: TasksError) -> None:
        """Tell why a subscription has ended."""
        await self.send(text_data=subscription.refusal(error))

    def shut(self) -> None:
        """Close the socket: its session is over."""
        self._shut(GOING_AWAY)

    async def _send_in_turn(self, text: str) -> bool:
        """Send a text once the client has taken most of what was sent before; False where it never takes any."""
        await self._intake.wait()
        await self.base_send({"type": "websocket.send", "text": text})
        if self._intake.send(len(text)):
            await self.send(text_data=ping())
        if self._intake.overflows:
            # The server it runs in may keep for it whatever it doesn't read.
            self._shut(TRY_AGAIN_LATER)
        return not self._intake.overflows

    def _socket_calls(self) -> SocketCalls:
        if self._calls is None:
            self._calls = SocketCalls(
                hub=current_hub(), visitor=self.visitor, send=self._send_in_turn, token=self._api_token
            )
        return self._calls

    async def _token(self) -> ApiToken | None:
        """Return the API token that the client bears; raises DenyConnection where it doesn't hold."""
        given = dict(self.scope["headers"]).get(b"authorization", b"").decode("latin-1")
        secret = token_in(given)
        if secret is None:
            return None
        try:
            return await in_own_thread(partial(find_api_token, secret))
        except TasksError:
            raise DenyConnection from None

    async def _subscribe(self, request: Subscribe) -> None:
        assert self._subscriptions is not None
        if request.acks:
            self._intake.answers = True
        await self._subscriptions.add(request)

    def _shut(self, code: int) -> None:
        if self._closing is None:
            assert self._subscriptions is not None
            self._end_all()
            self._closing = asyncio.create_task(self._close(code))

    def _end_all(self) -> None:
        if self._subscriptions is not None:
            self._subscriptions.close()
        if self._calls is not None:
            self._calls.close()

    async def _close(self, code: int) -> None:
        try:
            await self.close(code=code)
        except Exception:
            logger.debug("A WebSocket was closed already.", exc_info=True)


class NoSocket(AsyncWebsocketConsumer):
    """Refuse a WebSocket to an address where there is none (403), which Channels takes for an error of ours."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        """Refuse it."""
        await self.close()


class Intake:
    """Know how much of what was sent a client has taken.

    Not every server tells when a client reads slowly (Daphne keeps for it whatever is sent), so the client is asked:
    one that answers (`acks`) gets no more than about a megabyte ahead of its answers.
    """

    def __init__(self) -> None:
        self.answers = False
        self._since_ping = 0
        self._unanswered = 0
        self._unheard = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def overflows(self) -> bool:
        """Tell whether more was sent than anybody would take without a word."""
        return self._unheard > MOST_UNHEARD_CHARS

    async def wait(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self._room.wait()

    def send(self, chars: int) -> bool:
        """Note that so much was sent; returns whether the client is to be asked."""
        self._unheard += chars
        if not self.answers:
            return False
        self._since_ping += chars
        if self._since_ping < PING_EVERY_CHARS:
            return False
        self._since_ping = 0
        self._unanswered += 1
        if self._unanswered >= MOST_UNANSWERED:
            self._room.clear()
        return True

    def hear(self) -> None:
        """Note that the client is there."""
        self._unheard = 0

    def take_pong(self) -> None:
        """Note that the client has taken what was sent before a question."""
        self._unanswered = max(0, self._unanswered - 1)
        if self._unanswered < MOST_UNANSWERED:
            self._room.set()
