"""One hub per server process: it alone listens to the channel layer and reads the log for open streams."""

import asyncio
import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.errors import TaskNotFound
from tasks.live.feed import Feed
from tasks.live.follower import Follower
from tasks.live.link import Link
from tasks.live.reader import Reader
from tasks.live.visitor import Visitor
from tasks.models import TaskRoot
from tasks.services.access import find_root, may_see, owns
from tasks.services.publish import MESSAGE_TYPE, group_name
from tasks.services.reading import read_heads

logger = logging.getLogger(__name__)

#: How often the heads of all followed roots are read again, so that a lost last message is found.
REREAD_SECONDS = 2.0
#: How often it is checked again that those who follow still may.
RECHECK_SECONDS = 30.0
#: Visitors checked in one turn of a reader thread.
RECHECK_BATCH = 50


class Hub:
    """Let any number of clients of this event loop follow roots, each root read and encoded once.

    What arrives over the channel layer is fanned out as it came when it continues what is known; everything else is
    read from the log. So messages may be lost, doubled and reordered: they only decide how soon a client learns of
    something.
    """

    def __init__(self, *, reread_seconds: float = REREAD_SECONDS, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self._reread_seconds = reread_seconds
        self._recheck_seconds = recheck_seconds
        self._reader = Reader()
        self._feeds: dict[uuid.UUID, Feed] = {}
        self._link = Link(self._take_message)
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def followed(self) -> frozenset[uuid.UUID]:
        """Return the roots that are followed at the moment."""
        return frozenset(self._feeds)

    async def follow(
        self, root_id: uuid.UUID, *, visitor: Visitor, since: int | None = None, snapshot: bool = False
    ) -> Follower:
        """Return a follower that begins with a snapshot, or with what follows update number `since` (default: all).

        A snapshot is also sent where `since` can't be continued: the log doesn't go back that far, or not that far
        forward. Raises TaskNotFound where there is no such root, or the visitor may not see it.
        """
        is_owner, last_seq = await self._reader.run(_admit, visitor, root_id)
        feed = self._feeds.get(root_id)
        if feed is None:
            feed = self._feeds[root_id] = Feed(root_id, reader=self._reader)
        feed.arriving += 1
        try:
            self._watch()
            await feed.begin(partial(self._link.join, group_name(root_id)))
            if feed.sequencer.last_seq is None:
                raise TaskNotFound(task_id=str(root_id))
            feed.hear(last_seq)
            position = None if snapshot or (since or 0) > feed.sequencer.heard_seq else since or 0
            return Follower(feed, visitor=visitor, is_owner=is_owner, position=position, on_close=self._drop_if_unused)
        finally:
            feed.arriving -= 1
            self._drop_if_unused(feed)

    async def close(self) -> None:
        """End all followers and give threads, connections and the channel back."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for feed in list(self._feeds.values()):
            for follower in list(feed.followers):
                follower.close()
            await feed.close()
        self._feeds.clear()
        await self._link.close()
        await asyncio.to_thread(self._reader.close)

    def _take_message(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == MESSAGE_TYPE:
            feed = self._feeds.get(uuid.UUID(hex=message["root"]))
            if feed is not None:
                feed.take_message(message)

    def _drop_if_unused(self, feed: Feed) -> None:
        if not feed.followers and not feed.arriving and self._feeds.get(feed.root_id) is feed:
            del self._feeds[feed.root_id]
            self._link.leave(group_name(feed.root_id))

    def _watch(self) -> None:
        if not any(not watcher.done() for watcher in self._watchers):
            self._watchers = [
                asyncio.create_task(_every(self._reread_seconds, self._reread), name="task-reread"),
                asyncio.create_task(_every(self._recheck_seconds, self._recheck), name="task-recheck"),
            ]

    async def _reread(self) -> None:
        for feed in list(self._feeds.values()):
            # A stream that vanished without being closed leaves its feed behind.
            self._drop_if_unused(feed)
        feeds = [feed for feed in self._feeds.values() if feed.sequencer.last_seq is not None]
        if not feeds:
            return
        heads = await self._reader.run(read_heads, [feed.root_id for feed in feeds])
        for feed in feeds:
            head = heads.get(feed.root_id)
            if head is None:
                feed.end(TaskNotFound(task_id=str(feed.root_id)))
            else:
                feed.take_head(head)

    async def _recheck(self) -> None:
        by_visitor: dict[Visitor, list[Follower]] = {}
        for feed in self._feeds.values():
            for follower in feed.followers:
                by_visitor.setdefault(follower.visitor, []).append(follower)
        visitors = list(by_visitor)
        for start in range(0, len(visitors), RECHECK_BATCH):
            asked = [
                (visitor, [follower.feed.root_id for follower in by_visitor[visitor]])
                for visitor in visitors[start : start + RECHECK_BATCH]
            ]
            refused = await self._reader.run(_refused, asked)
            for visitor, root_id in refused:
                for follower in by_visitor[visitor]:
                    if follower.feed.root_id == root_id:
                        follower.end(TaskNotFound(task_id=str(root_id)))


def current_hub() -> Hub:
    """Return the hub of the running event loop; the first call makes it."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


async def _every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except Exception:
            # A database that is away for a moment comes back; the streams wait for it.
            logger.exception("Followed tasks could not be looked after.")


def _admit(visitor: Visitor, root_id: uuid.UUID) -> tuple[bool, int]:
    viewer = visitor.now()
    root = find_root(viewer, root_id)
    return owns(viewer, root), root.last_seq


def _refused(asked: Sequence[tuple[Visitor, list[uuid.UUID]]]) -> list[tuple[Visitor, uuid.UUID]]:
    """Return the pairs of visitor and root, of those asked about, in which the one may not see the other any more."""
    wanted = {root_id for _, root_ids in asked for root_id in root_ids}
    rows = TaskRoot.objects.only("owner_id", "session_key", "shared", "request_scoped").in_bulk(wanted)
    refused: list[tuple[Visitor, uuid.UUID]] = []
    for visitor, root_ids in asked:
        viewer = visitor.now()
        for root_id in root_ids:
            root = rows.get(root_id)
            if root is None or not may_see(viewer, root):
                refused.append((visitor, root_id))
    return refused
