"""The trees of Celery tasks: created when a task is sent, begun, put off and ended as Celery says.

Celery's message is Celery's own: it leaves when it is sent, whatever becomes of the sender's transaction. The tree is
written once that has committed, or by the worker, whoever is first.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from tasks.domain.canvas import GROUP
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import UpdateType, draft
from tasks.errors import StaleFence, TaskNotFound
from tasks.models import CeleryTask, TaskRoot
from tasks.services import sql
from tasks.services.celery_canvases import close_root, go_on, lock_canvas_of
from tasks.services.celery_rows import Origin, create_row, existing_root_id, latest_row, root_id_of
from tasks.services.claims import lease_seconds
from tasks.services.log import append_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Hold what a worker knows of the tree of a task that it has begun."""

    root_id: uuid.UUID
    title: str
    #: The number of this run, from 1; the tree's fence.
    delivery: int
    #: Why it must not run: its end was asked for.
    refused: str | None = None


def note_sent(*, task_id: str, name: str, origin: Origin, waits_until: datetime, is_member: bool = False) -> None:
    """Create the tree of a task that was sent, after the caller's transaction; never raises.

    It waits until then for the task to be begun. A worker that is quicker has created it already; for a member of a
    canvas it is there.
    """

    def write() -> None:
        if is_member:
            unbegun = TaskRoot.objects.filter(pk=root_id_of(task_id), started_at=None, closed=False)
            unbegun.update(lease_until=waits_until)
            return
        row = CeleryTask.objects.filter(task_id=task_id, execution=0).select_related("root").first()
        if row is None:
            row = create_row(task_id=task_id, name=name, origin=origin, waits_until=waits_until)
        if row.root.parent_id is None and origin.parent_id is not None:
            # The worker was quicker, and the parent wasn't there yet.
            TaskRoot.objects.filter(pk=row.pk, parent=None).update(parent=existing_root_id(origin.parent_id))

    def write_or_leave() -> None:
        # On an event loop there is no database: the worker creates the tree.
        with suppress(SynchronousOnlyOperation):
            write()

    with suppress(SynchronousOnlyOperation):
        transaction.on_commit(write_or_leave, robust=True)


def begin(*, task_id: str, name: str, origin: Origin, worker: str, lease: timedelta) -> Begun:
    """Begin a task, for the first time or again: its tree goes on, and what an earlier run writes is refused.

    A task whose tree has ended, and which Celery delivers nevertheless, gets another tree that names the ended one.
    """
    row = latest_row(task_id)
    if row is None:
        create_row(task_id=task_id, name=name, origin=origin)
    with transaction.atomic():
        row = latest_row(task_id, lock=True)
        if row is None:
            raise TaskNotFound("The tree of this task was deleted while it began.", task_id=task_id)
        if row.cancel_requested_at is None:
            return _begin(row, task_id=task_id, name=name, origin=origin, worker=worker, lease=lease)
    # On its own, since a canvas is locked before its tasks.
    refused = row.cancel_reason or "cancelled"
    end_unseen(task_id=task_id, status=NodeStatus.CANCELLED, reason=refused)
    return Begun(root_id=row.pk, title=row.root.title, delivery=row.deliveries, refused=refused)


def _begin(row: CeleryTask, *, task_id: str, name: str, origin: Origin, worker: str, lease: timedelta) -> Begun:
    if row.root.closed:
        row = create_row(task_id=task_id, name=name, origin=origin, after=row)
    delivery = row.deliveries + 1
    CeleryTask.objects.filter(pk=row.pk).update(deliveries=delivery, worker=worker)
    now = timezone.now()
    columns: dict[str, sql.Value] = {
        "fence": delivery,
        "status": NodeStatus.RUNNING.value,
        "lease_until": sql.time_value(now + lease),
    }
    if row.root.started_at is None:
        columns["started_at"] = sql.time_value(now)
    attempt = delivery if delivery > 1 else None
    append_updates(
        root_id=row.pk,
        drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.RUNNING.value, attempt=attempt)],
        columns=columns,
        attempt=delivery,
    )
    return Begun(root_id=row.pk, title=row.root.title, delivery=delivery)


def put_off(
    recorder: Recorder, *, status: JobStatus, waiting_for: JSON, waits_until: datetime, parts: Sequence[str] = ()
) -> None:
    """Let a run end with its task to be delivered again: a retry, or a message that was given back.

    Its tree waits until then. `parts` are the roots of what goes on in its place meanwhile.

    Raises StaleFence where the tree has ended, or where the next run has begun already.
    """
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        own = CeleryTask.objects.filter(pk=recorder.root_id, deliveries=recorder.attempt)
        own.update(worker="", plan=[GROUP, *parts] if parts else None)
        checkpoint.write(
            draft(UpdateType.TASK_STATUS, status=status.value, attempt=recorder.attempt, waiting_for=waiting_for),
            columns={"status": NodeStatus.WAITING.value, "lease_until": sql.time_value(waits_until)},
        )


def settle(
    recorder: Recorder, *, status: NodeStatus, reason: str = "", result: JSON = None, goes_on: bool = True
) -> None:
    """End the tree of a run with everything that the recorder still holds, in one transaction.

    `goes_on` says whether Celery begins what follows a completed task in its canvas.

    Raises StaleFence where the tree has ended, or where another run has taken it over.
    """
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        canvas = lock_canvas_of(recorder.root_id)
        CeleryTask.objects.filter(pk=recorder.root_id).update(worker="")
        closing, columns = ending(status, result=result, reason=reason)
        checkpoint.write(closing, columns=columns)
        go_on(canvas, ended=recorder.root_id, status=status, goes_on=goes_on)


def settle_late(recorder: Recorder, *, status: NodeStatus, reason: str = "", result: JSON = None) -> bool:
    """Tell the end of a run whose tree was ended as it was silent for too long: in another tree, which names that one.

    False where it has ended otherwise, or where another run has taken it over.
    """
    with transaction.atomic():
        lock_canvas_of(recorder.root_id)
        rows = CeleryTask.objects.select_related("root").select_for_update(of=("self",))
        # Whoever ends a tree for another reason knows that nothing runs any more.
        row = (
            rows.filter(pk=recorder.root_id, deliveries=recorder.attempt, root__closed=True).exclude(worker="").first()
        )
        if row is None:
            return False
        again = create_row(
            task_id=row.task_id or "",
            name=row.name,
            origin=Origin(title=row.root.title, shared=row.root.shared),
            after=row,
        )
        CeleryTask.objects.filter(pk=row.pk).update(worker="")
        close_root(again.pk, status, reason, result=result)
    return True


def end_unseen(*, task_id: str, status: NodeStatus, reason: str = "", result: JSON = None) -> bool:
    """End the tree of a task whose end no run tells: it was revoked, or its process is gone. False where it has ended.

    Safe to call twice.
    """
    row = latest_row(task_id)
    if row is None or row.root.closed:
        return False
    try:
        with transaction.atomic():
            close_root(row.pk, status, reason, result=result)
    except StaleFence:
        return False
    return True


def prolong(root_id: uuid.UUID, *, fence: int, lease: timedelta) -> bool:
    """Prolong the lease of a running task's tree, and tell whether another run has taken it over.

    A tree that has merely ended, as its writer was silent for too long, is no reason for the task to stop.
    """
    if TaskRoot.objects.filter(pk=root_id, fence=fence, closed=False).update(lease_until=Now() + lease):
        return False
    return TaskRoot.objects.filter(pk=root_id, fence__gt=fence).exists()


def run_lease(*, redelivered_after_seconds: float) -> timedelta:
    """Return how long a run may be silent: as long as a job's, and until Celery delivers its task again."""
    return timedelta(seconds=lease_seconds() + redelivered_after_seconds)
