"""When something is to happen again and again, as it is declared."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Hold the five fields of a line of crontab (POSIX), as text."""

    minute: str
    hour: str
    day_of_month: str
    month_of_year: str
    day_of_week: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the fields of such a line, `0 3 * * *`; raises ValueError where there aren't five."""
        fields = text.split()
        if len(fields) != len(_FIELDS):
            raise ValueError(f"{text!r} isn't a schedule: write {len(_FIELDS)} fields, {', '.join(_FIELDS)}.")
        minute, hour, day_of_month, month_of_year, day_of_week = fields
        return cls(
            minute=minute,
            hour=hour,
            day_of_month=day_of_month,
            month_of_year=month_of_year,
            day_of_week=day_of_week,
        )


Schedule = Cron | timedelta


def parse_schedule(value: "str | timedelta | Schedule") -> Schedule:
    """Return a schedule: a time span is one, a text is five fields of crontab. Raises ValueError."""
    if not isinstance(value, str | timedelta | Cron):
        raise ValueError(f"{value!r} isn't a schedule: write five fields of crontab, or a timedelta.")
    if isinstance(value, str):
        return Cron.parse(value)
    if isinstance(value, timedelta) and value <= timedelta(0):
        raise ValueError("A schedule's time span must be longer than nothing.")
    return value
