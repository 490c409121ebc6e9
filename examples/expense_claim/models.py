"""What claims may cost: a budget for each currency, and what was set aside of it for each claim."""

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _


class Budget(models.Model):
    """Hold what is set aside, and spent, in a currency. How much there is in all, the process binds."""

    currency = models.CharField(max_length=3, primary_key=True)
    reserved = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    spent = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")

    def __str__(self) -> str:
        return self.currency


class Reservation(models.Model):
    """Hold what is set aside for a claim while a run pays it, or was spent on it: one for each claim."""

    #: The id of the claim's process instance.
    claim = models.UUIDField(primary_key=True)
    #: The background run that pays it.
    run = models.UUIDField()
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="reservations")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    spent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")

    def __str__(self) -> str:
        return f"{self.amount} {self.budget_id}"
