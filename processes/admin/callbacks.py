"""Callbacks in the admin, with their response store: to find, and to look into. Their tokens are shown to nobody."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.history import HistoryAdmin, ProcessFilter, StatusFilter, link_to, shown_json
from processes.admin.runs.words import CALLBACK_WORDS
from processes.models import Callback, CallbackWaiter
from processes.services.callback_ends import standing_of
from tasks.admin.words import badge, length, moment

MOST_ROWS = 100


class _StatusFilter(StatusFilter):
    words = CALLBACK_WORDS


class _ProcessFilter(ProcessFilter):
    path = "run__template"


@admin.register(Callback)
class CallbackAdmin(HistoryAdmin):
    """List callbacks, and show one with what was reported last and what a query answers."""

    page = "processes_callback_change"
    heading = gettext_lazy("Callbacks")
    change_form_template = "processes/admin/callback.html"
    ordering = ("-created_at",)
    list_display = ("callback_id", "action", "shown", "process", "owner", "created", "expires", "ended")
    list_filter = (_StatusFilter, _ProcessFilter)
    list_select_related = ("run__template", "run__user")
    list_defer = (
        "data", "response", "run__cursor", "run__attributes", "run__request", "run__response", "run__origin",
        "run__error",
    )  # fmt: skip
    search_fields = (
        "action", "run__template__title", "run__template__slug", f"run__user__{get_user_model().USERNAME_FIELD}",
    )  # fmt: skip
    search_help_text = gettext_lazy(
        "Searches anchors, processes and owners for each of the words; an id, or its first 8 digits or more."
    )
    fields = (
        "callback_id", "process", "owner", "action", "shown", "created", "changed", "expires", "ended", "kept",
        "purged", "stores_response", "branches", "begun_with", "last_response", "answer", "files",
    )  # fmt: skip

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the run that it belongs to, and those that wait for its end."""
        row: Callback = kwargs["obj"]
        waiters = CallbackWaiter.objects.filter(callback=row).order_by("id")[:MOST_ROWS]
        context |= {
            "title": _("Callback"),
            "subtitle": row.action,
            "run_link": link_to(request, model="processes.run", pk=row.run_id, text=_("Its run")),
            "waiters": [
                link_to(request, model="processes.run", pk=waiter.run_id, text=waiter.run_id) for waiter in waiters
            ],
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("callback"))
    def callback_id(self, row: Callback) -> str:
        """Show the id, which is no token."""
        return str(row.pk)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def shown(self, row: Callback) -> SafeString:
        """Show the status."""
        return badge(row.status, words=CALLBACK_WORDS)

    @admin.display(description=gettext_lazy("process"))
    def process(self, row: Callback) -> str:
        """Show the process."""
        template = row.run.template
        return row.run.plan_id[:12] if template is None else template.title or template.slug

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, row: Callback) -> str:
        """Show for whom its run works."""
        return _("not signed in") if row.run.user is None else row.run.user.get_username()

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, row: Callback) -> SafeString | str:
        """Show when it was issued."""
        return moment(row.created_at)

    @admin.display(description=gettext_lazy("last report"))
    def changed(self, row: Callback) -> SafeString | str:
        """Show when it moved last."""
        return moment(row.changed_at)

    @admin.display(description=gettext_lazy("times out"), ordering="expires_at")
    def expires(self, row: Callback) -> SafeString | str:
        """Show when it ends by itself."""
        return moment(row.expires_at)

    @admin.display(description=gettext_lazy("ended"), ordering="ended_at")
    def ended(self, row: Callback) -> SafeString | str:
        """Show when it ended."""
        return moment(row.ended_at)

    @admin.display(description=gettext_lazy("kept after its end"))
    def kept(self, row: Callback) -> str:
        """Show for how long it is kept."""
        return length(row.retention)

    @admin.display(description=gettext_lazy("purged"))
    def purged(self, row: Callback) -> SafeString | str:
        """Show from when on it may be purged."""
        return moment(row.purge_at)

    @admin.display(description=gettext_lazy("branches"))
    def branches(self, row: Callback) -> str:
        """Show for which states the anchor has branches."""
        return ", ".join(row.routes)

    @admin.display(description=gettext_lazy("data of the anchor"))
    def begun_with(self, row: Callback) -> SafeString | str:
        """Show what came with the anchor."""
        return shown_json(row.data)

    @admin.display(description=gettext_lazy("stored response"))
    def last_response(self, row: Callback) -> SafeString | str:
        """Show what was stored last."""
        return shown_json(row.response)

    @admin.display(description=gettext_lazy("a query answers"))
    def answer(self, row: Callback) -> SafeString | str:
        """Show both, as a query gives them."""
        return shown_json(standing_of(row).to_json())

    @admin.display(description=gettext_lazy("files"))
    def files(self, row: Callback) -> SafeString:
        """Show the names of the files that responses have brought."""
        names = row.files.order_by("pk").values_list("name")[:MOST_ROWS]
        return format_html_join(", ", "{}", names)
