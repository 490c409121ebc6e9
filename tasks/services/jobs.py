"""Waking and cancelling jobs: what anybody but the worker does to one that is there."""

import uuid

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.statuses import JOB_HELD, JOB_TERMINAL, JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import UpdateType, draft
from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import Job
from tasks.registry import jobs
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


def wake_due(*, limit: int = 500) -> int:
    """Make waiting jobs claimable whose time has come, by the database's clock; return how many."""
    with transaction.atomic():
        due = Job.objects.filter(status=JobStatus.WAITING.value, wake_at__lte=Now())
        jobs_due = list(due.order_by("wake_at").select_for_update(skip_locked=True)[:limit])
        _set_pending(*jobs_due)
    return len(jobs_due)


def cancel_job(*, root_id: uuid.UUID, reason: str) -> JobStatus:
    """Cancel a job that nobody holds, or ask its holder to stop; returns the status that clients see.

    Nothing but the job: what it has started is for `tasks.services.cancelling`. Raises TaskNotFound where there is no
    such job, IllegalTransition where it has ended. Asking twice is the same as asking once.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(root_id=root_id).first()
        if job is None:
            raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
        status = JobStatus(job.status)
        if status in JOB_TERMINAL:
            raise IllegalTransition(_("This task has ended already."), status=status.value)
        if undoes(job):
            # It was asked already, and does what follows from that.
            return JobStatus.CANCEL_REQUESTED
        # A process that doesn't know the function can't settle its rows: whoever claims the job next does. So it is
        # with work that has something left to do before it ends.
        if status not in JOB_HELD and job.function in jobs.names() and not _ends_itself(job):
            _cancel_idle(job, reason=reason)
            return JobStatus.CANCELLED
        if job.cancel_requested_at is None:
            job.cancel_requested_at = timezone.now()
            job.save(update_fields=["cancel_requested_at"])
            if status is JobStatus.WAITING:
                _set_pending(job)
            elif status not in JOB_HELD:
                # It may be put off, for long: what it does about its end is due now.
                Job.objects.filter(pk=root_id, due_at__gt=Now()).update(due_at=Now(), hinted_at=Now())
                hint_after_commit(job.queue)
            append_updates(
                root_id=root_id,
                drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.CANCEL_REQUESTED.value)],
                columns={"cancel_reason": reason},
            )
        return JobStatus.CANCEL_REQUESTED


def undoes(job: Job) -> bool:
    """Tell whether a job undoes what it has done, which goes on whoever asks for its end; ask with its row locked."""
    hook = jobs.get(job.function).undoes if job.function in jobs.names() else None
    return hook is not None and hook(job.root_id)


def _ends_itself(job: Job) -> bool:
    hook = jobs.get(job.function).ends_itself
    return hook is not None and hook(job.root_id)


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


def _set_pending(*waiting: Job) -> None:
    for job in waiting:
        check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.PENDING)
    Job.objects.filter(pk__in=[job.pk for job in waiting]).update(
        status=JobStatus.PENDING.value, due_at=Now(), hinted_at=Now(), wake_at=None, lease_until=None, worker=""
    )
    for job in waiting:
        append_updates(root_id=job.root_id, drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.PENDING.value)])
        hint_after_commit(job.queue)
