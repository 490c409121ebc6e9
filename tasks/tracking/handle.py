"""Handles of nodes: context managers, sync and async, and what can be done with a node by hand."""

import inspect
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar

from tasks.domain.jsonvalue import JSON
from tasks.tracking.current import TrackedNode, current_node, end_node, line, tracking
from tasks.tracking.writers import OutputWriter, ProgressWriter

F = TypeVar("F", bound=Callable[..., Any])


class Handle:
    """Hold one node: report to it, start others below it, end it.

    As a context manager, sync or async, it makes its node the current one; the node completes at the end of the block,
    is cancelled by TaskCancelled and by the cancellation of an asyncio task, and fails with any other exception, which
    goes on to the caller. The first end wins.
    """

    def __init__(self, node: TrackedNode) -> None:
        self.node = node
        self._inside: list[AbstractContextManager[TrackedNode]] = []

    @property
    def id(self) -> uuid.UUID | None:
        """The node's id; None where nothing is tracked."""
        return self.node.id

    @property
    def root(self) -> TrackedNode:
        """The root of the node's tree."""
        return self.node.root

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given of current, total and message."""
        self.node.progress(current, total, message)

    def step(self, count: float = 1) -> None:
        """Add `count` to the current value."""
        self.node.step(count)

    def output(self, text: str) -> None:
        """Stream a line of text; a line end is added where there is none."""
        self.node.output(line(text))

    def set_meta(self, meta: object) -> None:
        """Replace the meta: JSON, a pydantic model or a dataclass; raises InvalidMeta."""
        self.node.set_meta(meta)

    def update(self, data: JSON) -> None:
        """Report what the node has produced."""
        self.node.update(data)

    def subtask(self, title: str, *, total: float | None = None, alias: str = "", type: str = "task") -> "Subtask":
        """Start a node below this one, and return its handle."""
        return Subtask(self.node.child(title, type=type, alias=alias, total=total))

    def output_writer(self, title: str) -> OutputWriter:
        """Start a node below this one to which everything is streamed that is written to the returned file."""
        return OutputWriter(self.node, title)

    def writer_progress(self, title: str, *, size: float | None = None) -> ProgressWriter:
        """Start a node below this one that counts the bytes that are written to the returned file."""
        return ProgressWriter(self.node, title, size=size)

    def activate(self) -> AbstractContextManager[TrackedNode]:
        """Make the node the current one for a block, in any thread or asyncio task; it doesn't end with the block."""
        return tracking(self.node)

    def check_cancelled(self) -> None:
        """Raise TaskCancelled where the work is to stop."""
        self.node.check_cancelled()

    def close(self) -> None:
        """End the node as completed."""
        self.node.complete()

    def fail(self, message: str) -> None:
        """End the node as failed, and what is unfinished below it with the same reason."""
        self.node.fail(message)

    def cancel(self, reason: str = "") -> None:
        """End the node as cancelled, and what is unfinished below it with the same reason."""
        self.node.cancel(reason)

    def err(self, error: BaseException | None) -> None:
        """End the node as `error` says: completed without one, else cancelled or failed.

        After a StaleFence nothing is told: another worker tells the rest.
        """
        end_node(self.node, error)

    def __enter__(self) -> Self:
        inside = tracking(self.node)
        inside.__enter__()
        self._inside.append(inside)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside.pop().__exit__(None, None, None)
        self.err(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class Subtask(Handle):
    """Hold a node below another one."""


class Block:
    """Start a node when a block begins, `with` or `async with`; as a decorator, with each call of a function."""

    def __init__(self, start: Callable[[], Handle]) -> None:
        self._start = start
        self._handle: Handle | None = None

    def __enter__(self) -> Handle:
        self._handle = self._start()
        return self._handle.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._handle is not None
        self._handle.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Handle:
        self._handle = self._start()
        return await self._handle.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._handle is not None
        await self._handle.__aexit__(kind, error, traceback)

    def __call__(self, function: F) -> F:
        """Return `function`, run in a node of its own at each call."""
        start = self._start
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                async with Block(start):
                    return await function(*args, **kwargs)

            return call_async  # type: ignore[return-value]

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with Block(start):
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def subtask(title: str, *, total: float | None = None, alias: str = "", type: str = "task") -> Block:
    """Start a node below the current one; it completes at the end of the block and fails with an exception.

    What the block raises goes on to the caller. A cancelled block cancels its node.
    """
    return Block(lambda: Subtask(current_node().child(title, type=type, alias=alias, total=total)))


def output_writer(title: str) -> OutputWriter:
    """Start a node below the current one to which everything is streamed that is written to the returned file."""
    return OutputWriter(current_node(), title)


def writer_progress(title: str, *, size: float | None = None) -> ProgressWriter:
    """Start a node below the current one that counts the bytes that are written to the returned file."""
    return ProgressWriter(current_node(), title, size=size)
