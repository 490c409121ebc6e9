"""The example app `expense_claim`."""

from django.apps import AppConfig


class ExpenseClaimConfig(AppConfig):
    """Name the app; its task script is found in `scripts`, its process in `process_templates`."""

    name = "examples.expense_claim"
    label = "expense_claim"
    verbose_name = "Expense claim (example)"
