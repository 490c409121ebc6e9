"""A call whose client follows it while it is made: what it reports, and then its result."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from inspect import isawaitable

from django.http import HttpRequest
from django.utils.translation import gettext as _

from tasks.domain.jsonvalue import JSON
from tasks.domain.sequencer import Item
from tasks.domain.statuses import NodeStatus
from tasks.errors import TaskCancelled
from tasks.live.hub import Hub
from tasks.live.visitor import Visitor
from tasks.services.call_threads import in_own_thread
from tasks.services.functions import PreparedCall
from tasks.services.request_trees import RequestScope, enter_request
from tasks.services.trees import WAIT_SECONDS
from tasks.tracking import tracking

__all__ = ["FollowedCall", "made_here", "made_now"]

#: How long the end of a tree is waited for when the function has returned: a database may be locked for a moment.
END_SECONDS = 10.0


def made_now(prepared: PreparedCall) -> JSON:
    """Make a call of a function that isn't asynchronous, and return its result.

    Raises RuntimeError where it raises what would end, or cancel, whoever serves it.
    """
    try:
        made = prepared.make()
    except (SystemExit, asyncio.CancelledError) as error:
        raise _ended_by_itself(error) from error
    assert not isawaitable(made)
    return made


async def made_here(prepared: PreparedCall) -> JSON:
    """Make a call of an asynchronous function, and return its result; raises RuntimeError as `made_now` does."""
    made = prepared.make()
    assert isawaitable(made)
    try:
        return await made
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise _ended_by_itself(error) from error
    except SystemExit as error:
        raise _ended_by_itself(error) from error


def _ended_by_itself(error: BaseException) -> RuntimeError:
    return RuntimeError(f"The function has ended itself by {type(error).__name__}.")


class FollowedCall:
    """Make one call, with a tree of its own; what it begins ends with it."""

    def __init__(self, prepared: PreparedCall, *, request: HttpRequest, scope: RequestScope) -> None:
        self.scope = scope
        self._prepared = prepared
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.create_task(self._make(), name=f"call-{prepared.function.name}")

    async def result(self) -> JSON:
        """Return what the function returned, once it has; raises what it raised, TaskCancelled where it was ended."""
        # Whoever waits may be cancelled without that.
        await asyncio.wait({self._work})
        if self._work.cancelled():
            raise TaskCancelled(_("The work was cancelled."))
        return self._work.result()

    def abandon(self) -> None:
        """End it, unless it is over: its client has gone, or wants it no more.

        A coroutine is cancelled where it waits; a function in a thread hears of it when it looks (`check_cancelled`).
        """
        if self._work.done():
            return
        self.scope.abandon()
        if self._prepared.function.is_async:
            self._work.cancel()
        # Nobody asks for its result any more.
        self._work.add_done_callback(_take_outcome)

    def abandon_soon(self) -> None:
        """Do what `abandon` does, from any thread."""
        # A loop that has closed makes no calls.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.abandon)

    async def updates(self, *, hub: Hub, visitor: Visitor, pulse_seconds: float) -> AsyncIterator[Sequence[Item]]:
        """Yield what the call reports, until it is over; nothing (`[]`) where it reported nothing for a while.

        Raises TaskNotFound once the visitor isn't any more who they were.
        """
        tree = self.scope.tree
        if tree is not None:
            begun = asyncio.create_task(tree.begun.wait_async(None))
            try:
                async for _pulse in self._until(begun, pulse_seconds=pulse_seconds):
                    yield []
                if self._work.done():
                    await tree.ended.wait_async(END_SECONDS)
            finally:
                begun.cancel()
            if tree.is_written:
                follower = await hub.follow(tree.root_id, visitor=visitor)
                try:
                    while not follower.ended:
                        items = await follower.next(timeout_seconds=pulse_seconds)
                        if not items and self._work.done() and tree.ended.is_set():
                            break  # Its end could not be written; the dispatcher will.
                        if not follower.ended or items:
                            yield items
                finally:
                    follower.close()
        async for _pulse in self._until(None, pulse_seconds=pulse_seconds):
            yield []

    async def _until(self, other: "asyncio.Task[bool] | None", *, pulse_seconds: float) -> AsyncIterator[None]:
        """Yield at each pulse until the call is over, or `other` is."""
        awaited: set[asyncio.Task[object]] = {self._work, *(() if other is None else (other,))}
        while not any(task.done() for task in awaited):
            done, _pending = await asyncio.wait(awaited, timeout=pulse_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                yield None

    async def _make(self) -> JSON:
        # This task has a context of its own, which ends with it.
        enter_request(self._request)
        with tracking(self.scope.root):
            try:
                if self._prepared.function.is_async:
                    result = await made_here(self._prepared)
                else:
                    result = await in_own_thread(partial(made_now, self._prepared))
                for tree in self.scope.take_begun():
                    # The result may tell their ids, and its client looks for them at once.
                    await tree.begun.wait_async(WAIT_SECONDS)
            except asyncio.CancelledError:
                self.scope.abandon()
                raise
            except BaseException as error:
                self.scope.note_error(error)
                self.scope.fail()
                raise
        self.scope.end(NodeStatus.COMPLETED)
        return result


def _take_outcome(work: "asyncio.Task[JSON]") -> None:
    if not work.cancelled():
        work.exception()
