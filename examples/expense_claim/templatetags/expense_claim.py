"""Filters for the pages of expense-claim: `{% load expense_claim %}`."""

from datetime import date, datetime

from django import template

register = template.Library()


@register.filter
def moment(text: object) -> date | datetime | None:
    """Return the day or time that a text of the data is (ISO 8601), for the filter `date`; None for anything else."""
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(str(text))
        except ValueError:
            continue
    return None
