"""What the admin says of times and errors."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.admin.troubles import traceback_in, without_traceback
from tasks.admin.words import length, moment, schedule_of, span
from tasks.registry import JobSpec, jobs


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=-5), "0.0 s"),
        (timedelta(seconds=59.94), "59.9 s"),
        (timedelta(seconds=60), "1 min 0 s"),
        (timedelta(minutes=59, seconds=59), "59 min 59 s"),
        (timedelta(hours=23, minutes=5), "23 h 5 min"),
        (timedelta(days=3, hours=2, minutes=50), "3 d 2 h"),
    ],
)
def test_a_time_span_is_told_in_its_two_largest_units(time: timedelta, text: str) -> None:
    assert length(time) == text


def test_what_has_not_begun_has_taken_no_time() -> None:
    began = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
    assert span(None, None) == moment(None) == ""
    assert span(began, began + timedelta(seconds=90)) == "1 min 30 s"


def test_an_interval_is_told_as_a_schedule() -> None:
    jobs.add(JobSpec(name="test.hourly", function=lambda context: None, schedule=timedelta(hours=1)))
    try:
        assert schedule_of("test.hourly") == "every 1 h 0 min"
    finally:
        jobs.remove("test.hourly")
    assert schedule_of("test.hourly") == ""


@pytest.mark.parametrize(
    ("error", "text", "traceback"),
    [
        (None, "", ""),
        ({"code": "RuntimeError", "message": "no room", "traceback": "deep"}, "no room (RuntimeError)", "deep"),
        ({"code": "worker_lost"}, "worker_lost", ""),
        ({"message": "no room", "traceback": None}, "no room", ""),
        ({"message": "no", "place": 3}, 'no\n{\n  "place": 3\n}', ""),
        ("just words", '"just words"', ""),
    ],
)
def test_an_error_is_told_without_its_traceback(error: object, text: str, traceback: str) -> None:
    assert (without_traceback(error), traceback_in(error)) == (text, traceback)
