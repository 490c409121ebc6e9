"""One client's way through a list of tasks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import cached_property

from tasks.domain.jsonvalue import dumps
from tasks.domain.listing import WINDOW, ListFilter, ListScope, Summary, age_key
from tasks.domain.sequencer import Item
from tasks.domain.updates import WIRE_VERSION
from tasks.errors import TasksError
from tasks.live.news import News
from tasks.live.visitor import Visitor
from tasks.models import TaskRoot
from tasks.services.access import Viewer
from tasks.services.lists import is_mine, is_visible


class Shown:
    """A summary as lists show it, encoded once for all of them."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @cached_property
    def _text(self) -> str:
        return self.summary.encode()

    def text(self, *, is_owner: bool) -> str:
        """Return the encoded summary, with what differs between viewers in front."""
        return f'{{"isOwner":{"true" if is_owner else "false"},{self._text}'


Read = Callable[[Viewer, ListScope, ListFilter], Awaitable[list[Shown]]]


class ListFollower:
    """Hand one client a list, and then what becomes of it.

    The client's list is the window: the newest tasks that belong in it, a bounded number. What is yet to be said is
    kept by task and not by message, so that a client that reads slowly gets the last state only, and costs no memory.
    """

    #: It follows no single root.
    root_id = None

    def __init__(
        self,
        scope: ListScope,
        *,
        wanted: ListFilter,
        visitor: Visitor,
        viewer: Viewer,
        read: Read,
        on_close: Callable[["ListFollower"], None],
    ) -> None:
        self.scope = scope
        self.visitor = visitor
        self.ended = False
        self.window: dict[str, Shown] = {}
        #: Put into each message, for a client that follows several lists.
        self.label: str | None = None
        self.wanted = wanted
        self.viewer = viewer
        self._read = read
        self._on_close = on_close
        self._begun = False
        #: What comes while the list itself is read; what came before that is in it.
        self._early: list[tuple[Sequence[Shown], Collection[str]]] | None = None
        #: What the client's list holds: of anything else it needn't be told that it has gone.
        self._told: frozenset[str] = frozenset()
        self._changed: dict[str, Shown] = {}
        self._gone: dict[str, None] = {}
        self._error: TasksError | None = None
        self._news = News()

    def take(self, found: Sequence[Shown], gone: Collection[str]) -> None:
        """Take what has changed, and the ids of what is not in this list, whatever has become of it."""
        if not self._begun:
            if self._early is not None:
                self._early.append((found, gone))
            return
        for task_id in gone:
            self._drop(task_id)
        for shown in found:
            if shown.summary.task_id not in gone:
                self._take(shown)
        for shown in self._overflow():
            self._drop(shown.summary.task_id)
        if self._changed or self._gone:
            self._news.tell()

    def may_go_on(self, viewer: Viewer, root: TaskRoot | None) -> bool:
        """Tell whether the visitor is still who they were, and may still follow this list."""
        same = (viewer.user_id, viewer.session_key) == (self.viewer.user_id, self.viewer.session_key)
        return same and (self.scope is not ListScope.ALL or viewer.sees_all)

    def wake(self) -> None:
        """Look for something to deliver."""
        self._news.tell()

    def end(self, error: TasksError) -> None:
        """Let the client's next request raise `error`."""
        self._error = error
        self._news.tell()

    def close(self) -> None:
        """Stop following; may be called twice."""
        if not self.ended:
            self.ended = True
            self._news.tell()
            self._news.close()
            self._on_close(self)

    async def next(self, *, timeout_seconds: float | None = None) -> list[Item]:
        """Return the next message as soon as there is one: first the list, then what has become of it."""
        deadline = None if timeout_seconds is None else asyncio.get_running_loop().time() + timeout_seconds
        while not self.ended:
            self._news.take()
            if self._error is not None:
                raise self._error
            if not self._begun:
                return [await self._begin()]
            if self._changed or self._gone:
                changed, self._changed = self._changed, {}
                gone, self._gone = self._gone, {}
                self._told = frozenset(self.window)
                return [self._message(changed.values(), gone=list(gone))]
            if not await self._news.wait(deadline=deadline):
                break
        return []

    def frames(self, items: Sequence[Item]) -> list[str]:
        """Return the messages as they are: each tells of all that has changed."""
        return [item.text for item in items]

    async def _begin(self) -> Item:
        early: list[tuple[Sequence[Shown], Collection[str]]] = []
        self._early = early
        try:
            shown = await self._read(self.viewer, self.scope, self.wanted)
        finally:
            self._early = None
        self.window = {one.summary.task_id: one for one in shown}
        self._told = frozenset(self.window)
        self._begun = True
        for found, gone in early:
            self.take(found, gone)
        # The list as it was read; what came meanwhile follows at once.
        return self._message(shown, is_snapshot=True)

    def _take(self, shown: Shown) -> None:
        summary = shown.summary
        known = self.window.get(summary.task_id)
        if known is not None and known.summary.head == summary.head:
            return
        if known is not None and known.summary.seq > summary.seq:
            return
        if not is_visible(self.viewer, self.scope, summary):
            self._drop(summary.task_id)
        elif self.wanted.takes(summary):
            if known is not None or self._has_room_for(summary):
                self.window[summary.task_id] = self._changed[summary.task_id] = shown
                self._gone.pop(summary.task_id, None)
        elif known is not None:
            self._drop(summary.task_id)
            if summary.task_id in self._gone:
                # Told once more, so that whoever watches it sees what it has become.
                self._changed[summary.task_id] = shown

    def _drop(self, task_id: str) -> None:
        if self.window.pop(task_id, None) is not None:
            self._changed.pop(task_id, None)
            if task_id in self._told:
                self._gone[task_id] = None

    def _has_room_for(self, summary: Summary) -> bool:
        if len(self.window) < WINDOW:
            return True
        return age_key(summary) > min(age_key(shown.summary) for shown in self.window.values())

    def _overflow(self) -> list[Shown]:
        excess = len(self.window) - WINDOW
        return sorted(self.window.values(), key=lambda shown: age_key(shown.summary))[:excess] if excess > 0 else []

    def _message(self, shown: Iterable[Shown], *, gone: Sequence[str] = (), is_snapshot: bool = False) -> Item:
        text = list_text(self.viewer, self.scope, shown, gone=gone, is_snapshot=is_snapshot, label=self.label)
        return Item(0, text)


def list_text(
    viewer: Viewer,
    scope: ListScope,
    shown: Iterable[Shown],
    *,
    gone: Sequence[str] = (),
    is_snapshot: bool = False,
    label: str | None = None,
) -> str:
    """Return the message of a list: a snapshot of it, or what has changed and what is in it no more."""
    head = f'{{"v":{WIRE_VERSION},"type":"tasks","scope":"{scope.value}"'
    if label is not None:
        head += f',"clientSubId":{dumps(label)}'
    if is_snapshot:
        head += ',"snapshot":true'
    texts = ",".join(one.text(is_owner=is_mine(viewer, one.summary)) for one in shown)
    tail = f',"gone":{dumps(list(gone))}' if gone else ""
    return f'{head},"tasks":[{texts}]{tail}}}'
