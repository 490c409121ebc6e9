"""Tell when something is due: after a time span, at a moment, or next by a line of crontab."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

__all__ = ["after", "check_cron", "moment_in", "next_by_cron", "zone_of"]

#: Longer than this nobody waits; it is also what a date can still hold when it is added to one.
LONGEST = timedelta(days=366 * 100)


def check_cron(text: str) -> str:
    """Return a line of crontab (five fields) as it is; raises ValueError, which says what is wrong."""
    if len(text.split()) != 5:
        raise ValueError(
            f"{text!r} isn't a line of crontab: write minute, hour, day of month, month and day of week, as in "
            "`0 9 * * 1-5`"
        )
    try:
        CronSim(text, datetime(2000, 1, 1))  # noqa: DTZ001 - only its form is looked at
    except CronSimError as error:
        raise ValueError(f"{text!r} isn't a line of crontab: {str(error).lower()}") from error
    return text


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name in the IANA's database; raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} isn't a time zone: write one like Europe/Berlin, or UTC") from error


def next_by_cron(text: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """Return when a line of crontab is due next, strictly after `now`; its fields are read in `zone`.

    Across changes of the clock it behaves as Debian's cron: what falls into a missing hour comes right after it, and
    what comes once a day comes once. Raises ValueError where it is never due (the 31st of February).
    """
    # Between the two passes of an hour that the clock shows twice, what comes once a day is found in the first one.
    try:
        found = (moment.astimezone(now.tzinfo) for moment in CronSim(text, now.astimezone(zone)))
        moment = next((moment for moment in found if moment > now), None)
    except CronSimError:
        moment = None
    if moment is None:
        raise ValueError(f"{text!r} is never due")
    return moment


def after(span: timedelta, *, now: datetime) -> datetime:
    """Return the moment a time span after `now`; raises ValueError for one that nobody lives to see."""
    if not timedelta(0) <= span <= LONGEST:
        raise ValueError(f"A time span is from nothing to {LONGEST.days:,} days")
    return now + span


def moment_in(moment: datetime, *, zone: ZoneInfo) -> datetime:
    """Return a moment with its zone; one without is read in `zone`."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
