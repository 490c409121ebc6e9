"""The rules of expense-claim: what is wrong with a claim, and at which step it goes on."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from examples.expense_claim.rules import Claim, Limits, Step, find_problems, find_step, needs_approval

TODAY = date(2026, 11, 20)
LIMITS = Limits(oldest_days=90, receipt_above={"EUR": Decimal("25.00"), "JPY": Decimal(4000)})
STEPS = (
    Step(name="purpose", fields=("title",)),
    Step(name="cost", fields=("date", "amount")),
    Step(name="receipt", fields=("receipts",)),
)


def problems(**claim: Any) -> dict[str, list[str]]:
    return find_problems(Claim(**claim), limits=LIMITS, today=TODAY)


@pytest.mark.parametrize(
    ("day", "is_right"),
    [
        (date(2026, 11, 20), True),
        (date(2026, 11, 21), False),
        # 10 days of August, 30 + 31 of September and October, and 19 of November, the first and the last included.
        (date(2026, 8, 22), True),
        (date(2026, 8, 21), False),
        (None, True),
    ],
)
def test_a_day_is_one_of_the_last_ninety(day: date | None, is_right: bool) -> None:
    assert (problems(day=day) == {}) is is_right


def test_a_day_that_is_wrong_says_why() -> None:
    assert problems(day=date(2027, 1, 1)) == {
        "date": ["This day hasn't come yet. Claim an expense once you have paid it."]
    }
    assert problems(day=date(2020, 1, 1)) == {"date": ["This is too long ago: an expense can be claimed for 90 days."]}


@pytest.mark.parametrize(
    ("tax", "amount", "is_right"),
    [
        ("1.99", "12.00", True),
        ("12.00", "12.00", False),
        ("12.01", "12.00", False),
        (None, "12", True),
        ("3", None, True),
    ],
)
def test_tax_is_less_than_the_amount(tax: str | None, amount: str | None, is_right: bool) -> None:
    claim = {name: None if text is None else Decimal(text) for name, text in (("tax", tax), ("amount", amount))}

    assert (problems(**claim) == {}) is is_right


@pytest.mark.parametrize(
    ("amount", "currency", "receipts", "is_right"),
    [
        ("25.00", "EUR", 0, True),
        ("25.01", "EUR", 0, False),
        ("25.01", "EUR", 1, True),
        ("4000", "JPY", 0, True),
        ("4001", "JPY", 0, False),
        ("0.01", "USD", 0, False),
        ("0.01", "USD", 2, True),
        # Nobody has been asked yet.
        ("99.00", "EUR", None, True),
        (None, "EUR", 0, True),
    ],
)
def test_above_an_amount_a_receipt_is_needed(
    amount: str | None, currency: str, receipts: int | None, is_right: bool
) -> None:
    found = problems(amount=None if amount is None else Decimal(amount), currency=currency, receipts=receipts)

    assert ("receipts" not in found) is is_right


def test_the_limit_is_told_as_its_reader_writes_numbers() -> None:
    limits = Limits(oldest_days=90, receipt_above={"EUR": Decimal("1250.5")})
    claim = Claim(amount=Decimal(2000), currency="EUR", receipts=0)
    told = []
    for language in ("en", "de"):
        with translation.override(language):
            told += find_problems(claim, limits=limits, today=TODAY)["receipts"]

    assert "1,250.50 EUR" in told[0]
    assert "1.250,50" in told[1]


def test_what_is_wrong_in_several_places_is_told_in_each() -> None:
    found = problems(day=date(2027, 1, 1), amount=Decimal(30), tax=Decimal(31), currency="EUR", receipts=0)

    assert list(found) == ["date", "tax", "receipts"]


# -- reading a claim --------------------------------------------------------------------------------------------------


def test_amounts_are_exact() -> None:
    claim = Claim.from_data({"amount": "0.10", "tax": "0.1", "date": "2026-11-20", "currency": "EUR", "receipts": [{}]})

    assert claim == Claim(day=TODAY, amount=Decimal("0.10"), tax=Decimal("0.1"), currency="EUR", receipts=1)
    assert str(claim.amount) == "0.10"


@pytest.mark.parametrize("data", [{}, {"date": None, "amount": None, "tax": None}, {"date": "", "amount": ""}])
def test_what_is_not_there_yet_is_none(data: dict[str, Any]) -> None:
    assert Claim.from_data(data) == Claim()


@pytest.mark.parametrize(
    "data", [{"date": "yesterday"}, {"date": 3}, {"amount": "many"}, {"amount": 12.5}, {"amount": "NaN"}, {"tax": []}]
)
def test_what_is_no_claim_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Claim.from_data(data)


# -- where it goes on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filled_in", "wrong", "step"),
    [
        ("", "", "purpose"),
        ("title", "", "cost"),
        ("title date", "", "cost"),
        ("title date amount", "", "receipt"),
        ("title date amount receipts", "", None),
        ("title date amount receipts", "receipts", "receipt"),
        ("title date amount receipts", "receipts amount", "cost"),
        # Left out in front: nobody comes by it.
        ("date amount receipts", "", "purpose"),
    ],
)
def test_it_goes_on_at_the_first_step_where_something_is_missing_or_wrong(
    filled_in: str, wrong: str, step: str | None
) -> None:
    data = dict.fromkeys(filled_in.split())

    assert find_step(data, steps=STEPS, problems={field: ["No."] for field in wrong.split()}) == step


def test_a_step_that_was_left_before_it_was_sent_comes_again() -> None:
    data = dict.fromkeys(("title", "date", "amount", "receipts"))

    assert find_step(data, steps=STEPS, problems={}, unsent={"receipt", "cost", "review"}) == "cost"
    assert find_step(data, steps=STEPS, problems={}, unsent={"review"}) is None


@pytest.mark.parametrize(
    ("amount", "currency", "needed"),
    [
        ("100.00", "EUR", False),
        ("100.01", "EUR", True),
        ("0.01", "CHF", True),
        (None, "EUR", True),
        ("5", None, True),
    ],
)
def test_above_an_amount_and_wherever_none_is_known_somebody_has_to_approve(
    amount: str | None, currency: str | None, needed: bool
) -> None:
    claim = Claim(amount=None if amount is None else Decimal(amount), currency=currency)
    assert needs_approval(claim, above={"EUR": Decimal(100)}) is needed
