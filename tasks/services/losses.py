"""Taking jobs away from workers that have died."""

import logging

from django.db import OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.statuses import JOB_HELD, JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import UpdateType, draft
from tasks.models import Attempt, Job
from tasks.registry import jobs
from tasks.services import sql
from tasks.services.claims import Claim
from tasks.services.hints import hint_after_commit
from tasks.services.log import append_updates
from tasks.services.roots import end_open_nodes, ending, kept_for
from tasks.services.throttling import free_key

__all__ = ["hand_back", "release_expired"]

logger = logging.getLogger(__name__)


def release_expired(*, limit: int = 50, poison_limit: int = 5) -> int:
    """Take jobs whose lease has run out away from their dead workers, and return how many.

    They go on from their last checkpoint. The attempt is not consumed, but a job whose workers keep dying is a poison:
    after `poison_limit` losses in a row it becomes a dead letter.
    """
    with transaction.atomic():
        rows = Job.objects.filter(sql.job_status_in(JOB_HELD), lease_until__lt=Now())
        expired = list(
            rows.order_by("lease_until")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("root")[:limit]
        )
        return sum(_release(job, poison_limit=poison_limit) for job in expired)


def _release(job: Job, *, poison_limit: int) -> bool:
    """Take one job away; whatever goes wrong with it leaves the others alone."""
    try:
        with transaction.atomic():
            _lost_attempt(job).save()
            if job.losses + 1 >= poison_limit and _were_all_lost(job, poison_limit):
                _bury(job)
            else:
                _hand_on(job)
    except OperationalError:
        raise
    except Exception:
        logger.exception("The job %s of a dead worker could not be released.", job.root_id)
        return False
    return True


def _were_all_lost(job: Job, count: int) -> bool:
    """Tell whether the last `count` attempts ended with their workers: one that a worker survived begins a new row."""
    outcomes = Attempt.objects.filter(job=job).order_by("-pk").values_list("outcome", flat=True)[:count]
    return all(outcome == Attempt.Outcome.LOST for outcome in outcomes)


def _lost_attempt(job: Job) -> Attempt:
    return Attempt(
        job=job,
        number=job.attempt,
        outcome=Attempt.Outcome.LOST,
        worker=job.worker,
        started_at=job.claimed_at,
        ended_at=timezone.now(),
        error={"code": "worker_lost", "message": _("Its worker died, or fell silent.")},
    )


def hand_back(claim: Claim) -> bool:
    """Hand a job on whose worker process was told to end while it worked, and tell whether this claim still held it.

    That is neither an attempt nor a loss: however often a site is rolled out anew, the job is no poison.
    What can't be written, because the database is away, the end of the lease does.
    """
    try:
        with transaction.atomic():
            rows = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
            job = rows.select_for_update().first()
            if job is None:
                return False
            _hand_on(job, losses=0)
            if job.concurrency_key:
                free_key(job.concurrency_key)
    except Exception:
        logger.exception("The job %s could not be handed on by its worker.", claim.root_id)
        return False
    return True


def _hand_on(job: Job, *, losses: int = 1) -> None:
    check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.PENDING)
    # The fence rises now, not with the next claim: a worker that was only slow must not go on writing meanwhile.
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.PENDING.value,
        fence=F("fence") + 1,
        losses=F("losses") + losses,
        lease_until=None,
        worker="",
        due_at=Now(),
        hinted_at=Now(),
    )
    waiting_for = {"code": "worker_lost", "worker": job.worker}
    append_updates(
        root_id=job.root_id,
        drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.PENDING.value, waiting_for=waiting_for)],
        columns={"fence": job.fence + 1},
    )
    hint_after_commit(job.queue)


def _bury(job: Job) -> None:
    check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.DEAD_LETTER)
    reason = _("Its workers died %(count)d times; it was set aside.") % {"count": job.losses + 1}
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.DEAD_LETTER.value,
        fence=F("fence") + 1,
        losses=F("losses") + 1,
        lease_until=None,
        worker="",
        finished_at=timezone.now(),
        error={"code": "workers_lost", "message": reason},
    )
    if job.function in jobs.names() and (hook := jobs.get(job.function).settle_idle) is not None:
        hook(job.root_id, NodeStatus.FAILED, reason)
    drafts = end_open_nodes(root_id=job.root_id, status=NodeStatus.FAILED, reason=reason)
    closing, columns = ending(NodeStatus.FAILED, reason=reason, kept=kept_for(dead_letter=True))
    status = draft(UpdateType.TASK_STATUS, status=JobStatus.DEAD_LETTER.value)
    append_updates(root_id=job.root_id, drafts=[*drafts, status, closing], columns={**columns, "fence": job.fence + 1})
