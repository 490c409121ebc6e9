"""How often something may begin."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domain.rate import Rate

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [
        ("10/s", 10, 1),
        ("100/m", 100, 60),
        ("5/10m", 5, 600),
        ("1000/h", 1000, 3600),
        ("3/d", 3, 86400),
        (" 1 / 2 s ", 1, 2),
    ],
)
def test_it_is_written_as_a_number_per_unit(text: str, count: int, seconds: float) -> None:
    assert Rate.parse(text) == Rate(count=count, seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "0/s", "10/0s", "10/w", "-1/s", "ten/m", "1.5/s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="10/m"):
        Rate.parse(text)


def admitted(rate: Rate, moments: list[datetime]) -> list[datetime]:
    free_at, taken = None, []
    for now in moments:
        is_admitted, moment = rate.admit(now=now, free_at=free_at)
        if is_admitted:
            taken.append(now)
            free_at = moment
    return taken


def test_after_a_quiet_time_a_whole_burst_is_let_in_and_no_more() -> None:
    assert len(admitted(Rate(count=3, seconds=60), [NOON] * 10)) == 3


def test_then_one_is_let_in_at_each_interval() -> None:
    moments = [NOON] * 3 + [NOON + timedelta(seconds=second) for second in range(1, 61)]
    later = [int((moment - NOON).total_seconds()) for moment in admitted(Rate(count=3, seconds=60), moments)][3:]
    assert later == [20, 40, 60]


def test_who_is_refused_is_told_when_to_come_again() -> None:
    rate = Rate(count=1, seconds=10)
    _, free_at = rate.admit(now=NOON, free_at=None)
    assert rate.admit(now=NOON + timedelta(seconds=4), free_at=free_at) == (False, NOON + timedelta(seconds=10))
    assert rate.admit(now=NOON + timedelta(seconds=10), free_at=free_at)[0]


@given(
    count=st.integers(1, 20),
    seconds=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 50, allow_nan=False), max_size=200),
)
def test_no_stretch_of_time_sees_more_than_its_rate_and_one_burst(count: int, seconds: int, gaps: list[float]) -> None:
    rate, now, moments = Rate(count=count, seconds=seconds), NOON, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        moments.append(now)
    taken = admitted(rate, moments)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            span = (taken[last] - taken[first]).total_seconds()
            assert last - first + 1 <= count + span * count / seconds + 1e-6
