"""One client's way through the feed of one root."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence

from tasks.domain.jsonvalue import dumps
from tasks.domain.sequencer import Item, Step, next_step
from tasks.domain.updates import TERMINAL_TYPES, WIRE_VERSION, UpdateType, type_of
from tasks.errors import TasksError
from tasks.live.feed import Feed
from tasks.live.news import News
from tasks.live.visitor import Visitor
from tasks.models import TaskRoot
from tasks.services.access import Viewer, may_see

#: What no filter leaves out: without it a client wouldn't know where it is, or that it is over.
ALWAYS_DELIVERED = frozenset({"snapshot", *TERMINAL_TYPES})
#: Updates that may be left out in a row before the client is told how far it is.
POSITION_EVERY = 500


class Follower:
    """Hand one client its messages, in order, without a gap and without a repeat between snapshots.

    It holds a position and no messages: recent ones are shared by all followers of a root, older ones are read from the
    log when the client is ready for them. So a client that reads slowly costs no memory.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        visitor: Visitor,
        is_owner: bool,
        position: int | None,
        types: frozenset[UpdateType] | None = None,
        on_close: Callable[[Feed], None],
    ) -> None:
        self.feed = feed
        self.visitor = visitor
        self.root_id: uuid.UUID = feed.root_id
        #: Nothing follows: the terminal update was delivered.
        self.ended = False
        self._is_owner = is_owner
        #: Number of the last update delivered; None before a snapshot.
        self._position = position
        self._types = None if types is None else types | ALWAYS_DELIVERED
        #: Number of the last update that the client knows of.
        self._told = position or 0
        self._start = feed.sequencer.last_seq or 0
        self._incomplete = False
        self._error: TasksError | None = None
        self._news = News()
        self._on_close = on_close
        self._closed = False
        feed.followers.add(self)

    @property
    def position(self) -> int | None:
        """Return the number up to which everything was handed out, or None before a snapshot that comes first."""
        return self._position

    def may_go_on(self, viewer: Viewer, root: TaskRoot | None) -> bool:
        """Tell whether the visitor, who is now `viewer`, may still follow the root."""
        return root is not None and may_see(viewer, root)

    def wake(self) -> None:
        """Look for something to deliver."""
        self._news.tell()

    def end(self, error: TasksError) -> None:
        """Let the client's next request raise `error`."""
        self._error = error
        self._news.tell()

    def close(self) -> None:
        """Stop following; may be called twice."""
        if not self._closed:
            self._closed = True
            self.ended = True
            self._news.tell()
            self._news.close()
            self.feed.followers.discard(self)
            self._on_close(self.feed)

    async def next(self, *, timeout_seconds: float | None = None) -> list[Item]:
        """Return the next messages, as soon as there are any.

        An empty list means that none came within `timeout_seconds`, or that none will (`ended`). Raises TaskNotFound
        once the visitor may not see the root any more, or it is gone.
        """
        # Of the whole: what a filter leaves out ends no silence.
        deadline = None if timeout_seconds is None else asyncio.get_running_loop().time() + timeout_seconds
        while not self.ended:
            self._news.take()
            if self._error is not None:
                raise self._error
            step = next_step(self.feed.sequencer, position=self._position, start=self._start)
            items: list[Item] = []
            if step is Step.RECENT:
                items = self._recent()
            elif step is Step.LOG:
                items = await self._from_log()
            elif step is Step.SNAPSHOT:
                items = [await self._from_snapshot()]
            elif step is Step.END:
                self.ended = True
            elif not await self._news.wait(deadline=deadline):
                break
            if items and (delivered := self._deliver(items)):
                return delivered
        return []

    def frames(self, items: Sequence[Item]) -> list[str]:
        """Return what `next` gave as texts for a client that takes several updates in one message."""
        if len(items) == 1:
            return [items[0].text]
        return self.feed.frames(items, variant=self._types)

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Yield message after message until the root's end."""
        while not self.ended:
            for item in await self.next():
                yield item

    def _deliver(self, items: list[Item]) -> list[Item]:
        self._position = items[-1].seq
        if self._types is None:
            return items
        wanted = [item for item in items if type_of(item.text) in self._types]
        if wanted:
            self._told = wanted[-1].seq
        if self._position - self._told >= POSITION_EVERY:
            self._told = self._position
            wanted.append(self._position_item(self._position))
        return wanted

    def _position_item(self, seq: int) -> Item:
        text = dumps({"v": WIRE_VERSION, "seq": seq, "type": "position", "taskId": str(self.root_id)})
        return Item(seq, text)

    def _recent(self) -> list[Item]:
        assert self._position is not None
        return self.feed.sequencer.after(self._position) or []

    async def _from_log(self) -> list[Item]:
        position = self._position or 0
        items = await self.feed.log(after=position)
        if items and items[0].seq == position + 1:
            return items
        # The log doesn't go back that far any more.
        self._position = None
        self._incomplete = True
        return []

    async def _from_snapshot(self) -> Item:
        item = await self.feed.snapshot()
        # Being behind is counted anew from here.
        self._start = item.seq
        extra = f'"isOwner":{"true" if self._is_owner else "false"},'
        if self._incomplete:
            self._incomplete = False
            extra += '"incomplete":true,'
        # The snapshot is encoded once for all; what differs between viewers goes in front.
        return Item(item.seq, "{" + extra + item.text[1:])
