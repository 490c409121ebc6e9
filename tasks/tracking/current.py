"""The current node, which travels in a context variable, and what is reported to it from anywhere."""

import asyncio
import uuid
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol

from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import meta_to_json
from tasks.errors import StaleFence, TaskCancelled, WorkInterrupted, text_of


class TrackedNode(Protocol):
    """Say what can be reported of a node."""

    @property
    def id(self) -> uuid.UUID | None:
        """The node's id; None where nothing is tracked."""

    @property
    def root(self) -> "TrackedNode":
        """The root of the node's tree."""

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given of current, total and message."""

    def step(self, count: float = 1) -> None:
        """Add `count` to the current value."""

    def output(self, text: str) -> None:
        """Stream text."""

    def set_meta(self, meta: object) -> None:
        """Replace the meta: JSON, a model or a dataclass; raises InvalidMeta."""

    def update(self, data: JSON) -> None:
        """Report what the node has produced."""

    def complete(self) -> None:
        """End the node as completed."""

    def fail(self, error: str) -> None:
        """End the node as failed."""

    def cancel(self, reason: str = "") -> None:
        """End the node as cancelled."""

    def check_cancelled(self) -> None:
        """Raise TaskCancelled where the work is to stop."""

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "TrackedNode":
        """Start a node below this one."""


class _Untracked:
    """Take every report where nothing is tracked."""

    @property
    def id(self) -> None:
        """Return None."""
        return

    @property
    def root(self) -> "_Untracked":
        """Return itself."""
        return self

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Do nothing."""

    def step(self, count: float = 1) -> None:
        """Do nothing."""

    def output(self, text: str) -> None:
        """Do nothing."""

    def set_meta(self, meta: object) -> None:
        """Do nothing but look at it, so that a mistake shows wherever the work runs."""
        meta_to_json(meta)

    def update(self, data: JSON) -> None:
        """Do nothing."""

    def complete(self) -> None:
        """Do nothing."""

    def fail(self, error: str) -> None:
        """Do nothing."""

    def cancel(self, reason: str = "") -> None:
        """Do nothing."""

    def check_cancelled(self) -> None:
        """Do nothing."""

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "_Untracked":
        """Return itself."""
        return self


UNTRACKED = _Untracked()

_current: ContextVar[TrackedNode] = ContextVar("stepline_current_node", default=UNTRACKED)


def current_node() -> TrackedNode:
    """Return the node that reports go to; where nothing is tracked, one that takes and drops them."""
    return _current.get()


class tracking:  # noqa: N801 - called as a function is; a generator costs twice as much, around each action
    """Make a node the current one for the block, and nothing else."""

    __slots__ = ("_node", "_token")

    def __init__(self, node: TrackedNode) -> None:
        self._node = node
        self._token: Token[TrackedNode]

    def __enter__(self) -> TrackedNode:
        self._token = _current.set(self._node)
        return self._node

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:  # noqa: SIM105 - `suppress` costs more than all of this
            _current.reset(self._token)
        except ValueError:
            # A generator may be closed in another context than it was begun in: nothing is to be undone there.
            pass


def progress(current: float | None = None, total: float | None = None, message: str | None = None) -> None:
    """Set what is given of the current node's current value, total and message."""
    _current.get().progress(current, total, message)


def step(count: float = 1) -> None:
    """Add `count` to the current node's current value."""
    _current.get().step(count)


def output(text: str) -> None:
    """Stream a line of text to the current node; a line end is added where there is none."""
    _current.get().output(line(text))


def set_meta(meta: object) -> None:
    """Replace the current node's meta: JSON, a pydantic model or a dataclass; raises InvalidMeta."""
    _current.get().set_meta(meta)


def check_cancelled() -> None:
    """Raise TaskCancelled where the end of the current work was asked for; nothing happens where nothing is tracked."""
    _current.get().check_cancelled()


def line(text: str) -> str:
    """Return `text` with a line end; a report mustn't stop the work, so what is no text becomes one."""
    if not isinstance(text, str):
        text = text.decode(errors="replace") if isinstance(text, bytes | bytearray) else str(text)
    return text if text.endswith("\n") else f"{text}\n"


def end_node(node: TrackedNode, error: BaseException | None) -> None:
    """End a node as the work that it stands for ended: without an error, or by one.

    After a StaleFence nothing is told: another worker tells the rest. Nor where the work is broken into: whoever does
    that knows how it ends.
    """
    if error is None:
        node.complete()
    elif isinstance(error, TaskCancelled):
        node.cancel(error.message)
    elif isinstance(error, asyncio.CancelledError | GeneratorExit):
        # The client has gone, or nobody takes what a generator yields.
        node.cancel(text_of(error))
    elif not isinstance(error, StaleFence | WorkInterrupted):
        node.fail(text_of(error) or type(error).__name__)
