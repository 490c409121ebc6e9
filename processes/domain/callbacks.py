"""Say what callbacks are: their statuses, what may be reported, and what a query answers.

| reported | status then | looked up in `next` of the anchor, one after the other |
| --- | --- | --- |
| (the anchor is reached) | `created` | `prepare`, `create`, `anchor` |
| `start` | `started` | `start`, `started`, `active` |
| `progress` | `progress` | `progress`, `active` |
| `complete` | `completed` | `complete`, `completed` |
| `error` | `error` | `error`, `failed` |
| `cancel` | `cancelled` | `cancel`, `cancelled`, `canceled`, `error` |
| (its time is up) | `timeout` | `timeout`, `error` |

Behind all of them comes `"*"`, and then the next action. The last four end the callback.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from processes.domain.json_values import JSON
from processes.errors import CallbackConflictError

__all__ = [
    "ACTIVE",
    "CALLBACK_TRANSITIONS",
    "DEFAULT_RETENTION",
    "DEFAULT_TIMEOUT",
    "ENDED",
    "MAX_DURATION",
    "OPEN",
    "REPORTS",
    "STATES",
    "CallbackStatus",
    "Report",
    "leads_on",
    "merged_data",
    "parse_duration",
    "refusal",
    "state_among",
    "takes_report",
    "too_many",
]

DEFAULT_TIMEOUT: Final = timedelta(hours=1)
DEFAULT_RETENTION: Final = timedelta(hours=1)
#: No callback waits, or is kept, for longer.
MAX_DURATION: Final = timedelta(days=3660)


class CallbackStatus(StrEnum):
    """Name how far a callback is."""

    CREATED = "created"
    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


_C = CallbackStatus
_ENDS = frozenset({_C.COMPLETED, _C.ERROR, _C.CANCELLED, _C.TIMEOUT})

#: from -> to; an empty set marks a status that is final. Only progress may be reported again and again.
CALLBACK_TRANSITIONS: Mapping[CallbackStatus, frozenset[CallbackStatus]] = {
    _C.CREATED: _ENDS | {_C.STARTED, _C.PROGRESS},
    _C.STARTED: _ENDS | {_C.PROGRESS},
    _C.PROGRESS: _ENDS | {_C.PROGRESS},
    _C.COMPLETED: frozenset(),
    _C.ERROR: frozenset(),
    _C.CANCELLED: frozenset(),
    _C.TIMEOUT: frozenset(),
}

ENDED: Final = frozenset(status for status, following in CALLBACK_TRANSITIONS.items() if not following)
OPEN: Final = frozenset(CallbackStatus) - ENDED
#: Somebody has begun to work on it.
ACTIVE: Final = frozenset({_C.STARTED, _C.PROGRESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Hold what a status is called where next clauses are looked up: `state`, and then `alternatives` in turn."""

    state: str
    status: CallbackStatus
    alternatives: tuple[str, ...] = ()

    @property
    def is_last(self) -> bool:
        """Tell whether it ends the callback."""
        return self.status in ENDED


#: What each status is called in next clauses.
STATES: Mapping[CallbackStatus, Report] = {
    report.status: report
    for report in (
        Report(state="prepare", status=_C.CREATED, alternatives=("create", "anchor")),
        Report(state="start", status=_C.STARTED, alternatives=("started", "active")),
        Report(state="progress", status=_C.PROGRESS, alternatives=("active",)),
        Report(state="complete", status=_C.COMPLETED, alternatives=("completed",)),
        Report(state="error", status=_C.ERROR, alternatives=("failed",)),
        Report(state="cancel", status=_C.CANCELLED, alternatives=("cancelled", "canceled", "error")),
        Report(state="timeout", status=_C.TIMEOUT, alternatives=("error",)),
    )
}

#: What may be reported from outside, by the name of the action.
REPORTS: Mapping[str, Report] = {
    report.state: report for report in STATES.values() if report.status not in (_C.CREATED, _C.TIMEOUT)
}


def takes_report(current: CallbackStatus, report: Report) -> bool:
    """Tell whether a report moves a callback; False where it says once more what it has come to, which changes nothing.

    Raises CallbackConflictError where it comes too late: the callback has ended otherwise, or is further.
    """
    if report.status in CALLBACK_TRANSITIONS[current]:
        return True
    if report.status is current:
        return False
    raise refusal(current, report)


def refusal(current: CallbackStatus, report: Report) -> CallbackConflictError:
    """Give the error for a report that a callback doesn't take any more."""
    how = "has ended" if current in ENDED else "is further"
    return CallbackConflictError(
        f'The callback {how} ("{current}"): it takes no "{report.state}" any more',
        fields={"status": current.value, "action": report.state},
    )


def too_many(current: CallbackStatus, report: Report, *, most: int) -> CallbackConflictError:
    """Give the error for a report to a callback that has taken as many as it may."""
    return CallbackConflictError(
        f"The callback has taken {most:,} reports, and takes nothing more but its end; store progress instead"
        " (callbackStoreResponse)",
        fields={"status": current.value, "action": report.state, "most": most},
    )


def leads_on(report: Report, *, stores: bool, routes: Collection[str]) -> bool:
    """Tell whether a report leads on from the anchor, whose next clause has branches for `routes`.

    One that is stored and isn't the last needs a branch of its own, or one for its alias or group.
    """
    return report.is_last or not stores or any(name in routes for name in (report.state, *report.alternatives))


def state_among(routes: Collection[str], status: CallbackStatus) -> str:
    """Give what a status is called in a next clause with branches for `routes`: by its name, its alias or its group."""
    report = STATES[status]
    return next((name for name in (report.state, *report.alternatives) if name in routes), report.state)


def merged_data(data: JSON, response: JSON) -> JSON:
    """Give what a query answers: what came with the anchor, overridden by the last response key by key at the top.

    No response leaves it. Where either isn't an object there are no keys: the response takes its place.
    """
    if response is None:
        return data
    if isinstance(data, Mapping) and isinstance(response, Mapping):
        return {**data, **response}
    return response


_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:[.,]\d{1,6})?)S)?)?",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration such as `PT1H`, `P1DT12H` or `P2W`; raises ValueError, which says what to write.

    Years and months have no fixed length, and are refused.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} isn't a duration: write it like PT30M, PT1H, P1DT12H or P2W")
    duration = timedelta(**{unit: float((found[unit] or "0").replace(",", ".")) for unit in _UNITS})
    if duration > MAX_DURATION:
        raise ValueError(f"{text!r} is too long: it may last {MAX_DURATION.days:,} days")
    return duration
