"""Lists of many tasks: which ones, and what is said of each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tasks.domain.jsonvalue import JSON, dumps
from tasks.domain.updates import format_timestamp

#: Tasks that a list holds at most: the newest ones.
WINDOW = 200


class ListScope(StrEnum):
    """Name whose tasks a list holds."""

    MINE = "mine"
    SHARED = "shared"
    #: Everyone's: for staff with the permission to view tasks.
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Say of a task what a list shows: its state as of update `seq`."""

    task_id: str
    title: str
    #: The job's status, where there is a job.
    status: str
    seq: int
    closed: bool
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    current: float | None = None
    total: float | None = None
    percent: float | None = None
    message: str = ""
    error: str = ""
    function: str = ""
    parent_id: str | None = None
    # Who may see it; clients are told only whether it is theirs.
    owner_id: int | str | None = None
    session_key: str = ""
    shared: bool = False

    @property
    def head(self) -> tuple[int, bool]:
        """Return what changes with every update of the task."""
        return self.seq, self.closed

    def encode(self) -> str:
        """Return the summary as JSON without its opening brace: what is said to some only goes in front."""
        value: dict[str, JSON] = {
            "taskId": self.task_id,
            "title": self.title,
            "status": self.status,
            "seq": self.seq,
            "createdAt": format_timestamp(self.created_at),
        }
        optional: dict[str, JSON] = {
            "startedAt": _timestamp(self.started_at),
            "finishedAt": _timestamp(self.finished_at),
            "current": _number(self.current),
            "total": _number(self.total),
            "percent": _number(self.percent),
            "message": self.message or None,
            "error": self.error or None,
            "function": self.function or None,
            "parentId": self.parent_id,
        }
        value.update({key: item for key, item in optional.items() if item is not None})
        return dumps(value)[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    """Say which of the tasks of a scope a list holds; what is empty leaves none out."""

    statuses: frozenset[str] = frozenset()
    #: Names of registered jobs.
    functions: frozenset[str] = frozenset()
    open_only: bool = False
    #: Found in the title, in upper or lower case.
    text: str = ""
    #: What had ended before this time is left out.
    since: datetime | None = None

    def takes(self, summary: Summary) -> bool:
        """Tell whether the list holds a task with this summary."""
        return (
            (not self.statuses or summary.status in self.statuses)
            and (not self.functions or summary.function in self.functions)
            and not (self.open_only and summary.closed)
            and self._finds(summary.title)
            and (
                self.since is None
                or not summary.closed
                or summary.finished_at is None
                or summary.finished_at >= self.since
            )
        )

    def _finds(self, title: str) -> bool:
        # One letter for one, as databases compare: folded whole, "ß" would be found by "ss", and in live lists only.
        return not self.text or re.search(re.escape(self.text), title, re.IGNORECASE) is not None


EVERYTHING = ListFilter()


def keep_newest(summaries: Iterable[Summary], *, count: int = WINDOW) -> list[Summary]:
    """Return the newest `count` summaries, newest first."""
    return sorted(summaries, key=age_key, reverse=True)[:count]


def age_key(summary: Summary) -> tuple[datetime, str]:
    """Return by what tasks are sorted: their age, and at the same moment their id."""
    return summary.created_at, summary.task_id


def _timestamp(moment: datetime | None) -> str | None:
    return None if moment is None else format_timestamp(moment)


def _number(value: float | None) -> float | None:
    # 3 rows aren't shown as 3.0.
    return int(value) if value is not None and float(value).is_integer() else value
