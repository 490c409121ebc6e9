"""Canvases whose tasks are seen as one: what becomes of the rest when one of them has ended."""

import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.canvas import abandoned, members
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import NodeStatus
from tasks.domain.updates import Draft, UpdateType, draft, encode_node
from tasks.errors import StaleFence
from tasks.models import CeleryTask, TaskRoot
from tasks.services import sql
from tasks.services.celery_rows import QUEUED, Origin, create_row, existing_root_id, owner_for
from tasks.services.committing import after_commit
from tasks.services.log import append_updates
from tasks.services.roots import create_root, end_root, ending

logger = logging.getLogger(__name__)


def create_canvas(*, plan: JSON, tasks: Mapping[str, tuple[str, Origin]], origin: Origin, root_id: uuid.UUID) -> None:
    """Create the tree of a canvas, and one for each of its tasks (id -> name and origin), in one transaction."""
    with transaction.atomic():
        owner = owner_for(origin)
        create_root(
            root_id=root_id,
            title=origin.title,
            owner=owner,
            shared=origin.shared,
            parent_id=existing_root_id(origin.parent_id),
            lease=QUEUED,
        )
        CeleryTask.objects.create(root_id=root_id, plan=plan)
        # Each tree begins with a log of its own. Celery sends as many messages.
        for task_id, (name, own) in tasks.items():
            create_row(task_id=task_id, name=name, origin=own, owner=own.owner or owner, parent_id=root_id)
        total = len(tasks)
        append_updates(
            root_id=root_id,
            drafts=[_progress(root_id, origin.title, 0, total)],
            columns={"status": NodeStatus.RUNNING.value, "current": 0, "total": total},
        )


def note_ended(root_id: uuid.UUID) -> None:
    """Tell the canvas of a root that somebody else has ended; nothing where it belongs to none."""
    with transaction.atomic():
        canvas = lock_canvas_of(root_id)
        status = TaskRoot.objects.filter(pk=root_id, closed=True).values_list("status", flat=True).first()
        if status is not None:
            go_on(canvas, ended=root_id, status=NodeStatus(status))


def note_broken(root_id: uuid.UUID, *, part: uuid.UUID, status: NodeStatus) -> None:
    """Tell a canvas, or a task that was replaced by one, that a part without a tree has come to no good end."""
    with transaction.atomic():
        rows = CeleryTask.objects.filter(pk=root_id, plan__isnull=False, root__closed=False)
        canvas = rows.select_for_update(of=("self",)).select_related("root").first()
        go_on(canvas, ended=part, status=status, goes_on=False)


def close_root(root_id: uuid.UUID, status: NodeStatus, reason: str, *, result: JSON = None) -> None:
    """End the tree of a task, in the caller's transaction, and bring its canvas on; StaleFence where it has ended."""
    canvas = lock_canvas_of(root_id)
    CeleryTask.objects.filter(pk=root_id).update(worker="")
    end_root(root_id=root_id, status=status, reason=reason, result=result)
    go_on(canvas, ended=root_id, status=status)


def lock_canvas_of(root_id: uuid.UUID) -> CeleryTask | None:
    """Return the canvas that a task is part of, locked; None where it is part of none that is open."""
    rows = CeleryTask.objects.filter(plan__isnull=False, root__children=root_id, root__closed=False)
    return rows.select_for_update(of=("self",)).select_related("root").first()


def go_on(canvas: CeleryTask | None, *, ended: uuid.UUID, status: NodeStatus, goes_on: bool = True) -> None:
    """Bring a canvas to where its tasks are: what follows a failed one is never begun, and the last one ends it.

    Without `goes_on`, what follows isn't begun although the task has completed.
    """
    if canvas is None:
        return
    is_broken = status is not NodeStatus.COMPLETED or not goes_on
    if canvas.task_id is not None:
        if is_broken and str(ended) in members(canvas.plan):
            # Afterwards: it may be part of another canvas, whose row comes first.
            after_commit(_end_replaced, canvas.pk, status)
        return
    if is_broken:
        _abandon(canvas, ended)
    # A task that was delivered although its tree had ended has another one, which counts in its place.
    own = TaskRoot.objects.filter(parent=canvas.pk, repetitions__isnull=True)
    count = own.aggregate(
        all=Count("pk"),
        ended=Count("pk", filter=Q(closed=True)),
        failed=Count("pk", filter=Q(closed=True, status=NodeStatus.FAILED.value)),
        cancelled=Count("pk", filter=Q(closed=True, status=NodeStatus.CANCELLED.value)),
    )
    columns: dict[str, sql.Value] = {"current": count["ended"], "total": count["all"]}
    drafts = [_progress(canvas.pk, canvas.root.title, count["ended"], count["all"])]
    if count["ended"] < count["all"]:
        columns["lease_until"] = sql.time_value(timezone.now() + QUEUED)
    else:
        closing, last = _ending_of(count)
        drafts.append(closing)
        columns |= last
    try:
        append_updates(root_id=canvas.pk, drafts=drafts, columns=columns)
    except StaleFence:
        logger.info("Canvas %s had ended before its tasks.", canvas.pk)


def _end_replaced(root_id: uuid.UUID, part: NodeStatus) -> None:
    is_failure = part is NodeStatus.FAILED
    reason = _("A part of it has failed.") if is_failure else _("A part of it didn't come to its end.")
    status = NodeStatus.FAILED if is_failure else NodeStatus.CANCELLED
    with suppress(StaleFence), transaction.atomic():
        close_root(root_id, status, reason)


def _ending_of(count: Mapping[str, int]) -> tuple[Draft, dict[str, sql.Value]]:
    if count["failed"]:
        reason = _("%(failed)d of %(all)d parts failed.") % count
        return ending(NodeStatus.FAILED, reason=reason)
    if count["cancelled"]:
        return ending(NodeStatus.CANCELLED, reason=_("%(cancelled)d of %(all)d parts were cancelled.") % count)
    return ending(NodeStatus.COMPLETED)


def _abandon(canvas: CeleryTask, failed: uuid.UUID) -> None:
    rest = [uuid.UUID(member) for member in abandoned(canvas.plan, str(failed))]
    # In one order, as two parts may fail at once.
    for pk in TaskRoot.objects.filter(pk__in=rest, closed=False).order_by("pk").values_list("pk", flat=True):
        end_root(root_id=pk, status=NodeStatus.CANCELLED, reason=_("An earlier part has failed or was cancelled."))


def _progress(root_id: uuid.UUID, title: str, current: int, total: int) -> Draft:
    reference = encode_node(node_id=str(root_id), type="task", title=title)
    return draft(UpdateType.NODE_PROGRESS, node=reference, current=current, total=total)
