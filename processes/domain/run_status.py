"""The statuses of a background run, and the only ways in which they may change."""

from collections.abc import Mapping
from enum import StrEnum


class RunStatus(StrEnum):
    """Name what a background run is doing."""

    CREATED = "created"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    FAILED = "failed"
    CANCELLED = "cancelled"


_R = RunStatus

#: from -> to; an empty set marks a terminal status. `running` again: a successor goes on after its worker died.
#: `compensating` at once: an execution that goes on with what another one couldn't undo.
RUN_TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    _R.CREATED: frozenset({_R.RUNNING, _R.COMPENSATING, _R.CANCELLED, _R.FAILED}),
    _R.RUNNING: frozenset({_R.RUNNING, _R.WAITING, _R.COMPLETED, _R.COMPENSATING, _R.FAILED, _R.CANCELLED}),
    _R.WAITING: frozenset({_R.RUNNING, _R.CANCELLED, _R.COMPENSATING}),
    _R.COMPENSATING: frozenset({_R.COMPENSATING, _R.COMPENSATED, _R.FAILED}),
    _R.COMPLETED: frozenset(),
    _R.COMPENSATED: frozenset(),
    _R.FAILED: frozenset(),
    _R.CANCELLED: frozenset(),
}

RUN_TERMINAL = frozenset(status for status, following in RUN_TRANSITIONS.items() if not following)
