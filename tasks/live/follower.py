"""One client's way through the feed of one root."""

import asyncio
from collections.abc import AsyncIterator, Callable

from tasks.domain.sequencer import Item, Step, next_step
from tasks.errors import TasksError
from tasks.live.feed import Feed
from tasks.live.visitor import Visitor


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
        on_close: Callable[[Feed], None],
    ) -> None:
        self.feed = feed
        self.visitor = visitor
        #: Nothing follows: the terminal update was delivered.
        self.ended = False
        self._is_owner = is_owner
        #: Number of the last update delivered; None before a snapshot.
        self._position = position
        self._start = feed.sequencer.last_seq or 0
        self._incomplete = False
        self._error: TasksError | None = None
        self._news = asyncio.Event()
        self._on_close = on_close
        self._closed = False
        feed.followers.add(self)

    def wake(self) -> None:
        """Look for something to deliver."""
        self._news.set()

    def end(self, error: TasksError) -> None:
        """Let the client's next request raise `error`."""
        self._error = error
        self._news.set()

    def close(self) -> None:
        """Stop following; may be called twice."""
        if not self._closed:
            self._closed = True
            self.ended = True
            self._news.set()
            self.feed.followers.discard(self)
            self._on_close(self.feed)

    async def next(self, *, timeout_seconds: float | None = None) -> list[Item]:
        """Return the next messages, as soon as there are any.

        An empty list means that none came within `timeout_seconds`, or that none will (`ended`). Raises TaskNotFound
        once the visitor may not see the root any more, or it is gone.
        """
        while not self.ended:
            self._news.clear()
            if self._error is not None:
                raise self._error
            step = next_step(self.feed.sequencer, position=self._position, start=self._start)
            if step is Step.RECENT:
                return self._deliver(self._recent())
            if step is Step.LOG:
                items = await self._from_log()
                if items:
                    return self._deliver(items)
            elif step is Step.SNAPSHOT:
                return self._deliver([await self._from_snapshot()])
            elif step is Step.END:
                self.ended = True
            else:
                try:
                    async with asyncio.timeout(timeout_seconds):
                        await self._news.wait()
                except TimeoutError:
                    break
        return []

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Yield message after message until the root's end."""
        while not self.ended:
            for item in await self.next():
                yield item

    def _deliver(self, items: list[Item]) -> list[Item]:
        self._position = items[-1].seq
        return items

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
