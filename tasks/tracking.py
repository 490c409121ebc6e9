"""Reporting progress from anywhere: the current node travels in a context variable.

Where nothing is tracked, every call is a no-op and the work still runs. This module imports no models, so that code may
import it before Django is set up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from tasks.domain.jsonvalue import JSON
from tasks.errors import StaleFence, TaskCancelled


class TrackedNode(Protocol):
    """Say what can be reported of a node."""

    @property
    def root(self) -> "TrackedNode":
        """The root of the node's tree."""

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given of current, total and message."""

    def step(self, count: float = 1) -> None:
        """Add `count` to the current value."""

    def output(self, text: str) -> None:
        """Stream text."""

    def set_meta(self, meta: JSON) -> None:
        """Replace the meta."""

    def update(self, data: JSON) -> None:
        """Report what the node has produced."""

    def complete(self) -> None:
        """End the node as completed."""

    def fail(self, error: str) -> None:
        """End the node as failed."""

    def cancel(self, reason: str = "") -> None:
        """End the node as cancelled."""

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "TrackedNode":
        """Start a node below this one."""


class _Untracked:
    """Take every report where nothing is tracked."""

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

    def set_meta(self, meta: JSON) -> None:
        """Do nothing."""

    def update(self, data: JSON) -> None:
        """Do nothing."""

    def complete(self) -> None:
        """Do nothing."""

    def fail(self, error: str) -> None:
        """Do nothing."""

    def cancel(self, reason: str = "") -> None:
        """Do nothing."""

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "_Untracked":
        """Return itself."""
        return self


UNTRACKED = _Untracked()

_current: ContextVar[TrackedNode] = ContextVar("stepline_current_node", default=UNTRACKED)


def current_node() -> TrackedNode:
    """Return the node that reports go to; where nothing is tracked, one that takes and drops them."""
    return _current.get()


@contextmanager
def tracking(node: TrackedNode) -> Iterator[TrackedNode]:
    """Make `node` the current one for the block, and nothing else."""
    token = _current.set(node)
    try:
        yield node
    finally:
        _current.reset(token)


@contextmanager
def subtask(title: str, *, total: float | None = None, alias: str = "", type: str = "task") -> Iterator[TrackedNode]:
    """Start a node below the current one; it completes at the end of the block and fails with an exception.

    What the block raises goes on to the caller. A cancelled block cancels its node.
    """
    node = _current.get().child(title, type=type, alias=alias, total=total)
    with tracking(node):
        try:
            yield node
        except TaskCancelled as error:
            node.cancel(error.message)
            raise
        except StaleFence:
            raise  # Another worker tells the rest.
        except BaseException as error:
            node.fail(f"{error}" or error.__class__.__name__)
            raise
        node.complete()


def progress(current: float | None = None, total: float | None = None, message: str | None = None) -> None:
    """Set what is given of the current node's current value, total and message."""
    _current.get().progress(current, total, message)


def step(count: float = 1) -> None:
    """Add `count` to the current node's current value."""
    _current.get().step(count)


def output(text: str) -> None:
    """Stream a line of text to the current node; a line end is added where there is none."""
    _current.get().output(text if text.endswith("\n") else f"{text}\n")


def set_meta(meta: JSON) -> None:
    """Replace the current node's meta."""
    _current.get().set_meta(meta)
