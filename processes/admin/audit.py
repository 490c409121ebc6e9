"""The audit log in the admin: to search and to read."""

import json
import uuid
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.records import ReadOnlyAdmin
from processes.models import AuditEntry


class ActionFilter(admin.SimpleListFilter):
    """Filter by what was done: by one action, or by all those of one subject (`template.…`)."""

    title = gettext_lazy("action")
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Offer what the log holds."""
        actions = sorted(AuditEntry.objects.order_by().values_list("action", flat=True).distinct())
        subjects = dict.fromkeys(action.partition(".")[0] for action in actions)
        return [(f"{subject}.", _("%(subject)s: all") % {"subject": subject}) for subject in subjects] + [
            (action, action) for action in actions
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(action__startswith=value) if value.endswith(".") else queryset.filter(action=value)


class KindFilter(admin.SimpleListFilter):
    """Filter by what it was done to."""

    title = gettext_lazy("subject")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Offer what the log holds."""
        kinds = AuditEntry.objects.order_by().values_list("subject_kind", flat=True).distinct()
        return sorted(((kind, _spoken(kind)) for kind in kinds), key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        return queryset.filter(subject_kind=self.value()) if self.value() else queryset


class BorrowedFilter(admin.SimpleListFilter):
    """Filter by whose authority it was done under."""

    title = gettext_lazy("authority")
    parameter_name = "authority"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Offer the two."""
        return [("own", _("the actor's own")), ("lent", _("somebody else's"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Narrow the list."""
        if self.value() == "own":
            return queryset.filter(authority_id="")
        return queryset.exclude(authority_id="") if self.value() == "lent" else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Search the log of who did what, under whose authority; nobody changes it."""

    list_display = ("time", "action", "actor", "authority", "subject")
    list_filter = (ActionFilter, BorrowedFilter, KindFilter)
    search_fields = ("=actor_name", "=authority_name", "subject_name", "=subject_id", "=action")
    search_help_text = gettext_lazy("A user's name, a thing's name or id, or an action such as run.started")
    date_hierarchy = "at"
    show_full_result_count = False
    fields = ("time", "action", "actor", "authority", "subject", "plan_hash", "told")
    readonly_fields = fields

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str) -> Any:
        """Find an id in the form in which pages show it."""
        with suppress(ValueError):
            search_term = uuid.UUID(search_term.strip()).hex
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("time (UTC)"), ordering="id")
    def time(self, entry: AuditEntry) -> SafeString:
        """Show the second."""
        return format_html('<span class="nowrap">{}</span>', f"{entry.at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description=gettext_lazy("who"), ordering="actor_name")
    def actor(self, entry: AuditEntry) -> str:
        """Show who acted."""
        return entry.actor_name or (_("user %(id)s") % {"id": entry.actor_id} if entry.actor_id else _("not signed in"))

    @admin.display(description=gettext_lazy("rights of"), empty_value="", ordering="authority_name")
    def authority(self, entry: AuditEntry) -> str:
        """Show whose authority it was, where it wasn't the actor's own."""
        return entry.authority_name or entry.authority_id

    @admin.display(description=gettext_lazy("subject"), ordering="subject_name")
    def subject(self, entry: AuditEntry) -> str:
        """Show kind, name and id of the subject."""
        name = entry.subject_name or entry.subject_id
        return f"{_spoken(entry.subject_kind)} {name}".strip()

    @admin.display(description=gettext_lazy("details"))
    def told(self, entry: AuditEntry) -> SafeString:
        """Show the details as JSON, and the subject's id."""
        shown = {**entry.details, "id": entry.subject_id} if entry.subject_id else entry.details
        return format_html("<pre>{}</pre>", json.dumps(shown, ensure_ascii=False, indent=2))


def _spoken(kind: str) -> str:
    """Return a kind of subject in words: the log holds the names of models."""
    try:
        return str(apps.get_model("processes", kind)._meta.verbose_name)
    except LookupError:
        return kind
