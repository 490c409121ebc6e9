"""How a claim of a job can end, as its function says it.

An exception means: try again if the retry policy allows. Everything else is one of these. What the function must store
together with the new status is `along`, and what `write`, where given, writes behind it, inside that transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.domain.along import Along
from tasks.domain.jsonvalue import JSON

Write = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """End the job: its work is done."""

    result: JSON = None
    along: Sequence[Along] = ()
    write: Write | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """End the job: trying again can't mend it. `reason` is for people, `error` is a JSON object for programs."""

    reason: str
    error: JSON = None
    along: Sequence[Along] = ()
    write: Write | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """End the job: its cancellation was asked for, and it has stopped."""

    reason: str = ""
    along: Sequence[Along] = ()
    write: Write | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Give the worker back until somebody wakes the job, or until `until`; `waiting_for` says what it waits for.

    `is_woken` is asked once the job's row is locked: whoever wakes it locks the row first, so that a message which came
    while the function was about to park isn't missed. If it says yes, the job goes on with the next claim.
    """

    waiting_for: JSON = None
    until: datetime | None = None
    along: Sequence[Along] = ()
    write: Write | None = None
    is_woken: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielded:
    """Give the worker back at a checkpoint, to go on with the next claim, at once or from `due_at` on.

    No attempt is consumed. `waiting_for` says why it doesn't go on at once.
    """

    due_at: datetime | None = None
    waiting_for: JSON = None
    along: Sequence[Along] = ()
    write: Write | None = None


Outcome = Completed | Failed | Cancelled | Parked | Yielded
