"""Decide when a schedule is due: a line of crontab in a time zone, or a time span again and again.

A line of crontab follows the clocks of its zone: what comes once a day comes once on the days of 23 and 25 hours too.
A time span is elapsed time from a fixed moment, whatever clocks do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from processes.domain.moments import next_by_cron

__all__ = ["LATE", "MIN_SECONDS", "Cron", "Due", "Every", "Schedule", "decide", "latest_due", "next_due", "upcoming"]

#: A due time that is looked at later than this has been missed.
LATE: Final = timedelta(seconds=60)
#: The shortest time span.
MIN_SECONDS: Final = 10
#: How far back is looked for the latest due time, step by step: so few are gone through, however dense the line is.
_BACK: Final = tuple(timedelta(minutes=minutes) for minutes in (2, 120, 3 * 1440, 70 * 1440, 800 * 1440))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Be due by a line of crontab, read in a zone."""

    line: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Be due each `seconds` after `anchor`, which itself isn't due."""

    seconds: int
    anchor: datetime


Schedule: TypeAlias = Cron | Every


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Say what becomes of a due time.

    `at` is the latest one, of which earlier ones that nobody looked at are a part; `fires` whether it is to be acted
    on; `next_at` when the schedule is due again (None for never).
    """

    at: datetime
    fires: bool
    next_at: datetime | None


def next_due(schedule: Schedule, *, after: datetime) -> datetime | None:
    """Return the first due time after a moment; None where there is none."""
    if isinstance(schedule, Every):
        passed = max(0, (after - schedule.anchor) // timedelta(seconds=schedule.seconds))
        return schedule.anchor + timedelta(seconds=schedule.seconds) * (passed + 1)
    try:
        return next_by_cron(schedule.line, now=after, zone=schedule.zone)
    except ValueError:
        return None


def upcoming(schedule: Schedule, *, after: datetime, count: int) -> list[datetime]:
    """Return the next due times, at most `count`."""
    return list(islice(_following(schedule, after), count))


def latest_due(schedule: Schedule, *, since: datetime, now: datetime) -> datetime:
    """Return the latest due time up to now; `since` is a due time that has passed."""
    if isinstance(schedule, Every):
        passed = (now - schedule.anchor) // timedelta(seconds=schedule.seconds)
        return max(since, schedule.anchor + timedelta(seconds=schedule.seconds) * passed)
    starts = [now - back for back in _BACK if now - back > since]
    for start in (*starts, since):
        latest = since if start == since else None
        for moment in _following(schedule, start):
            if moment > now:
                break
            latest = moment
        if latest is not None:
            return latest
    return since


def decide(schedule: Schedule, *, due_at: datetime, now: datetime, catches_up: bool) -> Due:
    """Return what becomes of a due time that has come.

    What was missed, all of it together, is made up for once where the schedule catches up, and else passed over.
    """
    latest = latest_due(schedule, since=due_at, now=now)
    return Due(at=latest, fires=catches_up or now - latest <= LATE, next_at=next_due(schedule, after=max(now, latest)))


def _following(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    moment = next_due(schedule, after=after)
    while moment is not None:
        yield moment
        moment = next_due(schedule, after=moment)
