"""The end of a claim: what its function said, and everything that is still to be told, in one transaction.

Each function here raises StaleFence, having written nothing, where the work was taken over.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import TypedDict

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from tasks.domain.along import Along
from tasks.domain.jsonvalue import JSON, storable
from tasks.domain.outcomes import Cancelled, Completed, Failed, Outcome, Parked, Yielded
from tasks.domain.statuses import JOB_TRANSITIONS, JobStatus, NodeStatus, check_transition
from tasks.domain.updates import Draft, Unnumbered, UpdateType, draft, format_timestamp
from tasks.errors import JobTimeout, StaleFence
from tasks.models import Attempt, Job
from tasks.registry import jobs
from tasks.services import along_sql, checkpoint_sqlite, job_sql, sql
from tasks.services.claims import Claim
from tasks.services.cursors import fixed_cursor, is_postgresql
from tasks.services.hints import hint_after_commit
from tasks.services.log import stamped
from tasks.services.recorder import Checkpoint, Recorder, nodes_of
from tasks.services.roots import ending, kept_for
from tasks.services.throttling import free_key

__all__ = ["give_back_failed", "settle"]

_Columns = dict[str, sql.Value]


def settle(claim: Claim, *, outcome: Outcome, recorder: Recorder) -> JobStatus:
    """End a claim as `outcome` says, with everything that the recorder still holds."""
    with recorder.checkpoint() as checkpoint:
        if isinstance(outcome, Completed | Cancelled) and _is_plain(claim, outcome, checkpoint):
            return _end_in_one(claim, outcome, checkpoint)
        with transaction.atomic():
            if isinstance(outcome, Parked | Yielded):
                status, drafts, columns = _interrupt(claim, outcome)
            else:
                status, drafts, columns = _end(claim, outcome)
            if claim.concurrency_key:
                free_key(claim.concurrency_key)
            if outcome.along:
                with fixed_cursor() as cursor:
                    along_sql.write(cursor, outcome.along)
            if outcome.write is not None:
                outcome.write()
            checkpoint.write(*drafts, columns=columns)
    return status


def give_back_failed(claim: Claim, *, recorder: Recorder, error: JSON, reason: str, draw: float) -> JobStatus:
    """End a failed attempt: try again when the policy says so, else keep the job as a dead letter.

    `draw` is a random number from 0 to 1, for the jitter.
    """
    status = JobStatus.RETRY if claim.has_attempts_left else claim.status_without_attempts
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        cancel_requested = _lock_held(claim)
        _note_attempt(claim, error)
        changes: dict[str, object] = {"status": status.value, "lease_until": None, "worker": ""}
        changes["error"] = storable(error)
        columns: _Columns = {}
        if status is JobStatus.RETRY:
            seconds = 0.0 if cancel_requested else claim.retry.delay_after(claim.attempt, draw=draw)
            delay = timedelta(seconds=seconds)
            changes |= {"due_at": Now() + delay, "hinted_at": None}
            until = {"code": "retry_at", "until": format_timestamp(timezone.now() + delay), "reason": reason}
            drafts = [draft(UpdateType.TASK_STATUS, status=status.value, attempt=claim.attempt, waiting_for=until)]
        else:
            changes["finished_at"] = timezone.now()
            kept = kept_for(dead_letter=status is JobStatus.DEAD_LETTER)
            closing, columns = ending(NodeStatus.FAILED, reason=reason, kept=kept)
            drafts = [draft(UpdateType.TASK_STATUS, status=status.value), closing]
            if (hook := jobs.get(claim.function).settle_idle) is not None:
                hook(claim.root_id, NodeStatus.FAILED, reason)
        check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
        Job.objects.filter(pk=claim.root_id).update(**changes)
        if claim.concurrency_key:
            free_key(claim.concurrency_key)
        checkpoint.write(*drafts, columns=columns)
    return status


def _is_plain(claim: Claim, outcome: Completed | Cancelled, checkpoint: Checkpoint) -> bool:
    """Tell whether what is to be written is known beforehand, and little: then it is written whole."""
    is_more = outcome.write is not None or bool(claim.concurrency_key) or not along_sql.are_few(outcome.along)
    return not is_more and checkpoint.can_be_whole


def _end_in_one(claim: Claim, outcome: Completed | Cancelled, checkpoint: Checkpoint) -> JobStatus:
    status = _OUTCOMES[type(outcome)]
    closing, columns = _closing(outcome)
    batch = checkpoint.batch
    updates = stamped([*batch.drafts, draft(UpdateType.TASK_STATUS, status=status.value), closing])
    whole: _Whole = {
        "root_id": claim.root_id,
        "fence": claim.fence,
        "updates": updates,
        "columns": {**batch.root_columns, **columns},
        "attempt": claim.mark,
        "along": [*nodes_of(batch), *outcome.along],
    }
    if is_postgresql():
        with fixed_cursor() as cursor:
            last = job_sql.settle_whole(cursor, status=status, **whole)
    else:
        settling = job_sql.settling(root_id=claim.root_id, fence=claim.fence, status=status)
        last = checkpoint_sqlite.write_whole(checkpoint.database, first=settling, **whole)
    checkpoint.note_written(last, updates)
    return status


class _Whole(TypedDict):
    root_id: uuid.UUID
    fence: int
    updates: Sequence[Unnumbered]
    columns: _Columns
    attempt: int
    along: Sequence[Along]


def _end(claim: Claim, outcome: Completed | Failed | Cancelled) -> tuple[JobStatus, list[Draft], _Columns]:
    """End the job, in one statement: most jobs end well, and at once."""
    status = _OUTCOMES[type(outcome)]
    error = sql.json_value(outcome.error) if isinstance(outcome, Failed) else None
    with fixed_cursor() as cursor:
        if not job_sql.settle_held(cursor, root_id=claim.root_id, fence=claim.fence, status=status, error=error):
            raise _taken_over(claim)
    if isinstance(outcome, Failed):
        _note_attempt(claim, outcome.error)
    closing, columns = _closing(outcome)
    return status, [draft(UpdateType.TASK_STATUS, status=status.value), closing], columns


def _interrupt(claim: Claim, outcome: Parked | Yielded) -> tuple[JobStatus, list[Draft], _Columns]:
    """Give the worker back; the job goes on later."""
    cancel_requested = _lock_held(claim)
    # Nobody wakes a job for a cancellation that was asked for while it was held: the next claim ends it.
    if cancel_requested or _is_woken(outcome):
        outcome = Yielded(write=outcome.write)
    status = _OUTCOMES[type(outcome)]
    check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
    # The claim came to a good end, so the job is no poison, however often its workers died before, and what failed
    # before it got on counts no more: work that goes on for months meets many an outage.
    changes: dict[str, object] = {"status": status.value, "lease_until": None, "worker": "", "losses": 0, "attempt": 1}
    columns: _Columns = {}
    waiting_for = outcome.waiting_for
    if isinstance(outcome, Parked):
        columns["status"] = NodeStatus.WAITING.value
        changes["wake_at"] = outcome.until
    else:
        # A later one is hinted by the dispatcher when it is due.
        changes |= {"due_at": outcome.due_at or Now(), "hinted_at": None if outcome.due_at else Now()}
        if outcome.due_at is None:
            hint_after_commit(claim.queue)
    Job.objects.filter(pk=claim.root_id).update(**changes)
    return status, [draft(UpdateType.TASK_STATUS, status=status.value, waiting_for=waiting_for)], columns


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


def _lock_held(claim: Claim) -> bool:
    """Lock the job if this claim still holds it, and tell whether its cancellation was asked for.

    The job is the first lock; the head's fence is checked last.
    """
    rows = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
    held = rows.select_for_update().values_list("cancel_requested_at").first()
    if held is None:
        raise _taken_over(claim)
    return held[0] is not None


def _taken_over(claim: Claim) -> StaleFence:
    return StaleFence("Another worker has taken this job over; nothing was written.", task_id=str(claim.root_id))


def _note_attempt(claim: Claim, error: JSON) -> None:
    is_late = isinstance(error, dict) and error.get("code") == JobTimeout.code
    Attempt.objects.create(
        job_id=claim.root_id,
        number=claim.attempt,
        outcome=Attempt.Outcome.TIMED_OUT if is_late else Attempt.Outcome.FAILED,
        worker=claim.worker,
        started_at=claim.began_at,
        ended_at=timezone.now(),
        error=storable(error),
    )
