"""Set money aside for claims, give it back, spend it: each is one transaction, under the lock of the budget's row."""

import uuid
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from examples.expense_claim.models import Budget, Reservation
from processes.errors import PermanentError

__all__ = ["release", "reserve", "spend"]


@transaction.atomic
def reserve(claim: uuid.UUID, *, run: uuid.UUID, amount: Decimal, currency: str, limit: Decimal) -> None:
    """Set an amount aside for a claim that a run is to pay; a run that does so twice has done so once.

    Raises PermanentError with the code `paid_already` for a claim that was paid, `in_payment` for one that another run
    pays, and `no_budget` where the limit of the currency would be passed.
    """
    Budget.objects.get_or_create(currency=currency)
    budget = Budget.objects.select_for_update().get(currency=currency)
    known = Reservation.objects.select_for_update().filter(claim=claim).first()
    if known is not None:
        if known.spent_at is not None:
            raise PermanentError(_("This claim was paid already."), code="paid_already")
        if known.run != run:
            raise PermanentError(_("This claim is being paid already."), code="in_payment")
        return
    if budget.reserved + budget.spent + amount > limit:
        raise PermanentError(
            _("There is no money left for claims in %(currency)s.") % {"currency": currency}, code="no_budget"
        )
    budget.reserved += amount
    budget.save(update_fields=["reserved"])
    Reservation.objects.create(claim=claim, run=run, budget=budget, amount=amount)


@transaction.atomic
def release(claim: uuid.UUID, *, run: uuid.UUID) -> bool:
    """Give back what a run has set aside and not spent, and return whether there was anything."""
    budget, known = _locked(claim)
    if budget is None or known is None or known.run != run or known.spent_at is not None:
        return False
    budget.reserved -= known.amount
    budget.save(update_fields=["reserved"])
    known.delete()
    return True


@transaction.atomic
def spend(claim: uuid.UUID, *, run: uuid.UUID) -> bool:
    """Spend what a run has set aside, and return whether that was to be done still."""
    budget, known = _locked(claim)
    if budget is None or known is None or known.run != run or known.spent_at is not None:
        return False
    budget.reserved -= known.amount
    budget.spent += known.amount
    budget.save(update_fields=["reserved", "spent"])
    known.spent_at = timezone.now()
    known.save(update_fields=["spent_at"])
    return True


def _locked(claim: uuid.UUID) -> tuple[Budget | None, Reservation | None]:
    """Return the reservation of a claim with its budget, locked in the order in which all lock them."""
    currency = Reservation.objects.filter(claim=claim).values_list("budget_id", flat=True).first()
    budget = None if currency is None else Budget.objects.select_for_update().get(currency=currency)
    return budget, Reservation.objects.select_for_update().filter(claim=claim).first()
