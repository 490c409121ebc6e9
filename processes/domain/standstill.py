"""Decide why a run doesn't move, as a code with facts.

The rules, in this order; the first that holds names the reason:

| code | when | facts |
| --- | --- | --- |
| `worker_lost` `silent` `cancel_pending` `no_worker` | its task stalls (tasks.domain.stalls) | those of the stall |
| `paused` | somebody has paused it | by, since |
| `pausing` | it is to stand still, and hasn't heard it | by, since |
| `timer` | it waits for a moment | until, action |
| `callback` | it waits for reports | callbacks, actions, until |
| `form` | it waits for an answer to a form | title, until, action |
| `children` | its child runs are at work | total, until, action |
| `await` | it waits for the end of a callback | callback, until, action |
| another one | it waits for something else, and its script says for what | the script's, until, action |
| `retry` | an action is tried again later, or the whole job is | until, attempt, attempts, action, error |
| `due` | it is to begin later | until |
| `key` | others of its concurrency key are at work | key, held_by (their tasks) |
| `rate` | its function may not begin more often | function |
| `queued` | it is due, and no worker has got to it | queue, ahead (how many are due before it) |

A run that a worker is at moves, and one that has ended needs no reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from processes.domain.json_values import JSON
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_TERMINAL, JobStatus

__all__ = ["QUEUED", "RETRY", "JobStand", "Reason", "find_reason"]

#: It is due, and no worker has got to it.
QUEUED: Final = "queued"
#: The job's retry, and that of an action: what people see is the same.
RETRY: Final = "retry"
#: Of one that is held back the cause is known better than the stall is.
_HELD_BACK: Final = frozenset({"held_back", RETRY})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStand:
    """Hold what is known of a run's job; times are the database's."""

    now: datetime
    status: JobStatus
    due_at: datetime
    queue: str
    #: What holds it back: `rate:` and a function, or `key:` and a concurrency key.
    blocked_by: str = ""
    attempt: int = 0
    attempts: int = 1
    #: How many jobs of its queue are due before it.
    ahead: int = 0
    #: The tasks that hold its concurrency key.
    held_by: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Say why a run doesn't move."""

    code: str
    facts: Mapping[str, JSON] = field(default_factory=dict)


def find_reason(
    *,
    job: JobStand,
    waiting_for: Mapping[str, Any] | None,
    action: str | None = None,
    pausing: Mapping[str, JSON] | None = None,
    stall: Reason | None = None,
) -> Reason | None:
    """Return why a run doesn't move; None for one that moves, or has ended.

    `waiting_for` is what the run itself says, `action` the action that it is at, `pausing` a pause that it hasn't heard
    of, `stall` what keeps its task.
    """
    if job.status in JOB_TERMINAL:
        return None
    if stall is not None and stall.code not in _HELD_BACK:
        return stall
    said = {} if waiting_for is None else dict(waiting_for)
    code = str(said.pop("code", "waiting"))
    where: dict[str, JSON] = {} if action is None else {"action": action}
    if job.status is JobStatus.WAITING:
        if code != "paused" and pausing is not None:
            return Reason(code="pausing", facts=pausing)
        return Reason(code=code, facts=said if code == "paused" else where | said)
    if job.status not in JOB_CLAIMABLE:
        return None if pausing is None else Reason(code="pausing", facts=pausing)
    if job.due_at > job.now:
        if job.status is JobStatus.RETRY:
            code, said = RETRY, {"attempt": job.attempt, "attempts": job.attempts}
        elif waiting_for is None:
            code = "due"
        return Reason(code=code, facts={**where, **said, "until": job.due_at.isoformat()})
    kind, _, name = job.blocked_by.partition(":")
    if kind == "key":
        return Reason(code="key", facts={"key": name, "held_by": list(job.held_by)})
    if kind == "rate":
        return Reason(code="rate", facts={"function": name})
    return Reason(code=QUEUED, facts={"queue": job.queue, "ahead": job.ahead})
