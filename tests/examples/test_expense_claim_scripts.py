"""The task script of expense-claim, run as the action of a process."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from processes.testing import FakeClock, Ran, action, run

CONFIG = {
    "steps": [{"name": "cost", "fields": ["date", "amount"]}, {"name": "receipt", "fields": ["receipts"]}],
    "limits": {"oldest_days": 90, "receipt_above": {"EUR": "25.00"}},
}


def check(*, at: str = "2026-11-20T12:00:00", **data: Any) -> Ran:
    clock = FakeClock(datetime.fromisoformat(at).replace(tzinfo=UTC))
    return run([action("check", script="expense_claim_check", **CONFIG)], data=data, clock=clock)


def test_the_state_is_the_step_that_comes_next() -> None:
    assert check().state == "cost"
    assert check(date="2026-11-19", amount="12.50").state == "receipt"
    assert check(date="2026-11-19", amount="12.50", currency="EUR", receipts=[]).state == "complete"


def test_problems_are_told_by_field_and_gone_once_they_are_solved() -> None:
    wrong = check(date="2026-11-19", amount="30", currency="EUR", receipts=[])
    assert wrong.state == "receipt"
    assert list(wrong.data["problems"]) == ["receipts"]

    right = check(**{**wrong.data, "receipts": [{"type": "FILE_INFO"}]})
    assert right.state == "complete"
    assert right.data["problems"] == {}


def test_today_is_that_of_the_claimants_zone() -> None:
    entered = {"date": "2026-11-21", "amount": "5"}
    with timezone.override("Pacific/Auckland"):
        assert check(**entered).state == "receipt"
    with timezone.override("UTC"):
        assert check(**entered).state == "cost"


def test_data_that_are_no_claim_are_an_error_of_their_own() -> None:
    ran = check(amount="many")

    assert ran.error is not None
    assert ran.error.code == "not_a_claim"
    assert "many" in ran.error.message
