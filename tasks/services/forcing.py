"""Ending a claim in the place of work that doesn't stop, whatever is done to it."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import Draft, UpdateType, draft
from tasks.errors import JobTimeout, TaskCancelled
from tasks.models import Attempt, Job
from tasks.registry import jobs
from tasks.services import dead_man, sql
from tasks.services.claims import Claim
from tasks.services.hold import Hold, StopReason
from tasks.services.log import append_updates
from tasks.services.roots import end_open_nodes, ending, kept_for
from tasks.services.throttling import free_key

__all__ = ["end_stuck"]

logger = logging.getLogger(__name__)


def end_stuck(claim: Claim, hold: Hold) -> bool:
    """Settle a claim whose work was interrupted in vain, and end the process where that is allowed.

    The fence rises, so that the work stores nothing any more, should it go on; called from the heart's thread. Returns
    whether that is done; where it isn't, and the process may not be ended, it is tried again.
    """
    logger.error("Task %s doesn't stop (%s); it is ended from outside.", claim.root_id, claim.function)
    reason = hold.stop_reason
    # Where only a part of the work takes too long, somebody else goes on with the rest once the lease is over.
    ended = reason in (StopReason.LOST, StopReason.OVERDUE)
    try:
        if reason is StopReason.CANCELLED:
            told = _("%(reason)s; it didn't stop by itself") % {"reason": hold.cancel_reason or _("cancelled")}
            ended = _end(claim, JobStatus.CANCELLED, reason=told, error=TaskCancelled.code)
        elif reason is StopReason.TIMED_OUT:
            status = JobStatus.RETRY if claim.has_attempts_left else claim.status_without_attempts
            told = _("It took longer than it may, and didn't stop.")
            ended = _end(claim, status, reason=told, error=JobTimeout.code)
    except Exception:
        # It may be the work itself that holds the lock. Its process's end lets go of that, and the lease does the rest.
        logger.exception("Task %s couldn't be settled from outside.", claim.root_id)
    if hold.interruption is not None:
        # The claims of other threads of this process, if there are any, are taken over as after any death of a worker.
        dead_man.end_process()
    hold.lost = hold.lost or ended
    return ended


def _end(claim: Claim, status: JobStatus, *, reason: str, error: str) -> bool:
    """Settle the claim; False where it has been settled meanwhile."""
    told: JSON = {"code": error, "message": reason}
    node_status = NodeStatus.CANCELLED if status is JobStatus.CANCELLED else NodeStatus.FAILED
    with transaction.atomic():
        rows = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
        job = rows.select_for_update().first()
        if job is None:
            return False
        check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
        changes: dict[str, object] = {"status": status.value, "lease_until": None, "worker": "", "error": told}
        columns: dict[str, sql.Value] = {"fence": claim.fence + 1}
        drafts: list[Draft] = [draft(UpdateType.TASK_STATUS, status=status.value)]
        if status is JobStatus.RETRY:
            changes |= {"due_at": Now() + timedelta(seconds=claim.retry.delay_after(claim.attempt)), "hinted_at": None}
        else:
            changes["finished_at"] = timezone.now()
            kept = kept_for(dead_letter=status is JobStatus.DEAD_LETTER)
            closing, closing_columns = ending(node_status, reason=reason, kept=kept)
            columns |= closing_columns
            drafts = [*end_open_nodes(root_id=claim.root_id, status=node_status, reason=reason), *drafts, closing]
            if (hook := jobs.get(claim.function).settle_idle) is not None:
                hook(claim.root_id, node_status, reason)
        if status is not JobStatus.CANCELLED:
            Attempt.objects.create(
                job=job,
                number=claim.attempt,
                outcome=Attempt.Outcome.TIMED_OUT,
                worker=claim.worker,
                started_at=job.claimed_at,
                ended_at=timezone.now(),
                error=told,
            )
        rows.update(**changes, fence=F("fence") + 1)
        if claim.concurrency_key:
            free_key(claim.concurrency_key)
        append_updates(root_id=claim.root_id, drafts=drafts, columns=columns, attempt=claim.mark)
    return True
