"""What makes an expense claim right: rules that go across its fields, and the step at which each field is asked.

Nothing here knows of the database, the request or the clock; amounts are exact decimals, never floats. Fields that
aren't filled in yet break no rule.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, Self

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import BaseModel, ConfigDict, Field

from processes.domain.json_values import JSON

#: Messages for people, by the field beside which they are shown.
Problems = dict[str, list[str]]

_CENTS: Final = 2


class Limits(BaseModel):
    """Hold what a team decides for itself; the definition binds each value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    oldest_days: int = Field(ge=1, description="How many days after an expense it can still be claimed.")
    receipt_above: dict[str, Decimal] = Field(
        description="The amount, by currency, above which a receipt is needed; in other currencies one always is."
    )


class Step(BaseModel):
    """Name a step, and the fields that are asked there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The action that shows the step's form, and the state that leads to it.")
    fields: tuple[str, ...] = Field(min_length=1, description="The keys in data that the form fills in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold what the rules look at; None is what nobody has filled in yet."""

    day: date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    tax: Decimal | None = None
    #: How many files, None as long as nobody was asked for any.
    receipts: int | None = None

    @classmethod
    def from_data(cls, data: Mapping[str, JSON]) -> Self:
        """Read a claim from the data of its process, where dates and amounts are texts; raises ValueError."""
        day, receipts = data.get("date"), data.get("receipts")
        return cls(
            day=date.fromisoformat(day) if day else None,
            amount=_decimal(data.get("amount")),
            currency=data.get("currency") or None,
            tax=_decimal(data.get("tax")),
            receipts=len(receipts or ()) if "receipts" in data else None,
        )


def find_problems(claim: Claim, *, limits: Limits, today: date) -> Problems:
    """Return what is wrong with a claim on a day."""
    found: Problems = {}
    for field, message in (
        ("date", _date_problem(claim, limits=limits, today=today)),
        ("tax", _tax_problem(claim)),
        ("receipts", _receipt_problem(claim, limits=limits)),
    ):
        if message:
            found.setdefault(field, []).append(message)
    return found


def needs_approval(claim: Claim, *, above: Mapping[str, Decimal]) -> bool:
    """Tell whether somebody has to approve a claim: above an amount, by currency; always in one that has none."""
    if claim.amount is None or claim.currency is None:
        return True
    limit = above.get(claim.currency)
    return limit is None or claim.amount > limit


def find_step(
    data: Mapping[str, JSON], *, steps: Sequence[Step], problems: Problems, unsent: Collection[str] = ()
) -> str | None:
    """Return the first step where something is missing, wrong or `unsent`; None where the claim is complete."""
    for step in steps:
        if step.name in unsent or any(field not in data or field in problems for field in step.fields):
            return step.name
    return None


def _date_problem(claim: Claim, *, limits: Limits, today: date) -> str:
    if claim.day is None:
        return ""
    if claim.day > today:
        return _("This day hasn't come yet. Claim an expense once you have paid it.")
    if claim.day < today - timedelta(days=limits.oldest_days):
        return ngettext(
            "This is too long ago: an expense can be claimed for %(days)d day.",
            "This is too long ago: an expense can be claimed for %(days)d days.",
            limits.oldest_days,
        ) % {"days": limits.oldest_days}
    return ""


def _tax_problem(claim: Claim) -> str:
    if claim.tax is None or claim.amount is None or claim.tax < claim.amount:
        return ""
    return _("The tax is a part of the amount, so it must be less.")


def _receipt_problem(claim: Claim, *, limits: Limits) -> str:
    if claim.receipts is None or claim.receipts or claim.amount is None or claim.currency is None:
        return ""
    limit = limits.receipt_above.get(claim.currency)
    if limit is None:
        return _("Add a receipt: amounts in %(currency)s always need one.") % {"currency": claim.currency}
    if claim.amount <= limit:
        return ""
    shown = number_format(limit, decimal_pos=_CENTS, use_l10n=True, force_grouping=True)
    return _("Add a receipt: amounts above %(limit)s %(currency)s need one.") % {
        "limit": shown,
        "currency": claim.currency,
    }


def _decimal(value: JSON) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, float):
        # It has lost its last digits already.
        raise ValueError(f"an amount is an exact decimal, written as a text, not {value!r}")
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} isn't an amount") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} isn't an amount")
    return amount
