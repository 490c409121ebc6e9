"""The task scripts of the process expense-claim; importing this package registers them."""

from examples.expense_claim.scripts import claims, payments

__all__ = ["claims", "payments"]
