"""What keeps a task from going on, decided from a few facts.

The rules, in this order; the first that holds names the stall:

| code | when |
| --- | --- |
| `not_begun` | the tree is to get a job, and for `not_begun_seconds` none has come and nothing was told |
| `worker_lost` | a worker holds the job, and its lease is over by `lease_grace_seconds` |
| `cancel_pending` | the end was asked for more than `cancel_seconds` ago, and the job hasn't ended |
| `retry` | an attempt failed, and the next one is due later |
| `held_back` | the job is due, and a rate or a concurrency key has had no room for it for `no_worker_seconds` |
| `no_worker` | the job is due, and nobody has taken it for `no_worker_seconds` |
| `silent` | a worker holds the job, and nothing was told for `silent_seconds` |

A job that waits for something outside doesn't stall, nor does one that isn't due yet.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_HELD, JOB_TERMINAL, JobStatus
from tasks.domain.updates import format_timestamp


class StallCode(StrEnum):
    """Name what keeps a task from going on."""

    NOT_BEGUN = "not_begun"
    HELD_BACK = "held_back"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    SILENT = "silent"
    RETRY = "retry"
    CANCEL_PENDING = "cancel_pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Say from when on something is taken for a stall, in seconds."""

    not_begun_seconds: float = 30.0
    no_worker_seconds: float = 10.0
    #: A lease is given up by the dispatcher at once; only where that is away, too, is this long enough to be seen.
    lease_grace_seconds: float = 3.0
    silent_seconds: float = 60.0
    cancel_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """Hold what is known of a tree's job; all of its times are the database's."""

    status: JobStatus
    due_at: datetime
    queue: str = "default"
    hinted_at: datetime | None = None
    lease_until: datetime | None = None
    cancel_requested_at: datetime | None = None
    #: Attempts begun so far, and how many there may be.
    attempt: int = 0
    attempts: int = 1
    #: What holds it back: `rate:` and a function, or `key:` and a concurrency key.
    blocked_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what is known of a tree.

    `now` is the database's time. `awaits_job` says that the tree is to get one. `told_at` is the time of its last
    update, by the clock of whoever wrote it: what is compared with it must not be a matter of few seconds.
    """

    now: datetime
    closed: bool
    awaits_job: bool = False
    job: JobFacts | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Say what keeps a task from going on.

    `since` is when that began, `until` when it ends by itself, where that is known. `details` are JSON.
    """

    code: StallCode
    since: datetime | None = None
    until: datetime | None = None
    #: How long it has lasted, in whole seconds.
    seconds: int = 0
    details: dict[str, JSON] = field(default_factory=dict)

    def facts(self) -> dict[str, JSON]:
        """Return what is known as a JSON object; what isn't is left out."""
        known: dict[str, JSON] = {}
        if self.since is not None:
            known |= {"since": format_timestamp(self.since), "seconds": self.seconds}
        if self.until is not None:
            known["until"] = format_timestamp(self.until)
        return known | self.details


def find_stall(facts: Facts, thresholds: Thresholds = Thresholds()) -> Stall | None:
    """Return what keeps a task from going on, or None where it goes on, waits, or has ended."""
    job = facts.job
    if facts.closed or (job is not None and job.status in JOB_TERMINAL):
        return None
    if job is None:
        awaited_since = facts.told_at if facts.awaits_job else None
        return _late(StallCode.NOT_BEGUN, awaited_since, thresholds.not_begun_seconds, facts)
    is_held = job.status in JOB_HELD
    held_until = job.lease_until if is_held else None
    lost = _late(StallCode.WORKER_LOST, held_until, thresholds.lease_grace_seconds, facts)
    if lost is not None:
        return lost
    if job.cancel_requested_at is not None:
        return _late(StallCode.CANCEL_PENDING, job.cancel_requested_at, thresholds.cancel_seconds, facts)
    if is_held:
        return _late(StallCode.SILENT, facts.told_at, thresholds.silent_seconds, facts)
    if job.status not in JOB_CLAIMABLE:
        return None
    if job.status is JobStatus.RETRY and job.due_at > facts.now:
        attempts: dict[str, JSON] = {"attempt": job.attempt, "attempts": job.attempts}
        return Stall(code=StallCode.RETRY, until=job.due_at, details=attempts)
    details: dict[str, JSON] = {"queue": job.queue}
    if job.blocked_by:
        # By what kind only: a key may tell what isn't for everybody who sees the task.
        held_by: dict[str, JSON] = {**details, "heldBy": job.blocked_by.partition(":")[0]}
        return _late(StallCode.HELD_BACK, job.due_at, thresholds.no_worker_seconds, facts, held_by)
    if job.hinted_at is not None:
        # Long ago: no dispatcher asks the workers any more.
        details["hintedSeconds"] = _seconds(job.hinted_at, facts)
    return _late(StallCode.NO_WORKER, job.due_at, thresholds.no_worker_seconds, facts, details)


def _late(
    code: StallCode,
    since: datetime | None,
    after_seconds: float,
    facts: Facts,
    details: dict[str, JSON] | None = None,
) -> Stall | None:
    """Return the stall where what began at `since` has lasted for longer than `after_seconds`."""
    if since is None or facts.now - since <= timedelta(seconds=after_seconds):
        return None
    return Stall(code=code, since=since, seconds=_seconds(since, facts), details=details or {})


def _seconds(moment: datetime, facts: Facts) -> int:
    return max(0, int((facts.now - moment).total_seconds()))
