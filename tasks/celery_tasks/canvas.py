"""Canvases that are seen as one, and cancellation."""

import uuid
from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.canvas import Signature
from celery.result import AsyncResult, GroupResult
from django.db import transaction
from django.utils.translation import gettext as _

from tasks.celery_tasks.run import HEADER, current_root_id, owner_of
from tasks.celery_tasks.task import TrackedTask
from tasks.domain.canvas import CHAIN, GROUP
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JobStatus
from tasks.models.root import new_id
from tasks.services.celery_roots import (
    Origin,
    cancel_celery_task,
    create_canvas,
    root_id_of,
)
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
    leaves: dict[str, tuple[str, Origin]] = {}
    plan = _plan(canvas, parent_id=root_id, leaves=leaves)
    if not leaves:
        raise ValueError("There is no tracked task in this canvas: give its tasks the base TrackedTask.")
    who = Owner(session_key=session_key) if owner is None and session_key else owner_of(owner)
    origin = Origin(title=title, owner=who, parent_id=current_root_id(), shared=shared)
    result = canvas.freeze()

    def send() -> None:
        create_canvas(plan=plan, tasks=leaves, origin=origin, root_id=root_id)
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


# What a canvas is made of.


def _plan(signature: Any, *, parent_id: uuid.UUID, leaves: dict[str, tuple[str, Origin]]) -> JSON:
    """Return the plan of a canvas, and give each of its tracked tasks an id and the header of a member."""
    kind = signature.get("subtask_type")
    if kind in ("chain", "group"):
        parts = [_plan(part, parent_id=parent_id, leaves=leaves) for part in signature.tasks]
        return [CHAIN if kind == "chain" else GROUP, *parts]
    if kind == "chord":
        header = signature.tasks
        parts = [_plan(part, parent_id=parent_id, leaves=leaves) for part in getattr(header, "tasks", header)]
        body = [] if signature.body is None else [_plan(signature.body, parent_id=parent_id, leaves=leaves)]
        return [CHAIN, [GROUP, *parts], *body]
    task = current_app.tasks.get(signature.task)
    if not isinstance(task, TrackedTask):
        return [GROUP]
    options = signature.options
    task_id = str(options.setdefault("task_id", str(uuid.uuid4())))
    own = Origin(
        title=str(options.pop("title", "") or task.title_of(signature)),
        owner=owner_of(options.pop("owner", None)),
        parent_id=parent_id,
        shared=bool(options.pop("shared", False)),
    )
    options["headers"] = {**(options.get("headers") or {}), HEADER: {**own.to_json(), "member": True}}
    leaves[task_id] = (task.name, own)
    return str(root_id_of(task_id))
