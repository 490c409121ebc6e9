"""Many tasks on one connection: a stream of server-sent events, to which further requests add."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from tasks.domain.jsonvalue import dumps
from tasks.domain.sequencer import Item
from tasks.domain.updates import WIRE_VERSION
from tasks.errors import TasksError
from tasks.live import cursor
from tasks.live.event_stream import EventStream, give_thread_back
from tasks.live.hub import Hub
from tasks.live.lines import sign_line
from tasks.live.protocol import (
    Interrupted,
    Subscribe,
    Target,
    error_text,
    parse_label,
    parse_subscribe,
    parse_target,
    unsubscribed,
)
from tasks.live.sse import HEARTBEAT, HEARTBEAT_SECONDS, PREAMBLE
from tasks.live.subscriptions import Subscription, Subscriptions
from tasks.live.visitor import Visitor

logger = logging.getLogger(__name__)

#: Requests to one connection that may wait to be carried out.
MAX_WAITING = 500


def events_response(
    hub: Hub,
    *,
    visitor: Visitor,
    requests: Sequence[Subscribe],
    last_event_id: str = "",
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> HttpResponseBase:
    """Return the response that carries what `requests` ask for, and what later requests add.

    With the last event's id, what the former connection followed goes on where it stopped. A stream that was opened for
    tasks, and to which nothing was added, ends with the last of them; whoever comes back then gets 204, at which
    browsers stop to reconnect. Raises BadRequest.
    """
    if last_event_id == cursor.END:
        return HttpResponse(status=204)
    goes_on = cursor.decode(last_event_id) if last_event_id else []
    wanted = {request.target: request for request in [*requests, *goes_on]}
    events = Events(
        hub,
        visitor=visitor,
        named=frozenset(request.target for request in requests),
        added=cursor.stays_open(last_event_id),
    )
    return EventStream(events.stream(list(wanted.values()), heartbeat_seconds=heartbeat_seconds), is_feed=True)


class Events:
    """One open stream. What follows its tasks fills it, one message at a time and only as fast as the client reads."""

    def __init__(self, hub: Hub, *, visitor: Visitor, named: frozenset[Target], added: bool = False) -> None:
        self.visitor = visitor
        self._hub = hub
        self._named = named
        #: Whether something was added to it, or to the one that it goes on with: then it waits for more.
        self._added = added
        #: Whether it is over once all that it was opened for has ended.
        self._ends = not added and bool(named) and all(target.scope is None for target in named)
        #: The name of its connection, once it is open.
        self._line: str | None = None
        self._subscriptions = Subscriptions(hub=hub, visitor=visitor, client=self, on_end=self._take_end)
        self._places: dict[Target, cursor.Place] = {}
        #: Held from looking at the places until the event is in the outbox: no id is ahead of what was sent before it.
        self._turn = asyncio.Lock()
        #: None ends the stream.
        self._outbox: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._asked: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(maxsize=MAX_WAITING)
        self._started = False
        self._over = False
        self._worker: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None

    async def stream(self, requests: Sequence[Subscribe], *, heartbeat_seconds: float) -> AsyncIterator[bytes]:
        """Yield the events until the client goes, the session ends, or nothing follows."""
        give_thread_back()
        try:
            viewer = await self._hub.viewer(self.visitor)
            # Before the client learns the connection's id, other processes can reach it.
            self._line = await self._hub.open_line(self.take_message)
            self._hub.admit(self)
            hello = {"v": WIRE_VERSION, "type": "connected", "connectionId": sign_line(self._line, viewer)}
            yield PREAMBLE + f"data: {dumps(hello)}\n\n".encode()
            self._worker = asyncio.create_task(self._work(requests), name="task-events")
            while not self._over:
                try:
                    async with asyncio.timeout(heartbeat_seconds):
                        event = await self._outbox.get()
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._close()

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take what a request to this process or another one asks for."""
        self._added, self._ends = True, False
        try:
            self._asked.put_nowait(message)
        except asyncio.QueueFull:
            # The client hears of no confirmation, and asks again.
            logger.warning("A connection is asked for more than it can follow.")

    def shut(self) -> None:
        """End the stream: its session is over."""
        self._over = True
        self._subscriptions.close()
        # What is in the outbox wakes the stream; where it is empty, this does.
        if self._outbox.empty():
            self._outbox.put_nowait(None)

    async def deliver(self, subscription: Subscription, items: Sequence[Item]) -> None:
        """Put messages of one subscription into the stream, each with the id with which all go on behind it."""
        async with self._turn:
            place = self._places.get(subscription.request.target)
            before = None if place is None else place.position
            if place is None:
                # A list begins anew whenever it is followed.
                parts = [_event(item.text, self._cursor()) for item in items]
            else:
                others = [other for other in self._places.values() if other is not place]
                parts = []
                for item in items:
                    place.position = item.seq
                    parts.append(_event(item.text, self._cursor([*others, place])))
            try:
                await self._outbox.put(b"".join(parts))
            except asyncio.CancelledError:
                # It is followed no more, and was not sent.
                if place is not None:
                    place.position = before
                raise

    async def begun(self, subscription: Subscription) -> None:
        """Confirm a subscription."""
        if subscription.request.target.scope is None:
            self._places[subscription.request.target] = cursor.Place(subscription.request)
        await self._tell(subscription.confirmation())

    async def failed(self, subscription: Subscription, error: TasksError) -> None:
        """Tell why a subscription has ended."""
        self._places.pop(subscription.request.target, None)
        self._keep_open_after(error)
        await self._tell(subscription.refusal(error))

    async def _tell(self, text: str) -> None:
        async with self._turn:
            await self._outbox.put(_event(text, self._cursor()))

    async def _work(self, requests: Sequence[Subscribe]) -> None:
        """Carry out what is asked for, one after the other."""
        for request in requests:
            await self._follow(request)
        self._started = True
        self._finish_if_over()
        while True:
            message = await self._asked.get()
            asked = message["request"]
            try:
                if message["action"] == "subscribe":
                    await self._follow(parse_subscribe(asked))
                else:
                    target = parse_target(asked)
                    self._subscriptions.remove(target)
                    await self._tell(unsubscribed(target, label=parse_label(asked)))
            except TasksError as error:
                await self._tell(error_text(error))

    async def _follow(self, request: Subscribe) -> None:
        reason: TasksError
        try:
            await self._subscriptions.add(request)
        except TasksError as error:
            reason = error
        except Exception:
            logger.exception("A stream could not follow %s.", request.target)
            reason = Interrupted()
        else:
            return
        self._keep_open_after(reason)
        await self._tell(error_text(reason, target=request.target, label=request.label))

    def _keep_open_after(self, error: TasksError) -> None:
        # What could not be read may be read yet; nobody must be told that all is over.
        if isinstance(error, Interrupted):
            self._ends = False

    def _cursor(self, places: Iterable[cursor.Place] | None = None) -> str:
        return cursor.encode(self._places.values() if places is None else places, stays=self._added)

    def _is_over(self) -> bool:
        return self._ends and self._started and not len(self._subscriptions)

    def _take_end(self, target: Target) -> None:
        # What the address names would begin anew if the id said nothing of it.
        if target not in self._named:
            self._places.pop(target, None)
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        if self._is_over() and self._finishing is None and not self._over:
            self._finishing = asyncio.create_task(self._finish(), name="task-events-end")

    async def _finish(self) -> None:
        async with self._turn:
            if self._is_over():
                await self._outbox.put(_event(dumps({"v": WIRE_VERSION, "type": "end"}), cursor.END))
                await self._outbox.put(None)

    def _close(self) -> None:
        self._over = True
        if self._line is not None:
            self._hub.close_line(self._line)
        self._hub.doors.discard(self)
        self._subscriptions.close()
        for task in (self._worker, self._finishing):
            if task is not None:
                task.cancel()


def _event(text: str, event_id: str) -> bytes:
    # An empty id lets a browser forget the last one, which this event has left behind.
    return f"id: {event_id}\ndata: {text}\n\n".encode()
