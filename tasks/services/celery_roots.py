"""The trees of Celery tasks: created when a task is sent, begun, put off and ended as Celery says.

Celery's message is Celery's own: it leaves when it is sent, whatever becomes of the sender's transaction. The tree is
written once that has committed, or by the worker, whoever is first.

Lock order: the canvas's row, the rows of its tasks, heads from leaf to root.
"""

import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.core.exceptions import SynchronousOnlyOperation
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.canvas import abandoned, members
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import Draft, UpdateType, draft, encode_node
from tasks.errors import IllegalTransition, StaleFence, TaskNotFound
from tasks.models import CeleryTask, TaskRoot
from tasks.services import sql
from tasks.services.claims import lease_seconds
from tasks.services.committing import after_commit
from tasks.services.log import append_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root, end_root, ending

logger = logging.getLogger(__name__)

#: How long a tree waits for its task to be begun. A message that the broker has lost is known to nobody else.
QUEUED = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Say what the sender of a task knows of its tree; it travels with the message."""

    title: str = ""
    owner: Owner | None = None
    #: The work that sends it. Without an owner of its own, a task has that work's.
    parent_id: uuid.UUID | None = None
    shared: bool = False

    def to_json(self) -> dict[str, JSON]:
        """Return it as a header of the message."""
        owner = self.owner
        value: dict[str, JSON] = {
            "title": self.title,
            "user": None if owner is None or owner.user_id is None else str(owner.user_id),
            "session": "" if owner is None else owner.session_key,
            "parent": None if self.parent_id is None else str(self.parent_id),
            "shared": self.shared,
        }
        return {key: item for key, item in value.items() if item}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Origin":
        """Return what a header says."""
        user, session, parent = value.get("user"), str(value.get("session") or ""), value.get("parent")
        return cls(
            title=str(value.get("title") or ""),
            owner=Owner(user_id=None if user is None else str(user), session_key=session) if user or session else None,
            parent_id=None if parent is None else uuid.UUID(str(parent)),
            shared=bool(value.get("shared")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Hold what a worker knows of the tree of a task that it has begun."""

    root_id: uuid.UUID
    title: str
    #: The number of this run, from 1; the tree's fence.
    delivery: int
    #: Why it must not run: its end was asked for.
    refused: str | None = None


def root_id_of(task_id: str, *, execution: int = 0) -> uuid.UUID:
    """Return the id of a task's tree: the task's own where that is a UUID."""
    try:
        root_id = uuid.UUID(task_id)
    except ValueError:
        root_id = uuid.uuid5(uuid.NAMESPACE_URL, f"celery:{task_id}")
    return root_id if execution == 0 else uuid.uuid5(root_id, f"execution {execution}")


def note_sent(*, task_id: str, name: str, origin: Origin, due_at: datetime | None = None) -> None:
    """Create the tree of a task that is being sent, after the caller's transaction; never raises.

    A worker that is quicker has created it already.
    """

    def write() -> None:
        row = CeleryTask.objects.filter(task_id=task_id, execution=0).select_related("root").first()
        if row is None:
            row = _create(task_id=task_id, name=name, origin=origin, due_at=due_at)
        if row.root.parent_id is None and origin.parent_id is not None:
            # The worker was quicker, and the parent wasn't there yet.
            TaskRoot.objects.filter(pk=row.pk, parent=None).update(parent=_existing(origin.parent_id))

    def write_or_leave() -> None:
        # On an event loop there is no database: the worker creates the tree.
        with suppress(SynchronousOnlyOperation):
            write()

    transaction.on_commit(write_or_leave, robust=True)


def begin(*, task_id: str, name: str, origin: Origin, worker: str, lease: timedelta) -> Begun:
    """Begin a task, for the first time or again: its tree goes on, and what an earlier run writes is refused.

    A task whose tree has ended, and which Celery delivers nevertheless, gets another tree that names the ended one.
    """
    row = _latest(task_id)
    if row is None:
        _create(task_id=task_id, name=name, origin=origin)
    with transaction.atomic():
        row = _latest(task_id, lock=True)
        if row is None:
            raise TaskNotFound("The tree of this task was deleted while it began.", task_id=task_id)
        if row.cancel_requested_at is not None:
            if not row.root.closed:
                _close(row.pk, NodeStatus.CANCELLED, row.cancel_reason)
            return Begun(
                root_id=row.pk, title=row.root.title, delivery=row.deliveries, refused=row.cancel_reason or "cancelled"
            )
        if row.root.closed:
            row = _create(task_id=task_id, name=name, origin=origin, after=row)
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


def put_off(recorder: Recorder, *, status: JobStatus, waiting_for: JSON, due_at: datetime | None = None) -> None:
    """Let a run end with its task to be delivered again: a retry, or a message that was given back.

    Raises StaleFence where the tree has ended, or where the next run has begun already.
    """
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        CeleryTask.objects.filter(pk=recorder.root_id, deliveries=recorder.attempt).update(worker="")
        checkpoint.write(
            draft(UpdateType.TASK_STATUS, status=status.value, attempt=recorder.attempt, waiting_for=waiting_for),
            columns={"lease_until": sql.time_value(_queued_until(due_at))},
        )


def settle(recorder: Recorder, *, status: NodeStatus, reason: str = "", result: JSON = None) -> None:
    """End the tree of a run with everything that the recorder still holds, in one transaction.

    Raises StaleFence where the tree has ended, or where another run has taken it over.
    """
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        canvas = _lock_canvas_of(recorder.root_id)
        CeleryTask.objects.filter(pk=recorder.root_id).update(worker="")
        closing, columns = ending(status, result=result, reason=reason)
        checkpoint.write(closing, columns=columns)
        _go_on(canvas, ended=recorder.root_id, status=status)


def end_unseen(*, task_id: str, status: NodeStatus, reason: str) -> bool:
    """End the tree of a task whose end no run tells: it was revoked, or its process is gone. False where it has ended.

    Safe to call twice.
    """
    row = _latest(task_id)
    if row is None or row.root.closed:
        return False
    try:
        with transaction.atomic():
            _close(row.pk, status, reason)
    except StaleFence:
        return False
    return True


def note_ended(root_id: uuid.UUID) -> None:
    """Tell the canvas of a root that somebody else has ended; nothing where it belongs to none."""
    with transaction.atomic():
        canvas = _lock_canvas_of(root_id)
        status = TaskRoot.objects.filter(pk=root_id, closed=True).values_list("status", flat=True).first()
        if status is not None:
            _go_on(canvas, ended=root_id, status=NodeStatus(status))


def create_canvas(*, plan: JSON, tasks: Mapping[str, tuple[str, Origin]], origin: Origin, root_id: uuid.UUID) -> None:
    """Create the tree of a canvas, and one for each of its tasks (id -> name and origin), in one transaction."""
    with transaction.atomic():
        owner = _owner(origin)
        create_root(
            root_id=root_id,
            title=origin.title,
            owner=owner,
            shared=origin.shared,
            parent_id=_existing(origin.parent_id),
            lease=QUEUED,
        )
        CeleryTask.objects.create(root_id=root_id, plan=plan)
        # Each tree begins with a log of its own. Celery sends as many messages.
        for task_id, (name, own) in tasks.items():
            _create(task_id=task_id, name=name, origin=own, owner=own.owner or owner, parent_id=root_id)
        total = sum(1 for _ in members(plan))
        append_updates(
            root_id=root_id,
            drafts=[_progress(root_id, origin.title, 0, total)],
            columns={"status": NodeStatus.RUNNING.value, "current": 0, "total": total},
        )


def cancel_celery_task(root_id: uuid.UUID, *, reason: str = "") -> JobStatus:
    """Cancel a Celery task or a whole canvas: what hasn't begun ends at once, what runs is asked to stop.

    Celery's workers are told to drop the message, which is a hint: whoever begins the task looks at its row. A running
    task whose class says so (`cancel_terminates`) has its process ended. The caller has asked who may do this.

    Raises TaskNotFound where the root is no Celery task's, IllegalTransition where it has ended. Twice is as once.
    """
    reason = reason or _("cancelled by its owner")
    row = CeleryTask.objects.filter(pk=root_id).select_related("root").first()
    if row is None:
        raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
    if row.root.closed:
        raise IllegalTransition(_("This task has ended already."), status=row.root.status)
    if row.plan is None:
        return _cancel_one(root_id, reason)
    # One after the other, each in its own transaction: each has a head to lock, and ends what would have followed it.
    CeleryTask.objects.filter(pk=root_id).update(cancel_requested_at=timezone.now(), cancel_reason=reason)
    for child in list(TaskRoot.objects.filter(parent=root_id, closed=False).values_list("pk", flat=True)):
        try:
            _cancel_one(child, reason)
        except IllegalTransition:
            continue  # It ended meanwhile, or what came before it was cancelled.
    open_still = TaskRoot.objects.filter(pk=root_id, closed=False).exists()
    return JobStatus.CANCEL_REQUESTED if open_still else JobStatus.CANCELLED


def is_cancel_requested(root_id: uuid.UUID) -> bool:
    """Tell whether the end of a task was asked for."""
    return CeleryTask.objects.filter(pk=root_id, cancel_requested_at__isnull=False).exists()


def prolong(root_id: uuid.UUID, *, fence: int, lease: timedelta) -> bool:
    """Prolong the lease of a running task's tree, and tell whether the run still holds it."""
    held = TaskRoot.objects.filter(pk=root_id, fence=fence, closed=False)
    return bool(held.update(lease_until=Now() + lease))


def run_lease(*, redelivered_after_seconds: float) -> timedelta:
    """Return how long a run may be silent: as long as a job's, and until Celery delivers its task again."""
    return timedelta(seconds=lease_seconds() + redelivered_after_seconds)


def _cancel_one(root_id: uuid.UUID, reason: str) -> JobStatus:
    with transaction.atomic():
        _lock_canvas_of(root_id)
        row = CeleryTask.objects.select_for_update(of=("self",)).select_related("root").get(pk=root_id)
        if row.root.closed:
            raise IllegalTransition(_("This task has ended already."), status=row.root.status)
        asked_before = row.cancel_requested_at is not None
        CeleryTask.objects.filter(pk=root_id, cancel_requested_at=None).update(
            cancel_requested_at=timezone.now(), cancel_reason=reason
        )
        if row.worker:
            status = JobStatus.CANCEL_REQUESTED
            if not asked_before:
                append_updates(root_id=root_id, drafts=[draft(UpdateType.TASK_STATUS, status=status.value)])
        else:
            status = JobStatus.CANCELLED
            try:
                _close(root_id, NodeStatus.CANCELLED, reason)
            except StaleFence:
                raise IllegalTransition(_("This task has ended already."), task_id=str(root_id)) from None
        forced = bool(row.worker) and bool(getattr(current_app.tasks.get(row.name), "cancel_terminates", False))
        after_commit(_revoke, row.task_id or "", terminate=forced)
    return status


def _revoke(task_id: str, *, terminate: bool) -> None:
    current_app.control.revoke(task_id, terminate=terminate)


def _close(root_id: uuid.UUID, status: NodeStatus, reason: str) -> None:
    canvas = _lock_canvas_of(root_id)
    CeleryTask.objects.filter(pk=root_id).update(worker="")
    end_root(root_id=root_id, status=status, reason=reason)
    _go_on(canvas, ended=root_id, status=status)


def _lock_canvas_of(root_id: uuid.UUID) -> CeleryTask | None:
    rows = CeleryTask.objects.filter(plan__isnull=False, root__children=root_id, root__closed=False)
    return rows.select_for_update(of=("self",)).select_related("root").first()


def _go_on(canvas: CeleryTask | None, *, ended: uuid.UUID, status: NodeStatus) -> None:
    """Bring a canvas to where its tasks are: what follows a failed one is never begun, and the last one ends it."""
    if canvas is None:
        return
    if status is not NodeStatus.COMPLETED:
        _abandon(canvas, ended)
    own = TaskRoot.objects.filter(parent=canvas.pk)
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


def _latest(task_id: str, *, lock: bool = False) -> CeleryTask | None:
    rows = CeleryTask.objects.filter(task_id=task_id).select_related("root").order_by("-execution")
    return (rows.select_for_update(of=("self",)) if lock else rows).first()


def _create(
    *,
    task_id: str,
    name: str,
    origin: Origin,
    due_at: datetime | None = None,
    after: CeleryTask | None = None,
    owner: Owner | None = None,
    parent_id: uuid.UUID | None = None,
) -> CeleryTask:
    """Create the tree of a task, or of its next execution; the existing one where somebody else was first."""
    execution = 0 if after is None else after.execution + 1
    root_id = root_id_of(task_id, execution=execution)
    try:
        with transaction.atomic():
            if after is not None:
                previous = after.root
                owner = Owner(user_id=previous.owner_id, session_key=previous.session_key)
                parent_id = previous.parent_id
            root = create_root(
                root_id=root_id,
                title=origin.title or name,
                owner=owner or _owner(origin),
                shared=origin.shared,
                parent_id=parent_id or _existing(origin.parent_id),
                lease=_queued_until(due_at) - timezone.now(),
            )
            if after is not None:
                root.previous = after.root
                root.save(update_fields=["previous"])
            return CeleryTask.objects.create(root=root, task_id=task_id, execution=execution, name=name)
    except IntegrityError:
        row = CeleryTask.objects.select_related("root").filter(pk=root_id).first()
        if row is None:
            raise
        return row


def _owner(origin: Origin) -> Owner:
    """Return the owner that the sender named, else that of the work that sends it, else nobody."""
    if origin.owner is not None:
        return origin.owner
    if origin.parent_id is None:
        return Owner()
    found = TaskRoot.objects.filter(pk=origin.parent_id).values_list("owner_id", "session_key").first()
    return Owner() if found is None else Owner(user_id=found[0], session_key=found[1])


def _existing(root_id: uuid.UUID | None) -> uuid.UUID | None:
    if root_id is None or not TaskRoot.objects.filter(pk=root_id).exists():
        return None
    return root_id


def _queued_until(due_at: datetime | None) -> datetime:
    return max(timezone.now(), due_at or timezone.now()) + QUEUED


def _progress(root_id: uuid.UUID, title: str, current: int, total: int) -> Draft:
    reference = encode_node(node_id=str(root_id), type="task", title=title)
    return draft(UpdateType.NODE_PROGRESS, node=reference, current=current, total=total)
