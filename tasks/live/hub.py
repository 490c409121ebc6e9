"""One hub per server process: it alone listens to the channel layer and reads the log for open streams."""

import asyncio
import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tasks.domain.listing import ListFilter, ListScope
from tasks.domain.updates import UpdateType
from tasks.errors import TaskNotFound
from tasks.live.feed import Feed
from tasks.live.follower import Follower
from tasks.live.guard import Door, Guard
from tasks.live.lines import LINE_TYPE, line_group, new_exchange, new_line
from tasks.live.link import Link
from tasks.live.list_follower import ListFollower
from tasks.live.lists import Lists
from tasks.live.reader import Reader
from tasks.live.stream import Stream
from tasks.live.visitor import Visitor
from tasks.services.access import Viewer, find_root, owns
from tasks.services.publish import LISTS_GROUP, LISTS_TYPE, MESSAGE_TYPE, group_name
from tasks.services.reading import read_heads
from tasks.services.requests import request_root_id
from tasks.services.revocations import USERS_GROUP, USERS_TYPE

logger = logging.getLogger(__name__)

#: How often the heads of all followed roots are read again, so that a lost last message is found.
REREAD_SECONDS = 2.0
#: How often it is checked again that those who follow still may.
RECHECK_SECONDS = 30.0
#: How long the tree of a request is waited for.
AWAIT_SECONDS = 60.0

MessageHandler = Callable[[Mapping[str, Any]], object]


class Hub:
    """Let any number of clients of this event loop follow roots, each root read and encoded once.

    What arrives over the channel layer is fanned out as it came when it continues what is known; everything else is
    read from the log. So messages may be lost, doubled and reordered: they only decide how soon a client learns of
    something.
    """

    def __init__(
        self,
        *,
        reread_seconds: float = REREAD_SECONDS,
        recheck_seconds: float = RECHECK_SECONDS,
        await_seconds: float = AWAIT_SECONDS,
    ) -> None:
        self._reread_seconds = reread_seconds
        self._recheck_seconds = recheck_seconds
        self._await_seconds = await_seconds
        self._reader = Reader()
        self._feeds: dict[uuid.UUID, Feed] = {}
        self._link = Link(self._take_message)
        self._lists = Lists(
            reader=self._reader,
            join=partial(self._link.join, LISTS_GROUP),
            leave=partial(self._link.leave, LISTS_GROUP),
        )
        #: The connections that are open: a sign-out closes those of its session.
        self.doors: weakref.WeakSet[Door] = weakref.WeakSet()
        self._guard = Guard(reader=self._reader, streams=self._streams, doors=partial(list, self.doors))
        self._handlers: dict[str, MessageHandler] = {
            MESSAGE_TYPE: self._take_updates,
            LISTS_TYPE: self._lists.take_message,
            USERS_TYPE: self._guard.take_message,
            LINE_TYPE: self.take_line_message,
        }
        self._exchange = new_exchange()
        self._lines: dict[str, MessageHandler] = {}
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def followed(self) -> frozenset[uuid.UUID]:
        """Return the roots that are followed at the moment."""
        return frozenset(self._feeds)

    @property
    def groups(self) -> frozenset[str]:
        """Return the groups of the channel layer whose messages arrive here."""
        return self._link.groups

    async def follow(
        self,
        root_id: uuid.UUID,
        *,
        visitor: Visitor,
        since: int | None = None,
        snapshot: bool = False,
        types: frozenset[UpdateType] | None = None,
    ) -> Follower:
        """Return a follower that begins with a snapshot, or with what follows update number `since` (default: all).

        A snapshot is also sent where `since` can't be continued: the log doesn't go back that far, or not that far
        forward. With `types`, other updates are left out; snapshots and the terminal update never are. Raises
        TaskNotFound where there is no such root, or the visitor may not see it.
        """
        is_owner, last_seq = await self._reader.run(_admit, visitor, root_id)
        feed = self._arrive(root_id)
        try:
            await self._begin(feed)
            if feed.sequencer.last_seq is None:
                raise TaskNotFound(task_id=str(root_id))
            feed.hear(last_seq)
            position = None if snapshot or (since or 0) > feed.sequencer.heard_seq else since or 0
            return Follower(
                feed, visitor=visitor, is_owner=is_owner, position=position, types=types, on_close=self._drop_if_unused
            )
        finally:
            feed.arriving -= 1
            self._drop_if_unused(feed)

    async def request_root(self, request_id: uuid.UUID, *, visitor: Visitor) -> uuid.UUID:
        """Return the id of the tree of the visitor's request; raises TaskNotFound where they are nobody."""
        root_id = await self._reader.run(_request_root, visitor, request_id)
        if root_id is None:
            raise TaskNotFound
        return root_id

    async def follow_awaited(
        self,
        root_id: uuid.UUID,
        *,
        visitor: Visitor,
        since: int | None = None,
        snapshot: bool = False,
        types: frozenset[UpdateType] | None = None,
    ) -> Follower:
        """Do what `follow` does, for a root that need not be there yet; raises TaskNotFound after a minute without it.

        Its group is joined first, so that the message about its first update tells of it.
        """
        feed = self._arrive(root_id)
        try:
            async with asyncio.timeout(self._await_seconds):
                await self._begin(feed)
                while feed.sequencer.last_seq is None:
                    await feed.wait_until_mentioned()
                    await self._begin(feed)
        except TimeoutError:
            raise TaskNotFound(task_id=str(root_id)) from None
        else:
            return await self.follow(root_id, visitor=visitor, since=since, snapshot=snapshot, types=types)
        finally:
            feed.arriving -= 1
            self._drop_if_unused(feed)

    async def follow_list(self, scope: ListScope, *, visitor: Visitor, wanted: ListFilter) -> ListFollower:
        """Return a follower of a list of tasks. Raises NotAllowed."""
        self._watch()
        self._link.want(USERS_GROUP)
        return await self._lists.follow(scope, visitor=visitor, wanted=wanted)

    def admit(self, door: Door) -> None:
        """Let a connection be shut when whoever came in by it signs out, or their token is revoked."""
        self.doors.add(door)
        self._watch()
        self._link.want(USERS_GROUP)

    async def viewer(self, visitor: Visitor) -> Viewer:
        """Return who a visitor is at the moment."""
        return await self._reader.run(visitor.now)

    async def open_line(self, take: MessageHandler) -> str:
        """Let `take` have what other processes send to a connection, and return its name (tasks.live.lines)."""
        name = new_line(self._exchange)
        self._lines[name] = take
        self._watch()
        self._link.want(USERS_GROUP)
        try:
            await self._link.join(line_group(name))
        except BaseException:
            self.close_line(name)
            raise
        return name

    def close_line(self, name: str) -> None:
        """End what `open_line` began. The group is kept: the next one to come needs it."""
        self._lines.pop(name, None)

    def take_line_message(self, message: Mapping[str, Any]) -> bool:
        """Hand a message on to its connection, and tell whether that is one of this process."""
        take = self._lines.get(str(message.get("line")))
        if take is not None:
            take(message)
        return take is not None

    async def close(self) -> None:
        """End all followers and give threads, connections and the channel back."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await self._guard.close()
        await self._lists.close()
        for feed in list(self._feeds.values()):
            for follower in list(feed.followers):
                follower.close()
            await feed.close()
        self._feeds.clear()
        await self._link.close()
        await asyncio.to_thread(self._reader.close)

    def _take_message(self, message: Mapping[str, Any]) -> None:
        handle = self._handlers.get(str(message.get("type")))
        if handle is not None:
            handle(message)

    def _take_updates(self, message: Mapping[str, Any]) -> None:
        feed = self._feeds.get(uuid.UUID(hex=message["root"]))
        if feed is not None:
            feed.take_message(message)

    def _arrive(self, root_id: uuid.UUID) -> Feed:
        """Return the root's feed, which then stays until `arriving` is taken back."""
        feed = self._feeds.get(root_id)
        if feed is None:
            feed = self._feeds[root_id] = Feed(root_id, reader=self._reader)
        feed.arriving += 1
        return feed

    async def _begin(self, feed: Feed) -> None:
        self._watch()
        # Not waited for: a change that falls before it is found by the look every half minute.
        self._link.want(USERS_GROUP)
        await feed.begin(partial(self._link.join, group_name(feed.root_id)))

    def _streams(self) -> Iterable[Stream]:
        for feed in list(self._feeds.values()):
            yield from list(feed.followers)
        yield from list(self._lists.followers)

    def _drop_if_unused(self, feed: Feed) -> None:
        if not feed.followers and not feed.arriving and self._feeds.get(feed.root_id) is feed:
            del self._feeds[feed.root_id]
            self._link.leave(group_name(feed.root_id))

    def _watch(self) -> None:
        if not any(not watcher.done() for watcher in self._watchers):
            self._watchers = [
                asyncio.create_task(_every(self._reread_seconds, self._reread), name="task-reread"),
                asyncio.create_task(_every(self._reread_seconds, self._lists.look), name="task-list-look"),
                asyncio.create_task(_every(self._recheck_seconds, self._guard.recheck), name="task-recheck"),
            ]

    async def _reread(self) -> None:
        for feed in list(self._feeds.values()):
            # A stream that vanished without being closed leaves its feed behind.
            self._drop_if_unused(feed)
        feeds = list(self._feeds.values())
        if not feeds:
            return
        heads = await self._reader.run(read_heads, [feed.root_id for feed in feeds])
        for feed in feeds:
            head = heads.get(feed.root_id)
            if feed.sequencer.last_seq is None:
                # Whoever waits for it begins now.
                if head is not None:
                    feed.mention()
            elif head is None:
                feed.end(TaskNotFound(task_id=str(feed.root_id)))
            else:
                feed.take_head(head)


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


def _request_root(visitor: Visitor, request_id: uuid.UUID) -> uuid.UUID | None:
    return request_root_id(visitor.now(), request_id)
