"""One followed root: what this process knows of its log."""

import asyncio
import logging
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.domain.jsonvalue import dumps
from tasks.domain.sequencer import Item, Sequencer
from tasks.errors import TasksError
from tasks.live.reader import Reader
from tasks.live.stream import Stream
from tasks.services.reading import Head, read_heads, read_snapshot, read_updates

logger = logging.getLogger(__name__)

#: Characters of updates that go into one message together; a larger update goes by itself.
FRAME_CHARS = 131_072
#: Stretches of updates that are kept as they were sent: followers are mostly at the same place.
KEPT_FRAMES = 8


class Feed:
    """Follow one root for all its followers in this process.

    Messages are offered to the sequencer; what is missing is read from the log, by one task at a time. Followers are
    only woken: each takes what it needs from here at its own pace, so none can hold up another.
    """

    def __init__(self, root_id: uuid.UUID, *, reader: Reader) -> None:
        self.root_id = root_id
        self.sequencer = Sequencer()
        #: Weak, so that a stream which is dropped without being closed doesn't stay.
        self.followers: weakref.WeakSet[Stream] = weakref.WeakSet()
        #: Follow calls that are under way.
        self.arriving = 0
        self._reader = reader
        self._catching_up: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._snapshot: asyncio.Task[Item] | None = None
        self._frames: OrderedDict[object, list[str]] = OrderedDict()
        self._mentioned = asyncio.Event()

    async def begin(self, join: Callable[[], Any]) -> None:
        """Join the group and then read the head, once for all that arrive together.

        In this order nothing falls between: what the head doesn't tell of yet will be told by a message.
        """
        if self._beginning is None or (self._beginning.done() and self.sequencer.last_seq is None):
            self._beginning = asyncio.create_task(self._begin(join))
        await asyncio.shield(self._beginning)

    def mention(self) -> None:
        """Take notice that the root is there."""
        self._mentioned.set()

    async def wait_until_mentioned(self) -> None:
        """Wait for a sign of a root that isn't there yet."""
        await self._mentioned.wait()
        self._mentioned.clear()

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take a message of the root's group."""
        self.mention()
        first, last, bodies = int(message["first"]), int(message["last"]), message.get("bodies")
        if bodies and len(bodies) == last - first + 1:
            fresh = self.sequencer.offer(first=first, bodies=bodies)
        else:
            fresh = False
            self.sequencer.hear(last)
        self._after_news(fresh=fresh)

    def take_head(self, head: Head) -> None:
        """Take the head as it was just read."""
        was_closed = self.sequencer.closed
        self.sequencer.hear(head.last_seq)
        if head.closed:
            self.sequencer.close(head.last_seq)
        self._after_news(fresh=self.sequencer.closed and not was_closed)

    def hear(self, seq: int) -> None:
        """Take notice that update `seq` exists."""
        self.sequencer.hear(seq)
        self._after_news(fresh=False)

    def end(self, error: TasksError) -> None:
        """End every follower with `error`."""
        for follower in list(self.followers):
            follower.end(error)

    async def snapshot(self) -> Item:
        """Return the encoded snapshot of the root; those who ask at the same time share one reading."""
        if self._snapshot is None or self._snapshot.done():
            self._snapshot = asyncio.create_task(self._reader.run(_encoded_snapshot, self.root_id))
        item = await asyncio.shield(self._snapshot)
        self.hear(item.seq)
        return item

    async def log(self, *, after: int) -> list[Item]:
        """Return what follows number `after` in the log, up to a batch."""
        rows = await self._reader.run(read_updates, self.root_id, after=after)
        return [Item(seq, text) for seq, text in rows]

    def frames(self, items: Sequence[Item], *, variant: object) -> list[str]:
        """Return updates as JSON arrays, put together once for all who get the same of them.

        `variant` says which of the updates they leave out. Each array holds as many as fit.
        """
        key = (variant, items[0].seq, items[-1].seq, len(items))
        frames = self._frames.get(key)
        if frames is None:
            frames = self._frames[key] = [f"[{','.join(texts)}]" for texts in _portions(items)]
            if len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        return frames

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = [task for task in (self._catching_up, self._beginning, self._snapshot) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, join: Callable[[], Any]) -> None:
        await join()
        heads = await self._reader.run(read_heads, [self.root_id])
        head = heads.get(self.root_id)
        if head is not None:
            self.sequencer.begin(head.last_seq)
            self.take_head(head)

    def _after_news(self, *, fresh: bool) -> None:
        if fresh:
            self._wake()
        if self.sequencer.missing and (self._catching_up is None or self._catching_up.done()):
            self._catching_up = asyncio.create_task(self._catch_up())

    def _wake(self) -> None:
        for follower in self.followers:
            follower.wake()

    async def _catch_up(self) -> None:
        sequencer = self.sequencer
        try:
            while sequencer.missing and sequencer.last_seq is not None:
                rows, head = await self._reader.run(_read_on, self.root_id, sequencer.last_seq)
                if rows:
                    first = rows[0][0]
                    if first > sequencer.last_seq + 1:
                        # What lies between was purged. Followers that haven't had it get a snapshot.
                        sequencer.begin(first - 1)
                    sequencer.offer(first=first, bodies=[body for _, body in rows])
                elif head is not None and head.last_seq > sequencer.last_seq:
                    sequencer.begin(head.last_seq)
                else:
                    sequencer.forget_unheard()
                self._wake()
        except Exception:
            # The next message or the next look at the heads tries again.
            logger.exception("The log of task %s could not be read.", self.root_id)


def _portions(items: Sequence[Item]) -> list[list[str]]:
    portions: list[list[str]] = [[]]
    room = FRAME_CHARS
    for item in items:
        if portions[-1] and len(item.text) > room:
            portions.append([])
            room = FRAME_CHARS
        portions[-1].append(item.text)
        room -= len(item.text)
    return portions


def _read_on(root_id: uuid.UUID, after: int) -> tuple[list[tuple[int, str]], Head | None]:
    rows = read_updates(root_id, after=after)
    return rows, None if rows else read_heads([root_id]).get(root_id)


def _encoded_snapshot(root_id: uuid.UUID) -> Item:
    snapshot = read_snapshot(root_id)
    return Item(snapshot.seq, dumps(snapshot.to_json()))
