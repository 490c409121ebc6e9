"""Whose work is being carried out here: what is started within it belongs to the same owner, and ends with it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tasks.models import TaskRoot
from tasks.services.nodes import TaskNode
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner
from tasks.services.trees import TreeRecorder
from tasks.tracking import current_node


@dataclass(frozen=True, slots=True)
class Work:
    """Hold which root is worked on, None where nothing may hang on it, and to whom it belongs."""

    root_id: uuid.UUID | None
    owner: Owner


_current: ContextVar[Work | None] = ContextVar("stepline_current_work", default=None)


def current_work() -> Work | None:
    """Return the work that is carried out here, None where there is none: a job's, or a tree's that code has begun."""
    work = _current.get()
    if work is not None:
        return work
    root = current_node().root
    recorder = root.recorder if isinstance(root, TaskNode) else None
    if not isinstance(recorder, TreeRecorder):
        return _work_of(recorder.root_id) if isinstance(recorder, Recorder) else None
    # What outlives a request doesn't hang on it, and nothing can hang on a root that isn't there yet.
    can_be_parent = recorder.begun.is_set() and not recorder.lost and not recorder.opening.request_scoped
    return Work(recorder.root_id if can_be_parent else None, recorder.opening.owner())


def _work_of(root_id: uuid.UUID) -> Work | None:
    """Return the work of a root that only the database knows more of: a team's own Celery task, or a job's thread."""
    found = TaskRoot.objects.filter(pk=root_id).values_list("owner_id", "session_key", "closed").first()
    if found is None:
        return None
    owner_id, session_key, closed = found
    return Work(None if closed else root_id, Owner(user_id=owner_id, session_key=session_key))


@contextmanager
def working(root_id: uuid.UUID, owner: Owner) -> Iterator[None]:
    """Carry out the work of a root for the block."""
    token = _current.set(Work(root_id, owner))
    try:
        yield
    finally:
        _current.reset(token)
