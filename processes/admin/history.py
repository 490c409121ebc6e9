"""What the lists of runs and callbacks have in common: filters, links, and JSON in which no token can be read."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from processes.domain.callback_tokens import redacted
from processes.domain.json_values import JSON
from processes.models import ProcessTemplate
from processes.services.access import may_control
from tasks.admin.lists import ListAdmin
from tasks.admin.words import STATUS_WORDS, block, pretty

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["HistoryAdmin", "ProcessFilter", "StatusFilter", "link_to", "shown_json"]

#: Templates that the filter offers; who has more of them searches.
MOST_OFFERED = 500


class StatusFilter(admin.SimpleListFilter):
    """Filter by one of the model's statuses."""

    title = _("status")
    parameter_name = "status"
    words: ClassVar = STATUS_WORDS

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, "str | _StrPromise"]]:
        """Offer all that there are."""
        statuses = [str(value) for value, _label in model_admin.model._meta.get_field("status").choices]
        return [(status, self.words.get(status, status)) for status in statuses]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Narrow the list."""
        return queryset.filter(status=self.value()) if self.value() else queryset


class ProcessFilter(admin.SimpleListFilter):
    """Filter by the process template."""

    title = _("process")
    parameter_name = "process"
    #: Leads from a row to its template.
    path = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the templates."""
        rows = ProcessTemplate.objects.order_by("title").values_list("slug", "title")
        return [(slug, title or slug) for slug, title in rows[:MOST_OFFERED]]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Narrow the list."""
        return queryset.filter(**{f"{self.path}__slug": self.value()}) if self.value() else queryset


class HistoryAdmin(ListAdmin):
    """Show rows that only the engine writes, to whoever has the permission to view them."""

    class Media:
        css = {"all": ("tasks/admin.css",)}

    def get_fieldsets(self, request: HttpRequest, obj: object = None) -> Any:
        """Show what there is to show."""
        shown = [name for name in self.get_readonly_fields(request, obj) if self._value(obj, name) not in ("", None)]
        return [(None, {"fields": shown})]

    def _value(self, obj: object, name: str) -> object:
        column = getattr(self, name, None)
        return getattr(obj, name, None) if column is None else column(obj)

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> Any:
        """Let nothing be changed."""
        return self.fields or ()


def link_to(request: HttpRequest, *, model: str, pk: object, text: object) -> SafeString | str:
    """Return a link to a row's page in the admin; the text alone where the reader may not look at it."""
    app, _separator, name = model.partition(".")
    allowed = request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}")
    # Whoever may control runs sees them.
    if not allowed and not (model == "processes.run" and may_control(request.user)):
        return str(text)
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{app}_{name}_change", args=(pk,)), text)


def shown_json(value: JSON) -> SafeString | str:
    """Return a JSON value to be read; nothing where there is none."""
    return "" if value is None else block(pretty(redacted(value)))
