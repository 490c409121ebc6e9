"""Canvases that are seen as one, and cancellation."""

import uuid
from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.canvas import Signature
from celery.result import AsyncResult, GroupResult
from django.db import transaction
from django.utils.translation import gettext as _

from tasks.celery_tasks.parts import PART_OF, copy_of, id_of, leaves, plan_of, tell
from tasks.celery_tasks.run import MEMBER, current_root_id, owner_of
from tasks.celery_tasks.task import TrackedTask
from tasks.domain.statuses import JobStatus
from tasks.models.root import new_id
from tasks.services.celery_cancelling import cancel_celery_task
from tasks.services.celery_canvases import create_canvas
from tasks.services.celery_rows import Origin
from tasks.services.roots import Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedCanvas:
    """Say what was sent: the tree of the whole, and Celery's own result."""

    root_id: uuid.UUID
    result: AsyncResult | GroupResult


def track(
    canvas: Signature, *, title: str, owner: Any = None, session_key: str = "", shared: bool = False
) -> TrackedCanvas:
    """Send a canvas (a chain, group or chord of tracked tasks, however nested) under one tree that shows how far it is.

    The tree's children are those of all its tasks, there from the beginning; it ends with the last of them. Sent after
    the caller's transaction: rolled back, there is nothing. `owner` is a user or a user's key; by default the owner
    of the work that sends it. Raises ValueError where the canvas has no tracked task.
    """
    root_id = new_id()
    canvas = copy_of(canvas)
    tracked: dict[str, tuple[str, Origin]] = {}
    for leaf in leaves(canvas):
        task, task_id = current_app.tasks.get(leaf.task), id_of(leaf)
        if not isinstance(task, TrackedTask):
            tell(leaf, {PART_OF: str(root_id)})
            continue
        own = _own_origin(leaf, task, parent_id=root_id)
        tell(leaf, {**own.to_json(), MEMBER: True})
        tracked[task_id] = (task.name, own)
    if not tracked:
        raise ValueError("There is no tracked task in this canvas: give its tasks the base TrackedTask.")
    who = Owner(session_key=session_key) if owner is None and session_key else owner_of(owner)
    origin = Origin(title=title, owner=who, parent_id=current_root_id(), shared=shared)
    result = canvas.freeze()

    def send() -> None:
        create_canvas(plan=plan_of(canvas), tasks=tracked, origin=origin, root_id=root_id)
        try:
            canvas.apply_async()
        except Exception:
            # Nobody will begin what wasn't sent.
            cancel_celery_task(root_id, reason=_("It could not be sent."))
            raise

    transaction.on_commit(send)
    return TrackedCanvas(root_id=root_id, result=result)


def cancel(root_id: uuid.UUID, *, reason: str = "") -> JobStatus:
    """Cancel a tracked task or canvas on the system's own authority; see `cancel_celery_task`."""
    return cancel_celery_task(root_id, reason=reason)


def _own_origin(leaf: Any, task: TrackedTask, *, parent_id: uuid.UUID) -> Origin:
    options = leaf.options
    return Origin(
        title=str(options.pop("title", "") or task.title_of(leaf)),
        owner=owner_of(options.pop("owner", None)),
        parent_id=parent_id,
        shared=bool(options.pop("shared", False)),
    )
