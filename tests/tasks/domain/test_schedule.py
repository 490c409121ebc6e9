"""Schedules as they are declared."""

from datetime import timedelta

import pytest

from tasks.domain.schedule import Cron, parse_schedule


def test_five_fields_of_crontab() -> None:
    assert parse_schedule("*/5 3 1 * mon-fri") == Cron(
        minute="*/5", hour="3", day_of_month="1", month_of_year="*", day_of_week="mon-fri"
    )


@pytest.mark.parametrize("text", ["", "daily", "* * * *", "* * * * * *"])
def test_other_texts_are_refused_with_the_fields(text: str) -> None:
    with pytest.raises(ValueError, match="minute, hour, day of month, month, day of week"):
        parse_schedule(text)


def test_a_time_span_is_a_schedule_unless_it_is_empty() -> None:
    assert parse_schedule(timedelta(minutes=5)) == timedelta(minutes=5)
    with pytest.raises(ValueError, match="longer than nothing"):
        parse_schedule(timedelta(0))
