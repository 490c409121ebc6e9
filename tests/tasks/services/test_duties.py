"""Apps have things done by the dispatcher that it knows nothing of."""

import logging
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from tasks.registry import DuplicateDuty, Duty, duties, duty
from tasks.services.dispatch import DUTY_LIMIT, tick

pytestmark = pytest.mark.django_db(transaction=True)

Declare = Callable[[Duty], str]


@pytest.fixture
def declare() -> Iterator[Declare]:
    names: list[str] = []

    def declare(function: Duty) -> str:
        names.append(f"test.{uuid.uuid4().hex}")
        duty(names[-1])(function)
        return names[-1]

    yield declare
    for name in names:
        duties.remove(name)


def test_each_tick_does_every_duty_in_bounded_batches(declare: Declare) -> None:
    limits: list[int] = []

    def one(*, limit: int) -> int:
        limits.append(limit)
        return 1

    def two(*, limit: int) -> int:
        limits.append(limit)
        return 2

    declare(one)
    declare(two)
    assert tick().other == 3
    assert limits == [DUTY_LIMIT, DUTY_LIMIT]


def test_a_duty_that_fails_is_logged_by_its_name_and_stands_in_no_other_ones_way(
    declare: Declare, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*, limit: int) -> int:
        raise ValueError("no")

    name = declare(failing)
    declare(lambda *, limit: 1)
    with caplog.at_level(logging.ERROR):
        assert tick().other == 1
    assert name in caplog.text


def test_a_database_that_is_away_ends_the_tick(declare: Declare) -> None:
    def away(*, limit: int) -> int:
        raise OperationalError("gone")

    declare(away)
    with pytest.raises(OperationalError):
        tick()


def test_two_functions_are_not_the_same_duty(declare: Declare) -> None:
    name = declare(lambda *, limit: 0)
    with pytest.raises(DuplicateDuty, match=name):
        duty(name)(lambda *, limit: 0)


def test_what_did_nothing_counts_as_nothing_done(declare: Declare) -> None:
    declare(lambda *, limit: 0)
    assert not tick()
