"""A worker's hold on a job: claiming it, keeping it, and letting it go.

A claim raises the fence of the job and of its root. Whatever the worker writes later compares the fence: once another
claim has raised it, nothing of the old one is stored.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from tasks.domain.jsonvalue import JSON, JSONObject, storable
from tasks.domain.outcomes import Cancelled, Completed, Failed, Outcome, Parked, Yielded
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JOB_HELD, JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import Draft, UpdateType, draft, format_timestamp
from tasks.errors import StaleFence
from tasks.models import Job
from tasks.registry import jobs
from tasks.services import sql
from tasks.services.hints import hint_after_commit
from tasks.services.log import append_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import end_open_nodes, ending

#: How long a claim holds without a heartbeat; the setting STEPLINE_LEASE_SECONDS overrides it.
LEASE_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold what a worker knows of the job it holds."""

    root_id: uuid.UUID
    title: str
    function: str
    arguments: JSONObject
    queue: str
    #: Attempts begun, this one included.
    attempt: int
    #: Attempts and lost claims together, as the tree numbers them.
    mark: int
    retry: RetryPolicy
    fence: int
    #: An earlier claim has written to this tree.
    continues: bool
    cancel_requested: bool

    @property
    def has_attempts_left(self) -> bool:
        """Tell whether the job is tried again if this attempt fails."""
        return self.attempt < self.retry.attempts


def lease_seconds() -> float:
    """Return how long a claim holds without a heartbeat."""
    return float(getattr(settings, "STEPLINE_LEASE_SECONDS", LEASE_SECONDS))


def lease_end() -> object:
    """Return the expression for the end of a lease that begins now, by the database's clock."""
    return Now() + timedelta(seconds=lease_seconds())


def claim(*, queue: str, worker: str) -> Claim | None:
    """Claim the best due job of `queue` that this process can work on; None where there is none.

    Priority first, then the time it was due. Workers that claim at the same time skip each other's rows.
    """
    with transaction.atomic():
        rows = Job.objects.filter(sql.job_claimable(), queue=queue, due_at__lte=Now(), function__in=jobs.names())
        job = (
            rows.order_by("-priority", "due_at")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("root")
            .first()
        )
        if job is None:
            return None
        check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.CLAIMED)
        check_transition(JOB_TRANSITIONS, current=JobStatus.CLAIMED, new=JobStatus.RUNNING)
        continues = job.attempt > 0
        # Going on after a wait, a yield or a worker's death is not a new attempt.
        attempt = job.attempt + 1 if job.status == JobStatus.RETRY or not continues else job.attempt
        fence = job.fence + 1
        now = timezone.now()
        Job.objects.filter(pk=job.pk).update(
            status=JobStatus.RUNNING.value,
            attempt=attempt,
            fence=fence,
            worker=worker,
            lease_until=lease_end(),
            started_at=job.started_at or now,
        )
        mark = attempt + job.losses
        # A claim is made by the process that works on it, so both statuses are told at once.
        drafts = [
            draft(UpdateType.TASK_STATUS, status=status.value, attempt=mark if mark > 1 else None)
            for status in (JobStatus.CLAIMED, JobStatus.RUNNING)
        ]
        columns: dict[str, sql.Value] = {"fence": fence, "status": NodeStatus.RUNNING.value}
        if job.started_at is None:
            columns["started_at"] = sql.time_value(now)
        append_updates(root_id=job.root_id, drafts=drafts, columns=columns, attempt=mark)
        title = job.root.title
    return Claim(
        root_id=job.root_id,
        title=title,
        function=job.function,
        arguments=job.arguments,
        queue=job.queue,
        attempt=attempt,
        mark=mark,
        retry=RetryPolicy.from_json(job.retry),
        fence=fence,
        continues=continues,
        cancel_requested=job.cancel_requested_at is not None,
    )


@dataclass(frozen=True, slots=True)
class Beat:
    """Say what a heartbeat learnt."""

    held: bool
    cancel_requested: bool


def heartbeat(*, root_id: uuid.UUID, fence: int) -> Beat:
    """Prolong a claim, and learn whether it still holds and whether the job is to be cancelled."""
    held = Job.objects.filter(pk=root_id, fence=fence, status=JobStatus.RUNNING.value).update(lease_until=lease_end())
    if not held:
        return Beat(held=False, cancel_requested=False)
    asked = Job.objects.filter(pk=root_id).values_list("cancel_requested_at", flat=True).first()
    return Beat(held=True, cancel_requested=asked is not None)


def settle(claim: Claim, *, outcome: Outcome, recorder: Recorder) -> JobStatus:
    """End a claim as `outcome` says, with everything that the recorder still holds, in one transaction.

    Raises StaleFence, having written nothing, where the work was taken over.
    """
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        cancel_requested = _lock_held(claim)
        # Nobody wakes a job for a cancellation that was asked for while it was held: the next claim ends it.
        if isinstance(outcome, Parked | Yielded) and (cancel_requested or _is_woken(outcome)):
            outcome = Yielded(write=outcome.write)
        status = _OUTCOMES[type(outcome)]
        check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
        changes: dict[str, object] = {"status": status.value, "lease_until": None, "worker": ""}
        columns: dict[str, sql.Value] = {}
        waiting_for = outcome.waiting_for if isinstance(outcome, Parked) else None
        drafts = [draft(UpdateType.TASK_STATUS, status=status.value, waiting_for=waiting_for)]
        if isinstance(outcome, Parked):
            columns["status"] = NodeStatus.WAITING.value
            changes["losses"] = 0
        elif isinstance(outcome, Yielded):
            # The claim came to a good end, so the job is no poison, however often its workers died before.
            changes["losses"] = 0
            # A later one is hinted by the dispatcher when it is due.
            changes |= {"due_at": outcome.due_at or Now(), "hinted_at": None if outcome.due_at else Now()}
            if outcome.due_at is None:
                hint_after_commit(claim.queue)
        else:
            changes |= {"finished_at": timezone.now(), "error": _error_of(outcome)}
            closing, columns = _closing(outcome)
            drafts.append(closing)
        Job.objects.filter(pk=claim.root_id).update(**changes)
        if outcome.write is not None:
            outcome.write()
        checkpoint.write(*drafts, columns=columns)
    return status


def give_back_failed(claim: Claim, *, recorder: Recorder, error: JSON, reason: str, draw: float) -> JobStatus:
    """End a failed attempt: try again when the policy says so, else keep the job as a dead letter.

    `draw` is a random number from 0 to 1, for the jitter. Raises StaleFence where the work was taken over.
    """
    if claim.has_attempts_left:
        status = JobStatus.RETRY
    else:
        # With one attempt there was nothing to exhaust: it just failed.
        status = JobStatus.DEAD_LETTER if claim.retry.attempts > 1 else JobStatus.FAILED
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        cancel_requested = _lock_held(claim)
        changes: dict[str, object] = {"status": status.value, "lease_until": None, "worker": ""}
        changes["error"] = storable(error)
        columns: dict[str, sql.Value] = {}
        if status is JobStatus.RETRY:
            seconds = 0.0 if cancel_requested else claim.retry.delay_after(claim.attempt, draw=draw)
            delay = timedelta(seconds=seconds)
            changes |= {"due_at": Now() + delay, "hinted_at": None}
            until = {"code": "retry_at", "until": format_timestamp(timezone.now() + delay), "reason": reason}
            drafts = [draft(UpdateType.TASK_STATUS, status=status.value, attempt=claim.attempt, waiting_for=until)]
        else:
            changes["finished_at"] = timezone.now()
            closing, columns = ending(NodeStatus.FAILED, reason=reason)
            drafts = [draft(UpdateType.TASK_STATUS, status=status.value), closing]
        if status is not JobStatus.RETRY and (hook := jobs.get(claim.function).settle_idle) is not None:
            hook(claim.root_id, NodeStatus.FAILED, reason)
        check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
        Job.objects.filter(pk=claim.root_id).update(**changes)
        checkpoint.write(*drafts, columns=columns)
    return status


_OUTCOMES: dict[type[Outcome], JobStatus] = {
    Completed: JobStatus.COMPLETED,
    Failed: JobStatus.FAILED,
    Cancelled: JobStatus.CANCELLED,
    Parked: JobStatus.WAITING,
    Yielded: JobStatus.PENDING,
}


def _closing(outcome: Completed | Failed | Cancelled) -> tuple[Draft, dict[str, sql.Value]]:
    if isinstance(outcome, Completed):
        return ending(NodeStatus.COMPLETED, result=outcome.result)
    status = NodeStatus.FAILED if isinstance(outcome, Failed) else NodeStatus.CANCELLED
    return ending(status, reason=outcome.reason)


def _is_woken(outcome: Parked | Yielded) -> bool:
    return isinstance(outcome, Parked) and outcome.is_woken is not None and outcome.is_woken()


def _error_of(outcome: Completed | Failed | Cancelled) -> JSON:
    return storable(outcome.error) if isinstance(outcome, Failed) else None


def _lock_held(claim: Claim) -> bool:
    """Lock the job if this claim still holds it, and tell whether its cancellation was asked for.

    The job is the first lock; the head's fence is checked last.
    """
    rows = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
    held = rows.select_for_update().values_list("cancel_requested_at").first()
    if held is None:
        raise StaleFence("Another worker has taken this job over; nothing was written.", task_id=str(claim.root_id))
    return held[0] is not None


def release_expired(*, limit: int = 50, poison_limit: int = 5) -> int:
    """Take jobs whose lease has run out away from their dead workers, and return how many.

    They go on from their last checkpoint. The attempt is not consumed, but a job whose workers keep dying is a poison:
    after `poison_limit` losses it becomes a dead letter.
    """
    with transaction.atomic():
        rows = Job.objects.filter(sql.job_status_in(JOB_HELD), lease_until__lt=Now())
        expired = list(
            rows.order_by("lease_until")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("root")[:limit]
        )
        for job in expired:
            if job.losses + 1 >= poison_limit:
                _bury(job)
            else:
                _hand_on(job)
    return len(expired)


def _hand_on(job: Job) -> None:
    check_transition(JOB_TRANSITIONS, current=JobStatus(job.status), new=JobStatus.PENDING)
    # The fence rises now, not with the next claim: a worker that was only slow must not go on writing meanwhile.
    Job.objects.filter(pk=job.pk).update(
        status=JobStatus.PENDING.value,
        fence=F("fence") + 1,
        losses=F("losses") + 1,
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
    reason = f"Its workers died {job.losses + 1} times; it was set aside."
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
    closing, columns = ending(NodeStatus.FAILED, reason=reason)
    status = draft(UpdateType.TASK_STATUS, status=JobStatus.DEAD_LETTER.value)
    append_updates(root_id=job.root_id, drafts=[*drafts, status, closing], columns={**columns, "fence": job.fence + 1})
