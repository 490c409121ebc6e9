"""The WebSocket: many subscriptions on one socket."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from tasks.domain.sequencer import Item
from tasks.errors import TasksError
from tasks.live.follower import Follower
from tasks.live.hub import current_hub
from tasks.live.protocol import (
    MAX_SUBSCRIPTIONS,
    Interrupted,
    Ping,
    Subscribe,
    TooMany,
    Unsubscribe,
    error_text,
    parse,
    pong,
    subscribed,
)
from tasks.live.visitor import Visitor, is_own_origin

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Subscription:
    follower: Follower
    pump: asyncio.Task[None]


class TasksConsumer(AsyncWebsocketConsumer):
    """Speak the protocol of `tasks.live.protocol` with one client; the hub does the rest."""

    # No layer by this name exists, so that Channels opens no channel of its own for each socket: the hub's is enough.
    channel_layer_alias = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subscriptions: dict[uuid.UUID, _Subscription] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket, and follow nothing any more when it is over, however it ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in `disconnect`: a server that shuts down, or finds a socket hanging, cancels instead.
            for root_id in list(self._subscriptions):
                self._unsubscribe(root_id)

    async def connect(self) -> None:
        """Accept everyone but the pages of other sites; what they may see is decided for each task."""
        if not is_own_origin(self.scope["headers"]):
            await self.close()
            return
        self._visitor = Visitor(user=self.scope.get("user"), session=self.scope.get("session"))
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one message of the client; nothing it sends can break the connection."""
        root_id: uuid.UUID | None = None
        try:
            request = parse(text_data)
            if isinstance(request, Ping):
                await self.send(text_data=pong())
                return
            root_id = request.root_id
            if isinstance(request, Unsubscribe):
                self._unsubscribe(root_id)
            else:
                await self._subscribe(request)
        except TasksError as error:
            await self.send(text_data=error_text(error, task_id=str(root_id) if root_id else None))
        except Exception:
            logger.exception("A WebSocket message could not be handled.")
            await self.send(text_data=error_text(Interrupted(), task_id=str(root_id) if root_id else None))

    async def _subscribe(self, request: Subscribe) -> None:
        # Subscribing again starts anew from where the client now says it is.
        self._unsubscribe(request.root_id)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise TooMany(f"One connection follows at most {MAX_SUBSCRIPTIONS} tasks.")
        follower = await current_hub().follow(
            request.root_id, visitor=self._visitor, since=request.since, snapshot=request.snapshot
        )
        await self.send(text_data=subscribed(request.root_id))
        pump = asyncio.create_task(self._pump(request.root_id, follower))
        subscription = self._subscriptions[request.root_id] = _Subscription(follower, pump)
        pump.add_done_callback(partial(self._forget, request.root_id, subscription))

    def _unsubscribe(self, root_id: uuid.UUID) -> None:
        subscription = self._subscriptions.pop(root_id, None)
        if subscription is not None:
            subscription.follower.close()
            subscription.pump.cancel()

    def _forget(self, root_id: uuid.UUID, subscription: _Subscription, _pump: asyncio.Task[None]) -> None:
        if self._subscriptions.get(root_id) is subscription:
            del self._subscriptions[root_id]

    async def _pump(self, root_id: uuid.UUID, follower: Follower) -> None:
        try:
            while not follower.ended:
                items = await self._next_items(root_id, follower)
                for item in items:
                    await self.send(text_data=item.text)
        except Exception:
            # The client is gone: each server has errors of its own for it, and the disconnect follows in a moment.
            logger.debug("A WebSocket closed while it was sent updates.", exc_info=True)
        finally:
            follower.close()

    async def _next_items(self, root_id: uuid.UUID, follower: Follower) -> list[Item]:
        """Return what comes next; where nothing can, tell the client why, and end."""
        try:
            return await follower.next()
        except TasksError as error:
            reason = error
        except Exception:
            logger.exception("The updates of task %s could not be read.", root_id)
            reason = Interrupted()
        follower.close()
        await self.send(text_data=error_text(reason, task_id=str(root_id)))
        return []
