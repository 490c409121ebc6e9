"""What `start_task` and `shared_subtask` do once Django is set up."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connections

from tasks.domain.meta import meta_to_json, metas
from tasks.models import TaskRoot
from tasks.services.nodes import TaskNode
from tasks.services.request_trees import RequestScope, current_scope
from tasks.services.roots import Owner
from tasks.services.trees import WAIT_SECONDS, Opening, TreeRecorder, in_event_loop, wait_for
from tasks.tracking import StartOptions, current_node


@dataclass(frozen=True, slots=True)
class TreeWork:
    """Be a tree of one's own."""

    recorder: TreeRecorder

    @property
    def node(self) -> TaskNode:
        """The root."""
        return self.recorder.root

    @property
    def root_id(self) -> uuid.UUID:
        """The root's id."""
        return self.recorder.root_id

    @property
    def is_shared(self) -> bool:
        """Whether everybody who is allowed to see shared tasks may follow it."""
        return self.recorder.shared

    def wait_begun(self) -> None:
        """Wait a moment until clients can find it."""
        wait_for(self.recorder.begun)

    async def wait_begun_async(self) -> None:
        """Wait a moment until clients can find it."""
        await self.recorder.begun.wait_async(WAIT_SECONDS)

    def wait_ended(self) -> None:
        """Wait a moment until its end is written."""
        if self.recorder.closed:
            wait_for(self.recorder.ended)

    async def wait_ended_async(self) -> None:
        """Wait a moment until its end is written."""
        if self.recorder.closed:
            await self.recorder.ended.wait_async(WAIT_SECONDS)


@dataclass(frozen=True, slots=True)
class PartWork:
    """Be a part of the tree that a client follows by its request's id."""

    node: TaskNode

    @property
    def root_id(self) -> uuid.UUID:
        """The id of the request's tree."""
        return self.node.recorder.root_id

    @property
    def is_shared(self) -> bool:
        """Only the client follows it."""
        return False

    def wait_begun(self) -> None:
        """Wait for nothing: the tree is found by the request's id, as soon as it is there."""

    async def wait_begun_async(self) -> None:
        """Wait for nothing."""

    def wait_ended(self) -> None:
        """Wait for nothing."""

    async def wait_ended_async(self) -> None:
        """Wait for nothing."""


class TreeStarter:
    """Begin trees where the current request, or what is tracked at the moment, says whose they are."""

    def start(self, title: str, options: StartOptions) -> TreeWork | PartWork:
        """Begin a tree; in the tree of a request, a part of it, unless it is shared, detached, or somebody else's."""
        scope = current_scope()
        meta_type = metas.type_for(options.meta_model)
        meta = None if options.meta is None else meta_to_json(options.meta, meta_type)
        above = current_node().root
        # What a tree starts that outlives the request outlives it too.
        bound = scope is not None and scope.holds(above)
        own = bound and not (options.shared or options.detached or options.owner is not None)
        if own and scope is not None and scope.tree is not None:
            node = scope.tree.root.child(title, total=options.total)
            if options.meta_model is not None:
                node.meta_type = meta_type
            if meta is not None:
                node.set_meta(meta)
            return PartWork(node)
        opening = Opening(
            title=title,
            owner=_owner(options, scope if bound else None, above),
            input=options.input,
            meta=meta,
            total=options.total,
            shared=options.shared,
            request_scoped=own,
            parent_id=None if options.detached else _link(above),
        )
        recorder = TreeRecorder(opening, meta_type=meta_type)
        if scope is not None:
            scope.add(recorder, detached=options.detached or not bound)
        recorder.begin()
        return TreeWork(recorder)

    def is_in_shared(self) -> bool:
        """Tell whether the current node belongs to a shared tree."""
        root = current_node().root
        if not isinstance(root, TaskNode):
            return False
        recorder = root.recorder
        if isinstance(recorder, TreeRecorder):
            return recorder.shared
        return _off_the_loop(lambda: TaskRoot.objects.filter(pk=recorder.root_id, shared=True).exists())


def _owner(options: StartOptions, scope: RequestScope | None, above: object) -> Callable[[], Owner]:
    given = options.owner
    if given is not None:
        owner = Owner.of(given)
        return lambda: owner
    if scope is not None:
        return scope.owner
    if not isinstance(above, TaskNode):
        return Owner
    if isinstance(above.recorder, TreeRecorder):
        return above.recorder.opening.owner
    root_id = above.recorder.root_id
    return lambda: _owner_of(root_id)


def _owner_of(root_id: uuid.UUID) -> Owner:
    found = TaskRoot.objects.filter(pk=root_id).values_list("owner_id", "session_key").first()
    return Owner() if found is None else Owner(user_id=found[0], session_key=found[1])


def _link(above: object) -> uuid.UUID | None:
    """Return the tree that starts another; that of a request is soon gone, and may not have been written at all."""
    if not isinstance(above, TaskNode):
        return None
    recorder = above.recorder
    if isinstance(recorder, TreeRecorder) and recorder.opening.request_scoped:
        return None
    return recorder.root_id


def _off_the_loop(read: Callable[[], bool]) -> bool:
    """Return what `read` gives; in an event loop, where Django reads no database, from a thread of its own."""
    if not in_event_loop():
        return read()
    found: list[bool] = []

    def work() -> None:
        try:
            found.append(read())
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, name="task-reader")
    thread.start()
    thread.join()
    return bool(found) and found[0]
