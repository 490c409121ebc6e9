"""Those who follow something are asked again whether they may: every half minute, and when something has changed."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.db import Error as DatabaseTrouble

from tasks.errors import TaskNotFound, TasksError
from tasks.live.protocol import Interrupted
from tasks.live.reader import Reader
from tasks.live.stream import Stream
from tasks.live.visitor import Visitor
from tasks.models import TaskRoot

logger = logging.getLogger(__name__)

#: Visitors checked in one turn of a reader thread.
BATCH = 50

Asked = Sequence[tuple[Visitor, list[Stream]]]


class Door(Protocol):
    """A connection that somebody came in by: a socket, or a stream of many tasks."""

    @property
    def visitor(self) -> Visitor:
        """Return who came in."""

    def shut(self) -> None:
        """End the connection, soon."""


class Guard:
    """End what somebody follows and may not see any more."""

    def __init__(
        self, *, reader: Reader, streams: Callable[[], Iterable[Stream]], doors: Callable[[], Iterable[Door]]
    ) -> None:
        self._reader = reader
        self._streams = streams
        self._doors = doors
        self._suspects: set[str] = set()
        self._everyone = False
        self._checking: asyncio.Task[None] | None = None

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take a message about users or sessions (tasks.services.revocations)."""
        session = message.get("session")
        if session is not None:
            self._sign_out(str(session))
            return
        users = message.get("users")
        if users is None:
            self._everyone = True
        else:
            self._suspects.update(map(str, users))
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check_suspects(), name="task-guard")

    async def recheck(self, *, user_ids: Collection[str] | None = None) -> None:
        """Ask again for everyone, or for the given users."""
        by_visitor: dict[Visitor, list[Stream]] = {}

        def is_meant(visitor: Visitor) -> bool:
            return user_ids is None or str(visitor.user_id) in user_ids

        for stream in self._streams():
            if is_meant(stream.visitor):
                by_visitor.setdefault(stream.visitor, []).append(stream)
        for door in self._doors():
            # What a page may follow is asked of each thing; a program goes altogether, if it follows nothing too.
            if door.visitor.is_program and is_meant(door.visitor):
                by_visitor.setdefault(door.visitor, [])
        asked = list(by_visitor.items())
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            for stream, reason in await self._reader.run(_refused, part):
                stream.end(reason)
            self._shut({visitor for visitor, _ in part if visitor.has_left})

    async def close(self) -> None:
        """Stop what is under way."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)

    def _shut(self, visitors: Collection[Visitor]) -> None:
        for door in list(self._doors()) if visitors else ():
            if door.visitor in visitors:
                door.shut()

    def _sign_out(self, mark: str) -> None:
        for stream in list(self._streams()):
            if stream.visitor.came_by(mark):
                stream.end(TaskNotFound())
        for door in list(self._doors()):
            if door.visitor.came_by(mark):
                door.shut()

    async def _check_suspects(self) -> None:
        # What is said while this asks is asked in the next round.
        while self._everyone or self._suspects:
            user_ids = None if self._everyone else frozenset(self._suspects)
            self._everyone = False
            self._suspects.clear()
            try:
                await self.recheck(user_ids=user_ids)
            except Exception:
                logger.exception("It could not be checked who may still follow; the next look will.")


def _refused(asked: Asked) -> list[tuple[Stream, TasksError]]:
    """Return those of the streams that may not go on, and why; one query for the roots, a few for each visitor."""
    wanted = {stream.root_id for _, streams in asked for stream in streams if stream.root_id is not None}
    rows = TaskRoot.objects.only("owner_id", "session_key", "shared", "request_scoped").in_bulk(wanted)
    refused: list[tuple[Stream, TasksError]] = []
    for visitor, streams in asked:
        viewer = None
        if not streams:
            _look_at(visitor)
        for stream in streams:
            root = rows.get(stream.root_id) if stream.root_id is not None else None
            try:
                viewer = viewer or visitor.now()
                if visitor.has_left or not stream.may_go_on(viewer, root):
                    refused.append((stream, TaskNotFound()))
            except DatabaseTrouble:
                raise
            except Exception:
                # A team's own rule has failed. Nobody goes on by it, and nobody else is to suffer from it.
                logger.exception("It could not be told who may follow %s.", stream.root_id)
                refused.append((stream, Interrupted()))
    return refused


def _look_at(visitor: Visitor) -> None:
    """Find out whether somebody who follows nothing has left."""
    try:
        visitor.now()
    except DatabaseTrouble:
        raise
    except Exception:
        logger.exception("It could not be told whether user %s is still there.", visitor.user_id)
