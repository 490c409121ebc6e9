"""Starting trees of one's own: `start_task` and `shared_subtask`."""

import uuid
from collections.abc import Generator
from types import TracebackType
from typing import Any, Self

from tasks.domain.jsonvalue import JSON
from tasks.tracking.current import current_node
from tasks.tracking.handle import Block, Handle, Subtask
from tasks.tracking.port import StartOptions, TaskOwner, TaskUser, Work, connected_starter, need_starter


class Task(Handle):
    """Hold work that was started by `start_task`.

    With `with` or `async with` it ends as the block does. Held by hand, it ends by `close`, `fail`, `err` or `cancel`;
    what a request leaves open ends as the request does, unless it is detached. In asyncio code, `await start_task(…)`
    returns once clients can find the tree.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work.node)
        self._work = work

    @property
    def id(self) -> uuid.UUID:
        """The id of the task."""
        found = self.node.id
        assert found is not None
        return found

    @property
    def root_id(self) -> uuid.UUID:
        """The root whose log clients follow: the task's own id, except inside the tree of a request."""
        return self._work.root_id

    @property
    def is_shared(self) -> bool:
        """Whether everybody who is allowed to see shared tasks may follow it."""
        return self._work.is_shared

    def close(self) -> None:
        """End the task as completed."""
        super().close()
        self._work.wait_ended()

    def fail(self, message: str) -> None:
        """End the task as failed, and what is unfinished below it with the same reason."""
        super().fail(message)
        self._work.wait_ended()

    def cancel(self, reason: str = "") -> None:
        """End the task as cancelled, and what is unfinished below it with the same reason."""
        super().cancel(reason)
        self._work.wait_ended()

    def err(self, error: BaseException | None) -> None:
        """End the task as `error` says; see Handle."""
        super().err(error)
        self._work.wait_ended()

    def __await__(self) -> Generator[Any, None, Self]:
        yield from self._work.wait_begun_async().__await__()
        return self

    async def __aenter__(self) -> Self:
        try:
            await self
        except BaseException as error:
            # The block is never entered, so nothing else ends the task.
            super().err(error)
            raise
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
        await self._work.wait_ended_async()


def start_task(
    title: str,
    *,
    meta: object = None,
    meta_model: type | None = None,
    total: float | None = None,
    input: JSON = None,
    shared: bool = False,
    detached: bool = False,
    owner: TaskOwner | TaskUser | None = None,
) -> Task:
    """Start a task tree, which its owner can follow at once and which survives a rollback of the caller's.

    `shared` shows it to everyone who may see shared tasks. Without `detached` it belongs to the request that starts it,
    and ends as that does. `meta_model` is the class of the meta of all its nodes. `owner` is a user, or has `user_id`
    and `session_key`; by default it is the client of the request, or the owner of the work that starts it.

    Raises NotConnected before Django is set up, InvalidMeta.
    """
    options = StartOptions(
        meta=meta,
        meta_model=meta_model,
        total=total,
        input=input,
        shared=shared,
        detached=detached,
        owner=owner,
    )
    work = need_starter(title).start(title, options)
    work.wait_begun()
    return Task(work)


def shared_subtask(title: str, *, total: float | None = None, meta: object = None) -> Block:
    """Start a node that everyone may follow: a shared tree of its own, or a child where the tree is shared already.

    Before Django is set up it is a plain subtask. Reports of the block go to it; `with`, `async with`, or a decorator.
    """

    def start() -> Handle:
        starter = connected_starter()
        if starter is not None and not starter.is_in_shared():
            work = starter.start(title, StartOptions(total=total, meta=meta, shared=True))
            work.wait_begun()
            return Task(work)
        child = Subtask(current_node().child(title, total=total))
        if meta is not None:
            child.set_meta(meta)
        return child

    return Block(start)
