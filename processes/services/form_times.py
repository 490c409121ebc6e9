"""Read the days and times that forms have as limits or show at first: ISO 8601, "today", "today+7", "now"."""

import re
from datetime import date, datetime, time, timedelta
from typing import Literal

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime, parse_time

__all__ = ["TemporalType", "moment_of", "moment_problem"]

TemporalType = Literal["date", "time", "datetime"]

_TODAY = re.compile(r"today(?:([+-])([0-9]{1,5}))?")
_WANTED = {
    "date": 'a day, as in "2026-11-20", "today", or days from today, as in "today-90"',
    "time": 'a time, as in "08:30"',
    "datetime": 'a time, as in "2026-11-20T08:30", "now", "today", or days from today, as in "today+14"',
}


def moment_problem(text: str, kind: TemporalType) -> str | None:
    """Say what a text should have been, None where it is right."""
    try:
        moment_of(text, kind)
    except ValueError:
        return f"must be {_WANTED[kind]}"
    return None


def moment_of(text: str, kind: TemporalType, *, end: bool = False) -> date | time | datetime:
    """Return the day, time, or moment (aware, in the current time zone) that a text means; raises ValueError.

    As a moment, a day begins at midnight; with `end` it is its last second that counts.
    """
    found: date | time | datetime | None
    if kind == "time":
        found = parse_time(text)
    elif kind == "date":
        found = _day(text)
    elif text == "now":
        found = timezone.now()
    elif (day := _day(text)) is not None:
        found = _aware(datetime.combine(day, time(23, 59, 59) if end else time()))
    else:
        moment = parse_datetime(text)
        found = _aware(moment) if moment is not None else None
    if found is None:
        raise ValueError(f"{text!r} must be {_WANTED[kind]}")
    return found


def _day(text: str) -> date | None:
    match = _TODAY.fullmatch(text)
    if match is None:
        return parse_date(text)
    days = int(match[2] or 0)
    return timezone.localdate() + timedelta(days=-days if match[1] == "-" else days)


def _aware(moment: datetime) -> datetime:
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
