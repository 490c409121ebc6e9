"""The subscriptions of one connection: a WebSocket, or a stream of many tasks."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from tasks.domain.sequencer import Item
from tasks.errors import TasksError
from tasks.live.hub import Hub
from tasks.live.protocol import (
    MAX_SUBSCRIPTIONS,
    Interrupted,
    Subscribe,
    Target,
    TooMany,
    error_text,
    subscribed,
)
from tasks.live.stream import Stream
from tasks.live.visitor import Visitor

logger = logging.getLogger(__name__)

#: Waits for what isn't there yet.
Begin = Callable[[], Awaitable[Stream]]


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """One thing that a connection follows."""

    request: Subscribe
    #: The root that is followed; of a request's tree, once its id is known.
    root_id: uuid.UUID | None = None
    stream: Stream | None = None
    pump: asyncio.Task[None] | None = None

    def confirmation(self) -> str:
        """Return the encoded confirmation."""
        return subscribed(self.request.target, label=self.request.label, root_id=self.root_id)

    def refusal(self, error: TasksError) -> str:
        """Return `error` encoded, with what it is about."""
        target = self.request.target
        if target.request_id is not None:
            target = target._replace(root_id=self.root_id)
        return error_text(error, target=target, label=self.request.label)


class Client(Protocol):
    """The far end of a connection."""

    async def deliver(self, subscription: Subscription, items: Sequence[Item]) -> None:
        """Send messages of a subscription; returns when the client can take more. May raise once it is gone."""

    async def begun(self, subscription: Subscription) -> None:
        """Say that it is followed."""

    async def failed(self, subscription: Subscription, error: TasksError) -> None:
        """Say that it is followed no more, and why."""


class Subscriptions:
    """Follow what a client asks for, each thing at the pace at which the client takes it."""

    def __init__(
        self, *, hub: Hub, visitor: Visitor, client: Client, on_end: Callable[[Target], None] | None = None
    ) -> None:
        self._hub = hub
        self._visitor = visitor
        self._client = client
        self._on_end = on_end or (lambda _target: None)
        self._by_target: dict[Target, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_target)

    async def add(self, request: Subscribe) -> None:
        """Begin to follow; what is followed already begins anew, from where the client now says it is.

        Raises TaskNotFound, NotAllowed or TooMany; what goes wrong later is told to the client.
        """
        target = request.target
        self.remove(target)
        if len(self._by_target) >= MAX_SUBSCRIPTIONS:
            raise TooMany(f"One connection follows at most {MAX_SUBSCRIPTIONS} tasks.")
        subscription = Subscription(request=request, root_id=target.root_id)
        # Taken before anything is waited for, so that a client can't slip in more than it may.
        self._by_target[target] = subscription
        try:
            begin = await self._opened(subscription)
        except BaseException:
            self._forget(subscription)
            raise
        if self._by_target.get(target) is not subscription:
            # Ended meanwhile.
            if subscription.stream is not None:
                subscription.stream.close()
            return
        await self._client.begun(subscription)
        subscription.pump = asyncio.create_task(self._pump(subscription, begin))
        subscription.pump.add_done_callback(partial(self._ended, subscription))

    def remove(self, target: Target) -> None:
        """Follow it no more."""
        subscription = self._by_target.pop(target, None)
        if subscription is not None:
            self._stop(subscription)
            self._on_end(target)

    def close(self) -> None:
        """Follow nothing any more."""
        for target in list(self._by_target):
            self.remove(target)

    async def _opened(self, subscription: Subscription) -> Begin | None:
        """Begin to follow; of what isn't there yet, return what waits for it."""
        request, target = subscription.request, subscription.request.target
        if target.scope is not None:
            stream = await self._hub.follow_list(target.scope, visitor=self._visitor, wanted=request.wanted)
            stream.label = request.label
            subscription.stream = stream
            return None
        if target.request_id is not None:
            subscription.root_id = await self._hub.request_root(target.request_id, visitor=self._visitor)
            return partial(
                self._hub.follow_awaited,
                subscription.root_id,
                visitor=self._visitor,
                since=request.since,
                snapshot=request.snapshot,
                types=request.types,
            )
        assert target.root_id is not None
        subscription.stream = await self._hub.follow(
            target.root_id,
            visitor=self._visitor,
            since=request.since,
            snapshot=request.snapshot,
            types=request.types,
        )
        return None

    def _stop(self, subscription: Subscription) -> None:
        if subscription.stream is not None:
            subscription.stream.close()
        if subscription.pump is not None:
            subscription.pump.cancel()

    def _forget(self, subscription: Subscription) -> None:
        if self._by_target.get(subscription.request.target) is subscription:
            del self._by_target[subscription.request.target]
            self._on_end(subscription.request.target)

    def _ended(self, subscription: Subscription, _pump: asyncio.Task[None]) -> None:
        self._forget(subscription)

    async def _pump(self, subscription: Subscription, begin: Begin | None) -> None:
        try:
            while subscription.stream is None or not subscription.stream.ended:
                items = await self._next_items(subscription, begin)
                if items:
                    await self._client.deliver(subscription, items)
                elif subscription.stream is None:
                    return
        except Exception:
            # The client is gone: each server has errors of its own for it, and the disconnect follows in a moment.
            logger.debug("A client went while it was sent updates.", exc_info=True)
        finally:
            if subscription.stream is not None:
                subscription.stream.close()

    async def _next_items(self, subscription: Subscription, begin: Begin | None) -> list[Item]:
        """Return what comes next; where nothing can, tell the client why, and end."""
        try:
            if subscription.stream is None:
                assert begin is not None
                subscription.stream = await begin()
            return await subscription.stream.next()
        except TasksError as error:
            reason = error
        except Exception:
            logger.exception("What %s follows could not be read.", subscription.request.target)
            reason = Interrupted()
        if subscription.stream is not None:
            subscription.stream.close()
        await self._client.failed(subscription, reason)
        return []
