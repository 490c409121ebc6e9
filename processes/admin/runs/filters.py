"""By what the list of runs is narrowed down, besides status and process."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processes.admin.runs.words import WAITING_WORDS

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["PartFilter", "WhyFilter"]

_OTHER, _UNKNOWN = "other", "outcome_unknown"


class WhyFilter(admin.SimpleListFilter):
    """Filter by why a run doesn't go on: what it waits for, or that nobody knows what its last action has done."""

    title = _("why it doesn't go on")
    parameter_name = "why"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, "str | _StrPromise"]]:
        """Offer all that a run's row says."""
        return [
            *WAITING_WORDS.items(),
            (_OTHER, _("something else")),
            (_UNKNOWN, _("nobody knows what it has done")),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Narrow the list."""
        value = self.value()
        if value is None:
            return queryset
        if value == _UNKNOWN:
            return queryset.filter(error__code=_UNKNOWN)
        if value == _OTHER:
            return queryset.filter(waiting_for__isnull=False).exclude(waiting_for__code__in=list(WAITING_WORDS))
        return queryset.filter(waiting_for__code=value)


class PartFilter(admin.SimpleListFilter):
    """Filter by whether a run is one of its own, or a part of another one."""

    title = _("kind")
    parameter_name = "part"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, "str | _StrPromise"]]:
        """Offer the two."""
        return [("no", _("runs of their own")), ("yes", _("parts of other runs"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Narrow the list."""
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(Q(fan_out__isnull=self.value() == "no"))
