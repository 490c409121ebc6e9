"""The example app `expense_claim`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ExpenseClaimConfig(AppConfig):
    """Name the app; its scripts are found in `scripts`, and `load_examples` finds its process, rules and type."""

    name = "examples.expense_claim"
    label = "expense_claim"
    verbose_name = _("Expense claim (example)")
