"""Lists of many tasks, followed live: whoever follows one follows no root of it.

Every process that writes tells one group which roots have changed (tasks.services.publish). While a list is followed
here, their summaries are read, a few queries for all lists together, and each list takes what concerns it. Messages
may be lost: every two seconds the heads of what the lists show are compared, and new roots are looked for.
"""

import asyncio
import logging
import uuid
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from tasks.domain.listing import ListFilter, ListScope, Summary
from tasks.live.list_follower import ListFollower, Shown
from tasks.live.reader import Reader
from tasks.live.visitor import Visitor
from tasks.services.access import Viewer, has_authorizer
from tasks.services.lists import check_scope, read_kept_from, read_list, read_new_heads, read_summaries
from tasks.services.reading import Head, read_heads

logger = logging.getLogger(__name__)

#: What a team's authorizer keeps from whom.
KeptFrom = Mapping[tuple[Viewer, ListScope], frozenset[str]]

#: How long the ids of changed roots are gathered before they are read.
GATHER_SECONDS = 0.1
#: Roots read by one query.
BATCH = 500
#: By how much clocks may differ: as long after a root's time it is still looked for.
CLOCK_MARGIN = timedelta(seconds=30)
#: Looks at what is open per look at what has ended, which only goes away.
LOOKS_PER_WHOLE_LOOK = 15


class Lists:
    """Feed the followers of lists of this process."""

    def __init__(self, *, reader: Reader, join: Callable[[], Awaitable[None]], leave: Callable[[], None]) -> None:
        self.followers: weakref.WeakSet[ListFollower] = weakref.WeakSet()
        self._reader = reader
        self._join = join
        self._leave = leave
        self._arriving = 0
        self._changed: set[uuid.UUID] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._readings: dict[object, asyncio.Task[list[Shown]]] = {}
        #: How often something was handed out: what was handed out is in what is read from then on.
        self._handed_out = 0
        #: Roots shown by no list that were looked at lately, and their numbers then.
        self._judged: dict[uuid.UUID, int] = {}
        self._looked_at: datetime | None = None
        self._looks = 0

    async def follow(self, scope: ListScope, *, visitor: Visitor, wanted: ListFilter) -> ListFollower:
        """Return a follower that begins with the whole list. Raises NotAllowed."""
        viewer = await self._reader.run(_admit, visitor, scope)
        self._arriving += 1
        try:
            # First the group, then the list: what the list doesn't show yet will be told.
            await self._join()
            if self._looked_at is None:
                self._looked_at = timezone.now()
            follower = ListFollower(
                scope, wanted=wanted, visitor=visitor, viewer=viewer, read=self._read, on_close=self._drop
            )
            self.followers.add(follower)
            return follower
        finally:
            self._arriving -= 1
            self._leave_if_unused()

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take a message that names roots which have changed."""
        if self.followers:
            self._take_changed(uuid.UUID(hex=root) for root in message["roots"])

    async def look(self) -> None:
        """Find what no message has told of."""
        followers = list(self.followers)
        if not followers:
            self._leave_if_unused()
            return
        self._looks += 1
        everything = self._looks % LOOKS_PER_WHOLE_LOOK == 0
        shown = {task_id: one for follower in followers for task_id, one in follower.window.items()}
        asked = [uuid.UUID(task_id) for task_id, one in shown.items() if everything or not one.summary.closed]
        since = (self._looked_at or timezone.now()) - CLOCK_MARGIN
        self._looked_at = timezone.now()
        heads, new = await self._reader.run(_read_heads, asked, since)
        gone = [root_id for root_id in asked if root_id not in heads]
        changed = [
            root_id
            for root_id, head in heads.items()
            if shown[str(root_id)].summary.head != (head.last_seq, head.closed)
        ]
        changed += [
            root_id
            for root_id, head in new.items()
            if str(root_id) not in shown and self._judged.get(root_id) != head.last_seq
        ]
        self._judged = {root_id: seq for root_id, seq in self._judged.items() if root_id in new}
        if gone:
            self._hand_out([], gone)
        if changed:
            self._take_changed(changed)
        if everything:
            await self._look_for_statuses()
            for start in range(0, len(asked) if has_authorizer() else 0, BATCH):
                self._hand_out([], [], kept_from=await self._kept_from(asked[start : start + BATCH]))

    async def close(self) -> None:
        """End all followers and stop what is under way."""
        for follower in list(self.followers):
            follower.close()
        tasks = [*self._readings.values(), *([self._gathering] if self._gathering is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_changed(self, root_ids: Iterable[uuid.UUID]) -> None:
        self._changed.update(root_ids)
        if self._changed and (self._gathering is None or self._gathering.done()):
            self._gathering = asyncio.create_task(self._gather(), name="task-lists")

    async def _gather(self) -> None:
        while self._changed and self.followers:
            await asyncio.sleep(GATHER_SECONDS)
            root_ids, self._changed = list(self._changed), set()
            for start in range(0, len(root_ids), BATCH):
                part = root_ids[start : start + BATCH]
                try:
                    summaries = await self._reader.run(read_summaries, part)
                    kept_from = await self._kept_from(part)
                except Exception:
                    # The next look finds what they have become.
                    logger.exception("The summaries of changed tasks could not be read.")
                    continue
                found = [Shown(summary) for summary in summaries]
                ids = {uuid.UUID(one.summary.task_id): one.summary.seq for one in found}
                self._judged.update(ids)
                self._hand_out(found, [root_id for root_id in part if root_id not in ids], kept_from=kept_from)
        self._changed.clear()

    async def _look_for_statuses(self) -> None:
        """Find what has come to a status that a list is about: it may be in no list, and is no new root either."""
        for follower in list(self.followers):
            if follower.wanted.statuses:
                follower.take(await self._read(follower.viewer, follower.scope, follower.wanted), ())

    async def _kept_from(self, root_ids: list[uuid.UUID]) -> KeptFrom:
        """Return which of the roots a team's authorizer keeps from whom, for everyone who follows when it is known."""
        found: dict[tuple[Viewer, ListScope], frozenset[str]] = {}
        while has_authorizer():
            asking = {(follower.viewer, follower.scope) for follower in self.followers} - found.keys()
            if not asking:
                break
            found |= await self._reader.run(read_kept_from, asking, root_ids)
        return found

    def _hand_out(self, found: list[Shown], gone: list[uuid.UUID], *, kept_from: KeptFrom | None = None) -> None:
        self._handed_out += 1
        gone_ids = frozenset(map(str, gone))
        for follower in list(self.followers):
            kept = (kept_from or {}).get((follower.viewer, follower.scope))
            follower.take(found, gone_ids | kept if kept else gone_ids)

    async def _read(self, viewer: Viewer, scope: ListScope, wanted: ListFilter) -> list[Shown]:
        """Return a list; those who want the same at the same time share one reading."""
        each_their_own = scope is ListScope.MINE or has_authorizer()
        key = (scope, wanted, viewer if each_their_own else viewer.sees_all, self._handed_out)
        reading = self._readings.get(key)
        if reading is None or reading.done():
            reading = self._readings[key] = asyncio.create_task(self._read_list(viewer, scope, wanted))
            reading.add_done_callback(partial(self._forget_reading, key))
        return await asyncio.shield(reading)

    async def _read_list(self, viewer: Viewer, scope: ListScope, wanted: ListFilter) -> list[Shown]:
        summaries: list[Summary] = await self._reader.run(read_list, viewer, scope, wanted)
        return [Shown(summary) for summary in summaries]

    def _forget_reading(self, key: object, reading: asyncio.Task[list[Shown]]) -> None:
        if self._readings.get(key) is reading:
            del self._readings[key]

    def _drop(self, follower: ListFollower) -> None:
        self.followers.discard(follower)
        self._leave_if_unused()

    def _leave_if_unused(self) -> None:
        if not self.followers and not self._arriving and self._looked_at is not None:
            self._looked_at = None
            self._judged.clear()
            self._leave()


def _admit(visitor: Visitor, scope: ListScope) -> Viewer:
    viewer = visitor.now()
    check_scope(viewer, scope)
    return viewer


def _read_heads(asked: list[uuid.UUID], since: datetime) -> tuple[dict[uuid.UUID, Head], Mapping[uuid.UUID, Head]]:
    heads: dict[uuid.UUID, Head] = {}
    for start in range(0, len(asked), BATCH):
        heads.update(read_heads(asked[start : start + BATCH]))
    return heads, read_new_heads(since=since)
