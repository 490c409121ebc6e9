"""The statuses of jobs and nodes, and the only ways in which they may change.

Both state machines are tables: a status maps to the statuses that may follow it. An empty set marks a terminal status,
which is final: the first one wins.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from tasks.errors import IllegalTransition


class JobStatus(StrEnum):
    """Name what a job is doing.

    `cancel_requested` is shown for a live job whose cancellation has been asked for; it is derived from the stored time
    of the request, so that a takeover doesn't forget it, and is never stored itself.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    RUNNING = "running"
    WAITING = "waiting"
    RETRY = "retry"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD_LETTER = "dead_letter"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"


class NodeStatus(StrEnum):
    """Name what a node of a task tree, or a step of a run, is doing."""

    CREATED = "created"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    COMPENSATED = "compensated"


_J = JobStatus
_N = NodeStatus

#: from -> to. `pending` again: a claim that ended at an action boundary (yielded), or whose worker died.
JOB_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    _J.PENDING: frozenset({_J.CLAIMED, _J.CANCELLED, _J.DEAD_LETTER}),
    _J.CLAIMED: frozenset({_J.RUNNING, _J.PENDING, _J.CANCELLED, _J.DEAD_LETTER, _J.FAILED}),
    _J.RUNNING: frozenset(
        {_J.PENDING, _J.WAITING, _J.RETRY, _J.COMPLETED, _J.FAILED, _J.DEAD_LETTER, _J.CANCELLED},
    ),
    _J.WAITING: frozenset({_J.PENDING, _J.CANCELLED}),
    _J.RETRY: frozenset({_J.CLAIMED, _J.CANCELLED, _J.DEAD_LETTER}),
    _J.COMPLETED: frozenset(),
    _J.FAILED: frozenset(),
    _J.DEAD_LETTER: frozenset(),
    _J.CANCELLED: frozenset(),
}

#: from -> to. `running` again: the action of a step runs once more after its worker died.
NODE_TRANSITIONS: Mapping[NodeStatus, frozenset[NodeStatus]] = {
    _N.CREATED: frozenset({_N.RUNNING, _N.SKIPPED, _N.CANCELLED, _N.FAILED}),
    _N.RUNNING: frozenset({_N.RUNNING, _N.WAITING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.WAITING: frozenset({_N.RUNNING, _N.COMPLETED, _N.FAILED, _N.CANCELLED}),
    _N.COMPLETED: frozenset({_N.COMPENSATED}),
    _N.FAILED: frozenset(),
    _N.CANCELLED: frozenset(),
    _N.SKIPPED: frozenset(),
    _N.COMPENSATED: frozenset(),
}

JOB_TERMINAL = frozenset(status for status, following in JOB_TRANSITIONS.items() if not following)
#: A completed step may still be compensated, but nothing else can happen to it.
NODE_TERMINAL = frozenset({_N.COMPLETED, _N.FAILED, _N.CANCELLED, _N.SKIPPED, _N.COMPENSATED})
#: Statuses in which a worker holds the job's lease.
JOB_HELD = frozenset({_J.CLAIMED, _J.RUNNING})
#: Statuses in which the job may be claimed once it is due.
JOB_CLAIMABLE = frozenset({_J.PENDING, _J.RETRY})

S = TypeVar("S", JobStatus, NodeStatus)


def check_transition(table: Mapping[S, frozenset[S]], *, current: S, new: S) -> None:
    """Raise IllegalTransition unless `table` lets `current` become `new`."""
    if new not in table.get(current, frozenset()):
        raise IllegalTransition(
            f"{type(new).__name__} can't go from {current.value} to {new.value}.", current=current.value, new=new.value
        )


def shown_job_status(status: JobStatus, *, cancel_requested: bool) -> JobStatus:
    """Return the status that clients see: a live job whose cancellation was asked for is `cancel_requested`."""
    if cancel_requested and status not in JOB_TERMINAL:
        return JobStatus.CANCEL_REQUESTED
    return status
