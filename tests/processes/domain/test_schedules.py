"""When schedules are due, across changes of the clock and after downtimes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.schedules import LATE, Cron, Due, Every, Schedule, decide, latest_due, next_due, upcoming

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def cron(line: str, zone: str = "Europe/Berlin") -> Cron:
    return Cron(line=line, zone=ZoneInfo(zone))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


UPCOMING = [
    # (line, zone, after, what comes next)
    ("0 9 * * 1-5", "UTC", "2026-11-27T10:00Z", ["2026-11-30T09:00Z", "2026-12-01T09:00Z"]),
    # Once a day, on the day of 23 hours: in the place of the missing time, or as ever.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
    ("0 9 * * *", "Europe/Berlin", "2026-03-28T00:00Z", ["2026-03-28T08:00Z", "2026-03-29T07:00Z"]),
    ("30 2 * * *", "America/New_York", "2026-03-08T05:00Z", ["2026-03-08T07:00Z", "2026-03-09T06:30Z"]),
    # On the day of 25 hours: once.
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T04:00Z", ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
    # What comes each half hour goes by elapsed time.
    ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:45Z", ["2026-10-25T01:00Z", "2026-10-25T01:30Z"]),
    ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15Z", ["2026-03-29T00:30Z", "2026-03-29T01:00Z"]),
    # Half an hour of daylight saving, and zones that are off by a part of an hour.
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", ["2026-10-03T15:30Z", "2026-10-04T15:15Z"]),
    ("0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00Z", ["2026-01-01T18:15Z"]),
    ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "zone", "after", "comes"), UPCOMING)
def test_a_line_of_crontab_follows_the_clocks_of_its_zone(line: str, zone: str, after: str, comes: list[str]) -> None:
    assert upcoming(cron(line, zone), after=at(after), count=len(comes)) == [at(moment) for moment in comes]


def test_a_time_span_is_counted_from_its_beginning_whatever_clocks_do() -> None:
    schedule = Every(seconds=90, anchor=NOON)
    assert upcoming(schedule, after=NOON - timedelta(days=1), count=2) == [
        NOON + timedelta(seconds=90), NOON + timedelta(seconds=180),
    ]  # fmt: skip
    assert next_due(schedule, after=NOON + timedelta(seconds=90)) == NOON + timedelta(seconds=180)


def test_a_line_that_is_never_due_again_gives_nothing() -> None:
    assert upcoming(cron("0 0 31 2 *"), after=NOON, count=5) == []


LATENESS = [
    # (seconds late, catches up, fires)
    (0, False, True),
    (2, False, True),
    (60, False, True),
    (61, False, False),
    (61, True, True),
    (7_000, True, True),
]


@pytest.mark.parametrize(("seconds", "catches_up", "fires"), LATENESS)
def test_what_was_missed_is_made_up_for_or_passed_over(seconds: int, catches_up: bool, fires: bool) -> None:
    due_at = at("2026-11-27T12:00Z")
    due = decide(
        cron("0 */6 * * *", "UTC"), due_at=due_at, now=due_at + timedelta(seconds=seconds), catches_up=catches_up
    )
    assert due == Due(at=due_at, fires=fires, next_at=at("2026-11-27T18:00Z"))


@pytest.mark.parametrize(
    ("schedule", "missed_since", "latest", "next_at"),
    [
        (cron("* * * * *", "UTC"), "2020-01-01T00:00Z", "2026-11-27T12:03Z", "2026-11-27T12:04Z"),
        (cron("0 3 * * *", "UTC"), "2026-11-01T03:00Z", "2026-11-27T03:00Z", "2026-11-28T03:00Z"),
        (cron("0 0 1 1 *", "UTC"), "2001-01-01T00:00Z", "2026-01-01T00:00Z", "2027-01-01T00:00Z"),
        (cron("0 0 29 2 *", "UTC"), "2020-02-29T00:00Z", "2024-02-29T00:00Z", "2028-02-29T00:00Z"),
        (Every(seconds=60, anchor=NOON), "2026-11-27T12:01Z", "2026-11-27T12:03Z", "2026-11-27T12:04Z"),
    ],
)  # fmt: skip
def test_any_number_of_missed_times_is_made_up_for_once(
    schedule: Schedule, missed_since: str, latest: str, next_at: str
) -> None:
    now = at("2026-11-27T12:03:10Z")
    due = decide(schedule, due_at=at(missed_since), now=now, catches_up=True)
    assert due == Due(at=at(latest), fires=True, next_at=at(next_at))


def test_within_the_time_of_grace_the_latest_one_is_no_missed_one() -> None:
    now = at("2026-11-27T12:03:10Z")
    assert decide(cron("* * * * *", "UTC"), due_at=at("2026-11-27T11:00Z"), now=now, catches_up=False).fires
    assert timedelta(seconds=10) < LATE


LINES = st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1,3 * * 0", "*/20 2 * * *"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


@given(line=LINES, zone=ZONES, moment=MOMENTS)
def test_due_times_only_go_on(line: str, zone: str, moment: datetime) -> None:
    times = [moment, *upcoming(cron(line, zone), after=moment, count=20)]
    assert all(earlier < later for earlier, later in pairwise(times))


@given(line=LINES, zone=ZONES, moment=MOMENTS, minutes=st.integers(0, 6_000))
def test_the_latest_due_time_is_the_last_of_those_that_came(
    line: str, zone: str, moment: datetime, minutes: int
) -> None:
    schedule, now = cron(line, zone), moment + timedelta(minutes=minutes)
    since = next_due(schedule, after=moment)
    assert since is not None
    came = since
    while (following := next_due(schedule, after=came)) is not None and following <= now:
        came = following
    assert latest_due(schedule, since=since, now=max(now, since)) == came
