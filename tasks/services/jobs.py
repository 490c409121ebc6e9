"""Waking and cancelling jobs: what anybody but the worker does to one that is there."""

import uuid
from contextlib import suppress
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.statuses import JOB_HELD, JOB_TERMINAL, JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import UpdateType, draft
from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.registry import jobs
from tasks.services.access import Viewer, find_root, may_cancel
from tasks.services.hints import hint_after_commit
from tasks.services.log import append_updates
from tasks.services.roots import end_open_nodes, ending


def wake(root_id: uuid.UUID) -> bool:
    """Make a waiting job claimable, in the caller's transaction, and return whether it was waiting.

    The caller has locked nothing behind the job (lock order: job, run, head).
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(root_id=root_id).first()
        if job is None or job.status != JobStatus.WAITING:
            return False
        _set_pending(job)
    return True


def request_cancel(*, root_id: uuid.UUID, viewer: Viewer, reason: str = "") -> JobStatus:
    """Cancel a job that nobody holds, or ask its holder to stop; returns the status that clients see.

    Raises TaskNotFound where there is no such job or the viewer may not see it, IllegalTransition where it has ended
    or the viewer may see it but not cancel it. Asking twice is the same as asking once.
    """
    root = find_root(viewer, root_id)
    if not may_cancel(viewer, root):
        raise IllegalTransition(_("Only the owner of a task may cancel it."), task_id=str(root_id))
    with transaction.atomic():
        asked_before = Job.objects.filter(root_id=root_id, cancel_requested_at__isnull=False).exists()
        status = cancel(root_id=root_id, reason=reason or _("cancelled by its owner"))
        job = Job.objects.get(root_id=root_id)
        spec = jobs.get(job.function) if job.function in jobs.names() else None
        if spec is not None and spec.note_cancel is not None and not asked_before:
            spec.note_cancel(root_id, viewer)
    return status


def cancel(*, root_id: uuid.UUID, reason: str) -> JobStatus:
    """Cancel a job on the system's own authority; see `request_cancel`."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(root_id=root_id).first()
        if job is None:
            raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
        status = JobStatus(job.status)
        if status in JOB_TERMINAL:
            raise IllegalTransition(_("This task has ended already."), status=status.value)
        transaction.on_commit(partial(cancel_children, root_id), robust=True)
        # A process that doesn't know the function can't settle its rows: whoever claims the job next does.
        if status not in JOB_HELD and job.function in jobs.names():
            _cancel_idle(job, reason=reason)
            return JobStatus.CANCELLED
        if job.cancel_requested_at is None:
            job.cancel_requested_at = timezone.now()
            job.save(update_fields=["cancel_requested_at"])
            if status is JobStatus.WAITING:
                _set_pending(job)
            append_updates(
                root_id=root_id, drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.CANCEL_REQUESTED.value)]
            )
        return JobStatus.CANCEL_REQUESTED


def cancel_children(root_id: uuid.UUID) -> int:
    """Cancel what the work of a root has started and what isn't over, and return how much that is.

    Each in a transaction of its own: whoever cancels has the lock of one job and one log at a time.
    """
    reason = _("cancelled with the work that started it")
    children = TaskRoot.objects.filter(parent_id=root_id, closed=False, job__isnull=False)
    cancelled = 0
    for child_id in list(children.values_list("pk", flat=True)):
        # It may have ended meanwhile, or have been asked to stop already.
        with suppress(IllegalTransition, TaskNotFound):
            cancel(root_id=child_id, reason=reason)
            cancelled += 1
    return cancelled


def cancel_orphans(*, limit: int = 100) -> int:
    """Cancel what was started by work that is cancelled, where that was missed; return how much that is."""
    asked = Q(parent__job__cancel_requested_at__isnull=False) | Q(parent__status=NodeStatus.CANCELLED.value)
    rows = TaskRoot.objects.filter(asked, closed=False, parent__isnull=False, job__cancel_requested_at__isnull=True)
    parents = list(rows.filter(job__isnull=False).values_list("parent_id", flat=True).distinct()[:limit])
    return sum(map(cancel_children, parents))


def _cancel_idle(job: Job, *, reason: str) -> None:
    check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.CANCELLED)
    job.cancel_requested_at = job.finished_at = timezone.now()
    job.status, job.blocked_by = JobStatus.CANCELLED.value, ""
    job.save(update_fields=["cancel_requested_at", "finished_at", "status", "blocked_by"])
    hook = jobs.get(job.function).settle_idle
    if hook is not None:
        hook(job.root_id, NodeStatus.CANCELLED, reason)
    drafts = end_open_nodes(root_id=job.root_id, status=NodeStatus.CANCELLED, reason=reason)
    closing, columns = ending(NodeStatus.CANCELLED, reason=reason)
    status = draft(UpdateType.TASK_STATUS, status=JobStatus.CANCELLED.value)
    append_updates(root_id=job.root_id, drafts=[*drafts, status, closing], columns=columns)


def _set_pending(job: Job) -> None:
    check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.PENDING)
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.PENDING.value, due_at=Now(), hinted_at=Now(), lease_until=None, worker=""
    )
    append_updates(root_id=job.root_id, drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.PENDING.value)])
    hint_after_commit(job.queue)
