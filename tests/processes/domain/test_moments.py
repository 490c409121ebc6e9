"""When something is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from processes.domain.moments import LONGEST, after, check_cron, moment_in, next_by_cron, zone_of

BERLIN = ZoneInfo("Europe/Berlin")

LINES = [
    # (line, now in Berlin, next in Berlin)
    ("0 9 * * 1-5", "2026-11-27T09:00", "2026-11-30T09:00"),
    ("*/15 * * * *", "2026-11-27T09:01", "2026-11-27T09:15"),
    ("0 0 1 * *", "2026-12-31T23:59", "2027-01-01T00:00"),
    ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
    # The clock goes from two to three; and from three back to two.
    ("30 2 * * *", "2026-03-29T00:00", "2026-03-29T03:00"),
    ("30 2 * * *", "2026-10-25T00:00", "2026-10-25T02:30"),
]


@pytest.mark.parametrize(("line", "now", "due"), LINES)
def test_a_line_of_crontab_is_due_by_the_clock_of_its_zone(line: str, now: str, due: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN).astimezone(UTC)
    found = next_by_cron(line, now=moment, zone=BERLIN)
    assert found.tzinfo is UTC
    assert found.astimezone(BERLIN).isoformat()[:16] == due


@pytest.mark.parametrize("minute", [0, 10, 29, 30, 45])
def test_what_comes_once_a_day_is_never_due_in_the_past_while_the_clock_repeats_an_hour(minute: int) -> None:
    second_pass = datetime(2026, 10, 25, 1, minute, tzinfo=UTC)
    due = next_by_cron("30 2 * * *", now=second_pass, zone=BERLIN)
    assert due.astimezone(BERLIN).isoformat() == "2026-10-26T02:30:00+01:00"


@pytest.mark.parametrize("line", ["", "* * * *", "* * * * * *", "61 * * * *", "x * * * *", "@daily", "0 0 31 2 *"])
def test_what_is_no_line_of_crontab_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="isn't a line of crontab"):
        check_cron(line)


@pytest.mark.parametrize("name", ["", "Berlin", "../etc/passwd", "Europe/"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="isn't a time zone"):
        zone_of(name)


@pytest.mark.parametrize("span", [timedelta(seconds=-1), LONGEST + timedelta(days=1)])
def test_a_time_span_is_neither_negative_nor_endless(span: timedelta) -> None:
    with pytest.raises(ValueError, match="time span"):
        after(span, now=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_moment_without_a_zone_is_read_in_the_given_one() -> None:
    naive = datetime.fromisoformat("2026-07-01T09:00")
    assert moment_in(naive, zone=BERLIN).astimezone(UTC) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    aware = datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert moment_in(aware, zone=BERLIN) == aware
