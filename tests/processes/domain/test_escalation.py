"""Steps of an escalation: stored as JSON in the order of their times, each counted from when it was due."""

from datetime import UTC, datetime, timedelta

import pytest

from processes.domain.escalation import EscalationStep, next_step_at, steps_from_json, steps_to_json

DUE = datetime(2026, 11, 20, 12, tzinfo=UTC)
REMIND = EscalationStep(action="remind")
DIRECTORS = EscalationStep(after=timedelta(days=1), groups=(7,), users=("1a", 2))


def test_steps_are_stored_in_the_order_of_their_times() -> None:
    assert steps_from_json(steps_to_json([DIRECTORS, REMIND])) == [REMIND, DIRECTORS]


@pytest.mark.parametrize(
    ("due", "steps", "at"),
    [
        (DUE, [DIRECTORS, REMIND], DUE),
        (DUE, [DIRECTORS], DUE + timedelta(days=1)),
        (DUE, [], None),
        (None, [REMIND], None),
    ],
)
def test_the_first_step_is_next(due: datetime | None, steps: list[EscalationStep], at: datetime | None) -> None:
    assert next_step_at(due, steps) == at


@pytest.mark.parametrize(("step", "asks"), [(REMIND, False), (DIRECTORS, True)])
def test_a_step_may_ask_others(step: EscalationStep, asks: bool) -> None:
    assert step.asks_others is asks
