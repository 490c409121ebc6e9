"""The list of background runs, and the page of one: how it stands, and buttons for what can be done with it."""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.history import HistoryAdmin, ProcessFilter, StatusFilter, link_to, shown_json
from processes.admin.runs.bulk import RunsInBulk
from processes.admin.runs.deeds import PAGES, DeedPage, serve
from processes.admin.runs.filters import PartFilter, WhyFilter
from processes.admin.runs.page import (
    audit_address,
    callbacks_of,
    checkpoints_of,
    children_of,
    data_of,
    executions_of,
    forms_of,
    messages_of,
    plan_names,
    whole_number,
)
from processes.admin.runs.words import error_message, waiting_text, why_text
from processes.domain.deeds import Deed
from processes.models import Run
from processes.services.access import may_control
from processes.services.deeds import deeds_for
from processes.services.standing import why_waiting
from tasks.admin.acting import viewer_behind
from tasks.admin.pages import live_address
from tasks.admin.words import badge, moment, once, span


@admin.register(Run)
class RunAdmin(RunsInBulk, HistoryAdmin):
    """List background runs, and show one with where it has been, its data, its inbox and what belongs to it."""

    page = "processes_run_change"
    heading = gettext_lazy("Runs")
    change_form_template = "processes/admin/runs/run.html"
    ordering = ("-created_at",)
    list_display = ("title", "shown", "stands", "owner", "created", "took")
    list_filter = (StatusFilter, WhyFilter, ProcessFilter, PartFilter)
    list_select_related = ("template", "user", "root")
    list_defer = (
        "cursor", "attributes", "request", "response", "origin", "root__output", "root__result", "root__meta",
        "fan_out__input", "fan_out__authority",
    )  # fmt: skip
    search_fields = (
        "root__title",
        "template__title",
        "template__slug",
        f"user__{get_user_model().USERNAME_FIELD}",
        "=plan__hash",
        "error__code",
        "error__message",
    )
    search_help_text = gettext_lazy(
        "Searches titles, processes, owners and errors for each of the words; an id, or its first 8 digits or more."
    )
    fields = (
        "run_id", "process", "instance", "plan_named", "shown", "why", "owner", "waits_besides", "waiting",
        "paused_told", "error_told", "ordinal", "created", "ended",
    )  # fmt: skip

    class Media:
        css = {"all": ("processes/runs.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Run]":
        """Read a run with its tree and what it is a part of."""
        return super().get_queryset(request).select_related("root", "template", "user", "fan_out")

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Show runs to those who may see them, or control them."""
        return super().has_view_permission(request, obj) or may_control(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """List them for those who may see them, or control them."""
        return super().has_module_permission(request) or may_control(request.user)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of deeds, below the run's own address."""
        own = [
            path(f"<uuid:run_id>/{page.name}/", self.admin_site.admin_view(self._serve(page)), name=page.url_name)
            for page in PAGES.values()
        ]
        return [*own, *super().get_urls()]

    def _serve(self, page: DeedPage) -> Callable[[HttpRequest, uuid.UUID], HttpResponseBase]:
        def view(request: HttpRequest, run_id: uuid.UUID) -> HttpResponseBase:
            return serve(page, request, run_id, self)

        return view

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add to the page what can be done, and what belongs to the run."""
        run: Run = kwargs["obj"]
        site = self.admin_site.name
        possible = deeds_for(run) if may_control(request.user) else []
        checkpoints, more_before = checkpoints_of(run, before=whole_number(request.GET.get("before")))
        context |= {
            "title": _("Run"),
            "subtitle": run.root.title or str(run.pk),
            "run": run,
            "buttons": [(PAGES[deed], PAGES[deed].address(run.pk, site)) for deed in possible],
            "rewind_address": PAGES[Deed.REWIND].address(run.pk, site) if Deed.REWIND in possible else "",
            "edit_address": PAGES[Deed.EDIT].address(run.pk, site) if Deed.EDIT in possible else "",
            "job_link": link_to(request, model="tasks.job", pk=run.pk, text=_("Its job")),
            "tree_link": link_to(request, model="tasks.taskroot", pk=run.pk, text=_("Its task tree")),
            "live_address": live_address(viewer_behind(request), run.root),
            "audit_address": audit_address(request, run, site=site),
            "executions": executions_of(request, run),
            "checkpoints": checkpoints,
            "more_before": more_before,
            "messages_told": messages_of(run),
            "forms": forms_of(run),
            "callbacks": callbacks_of(request, run),
            **data_of(run),
            **children_of(request, run, page=whole_number(request.GET.get("children"), default=1) or 1),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("run"))
    def title(self, run: Run) -> SafeString:
        """Show what it is called, and its process where that is called otherwise."""
        process = self.process(run)
        title = run.root.title or process
        return format_html("{}{}", title, "" if process == title else format_html("<small>{}</small>", process))

    @admin.display(description=gettext_lazy("id"))
    def run_id(self, run: Run) -> str:
        """Show the id."""
        return str(run.pk)

    @admin.display(description=gettext_lazy("process"))
    def process(self, run: Run) -> str:
        """Show the process."""
        return run.plan_id[:12] if run.template is None else run.template.title or run.template.slug

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def shown(self, run: Run) -> SafeString:
        """Show the status."""
        return badge(run.status)

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, run: Run) -> str:
        """Show for whom it works."""
        return _("not signed in") if run.user is None else run.user.get_username()

    @admin.display(description=gettext_lazy("waits for, or failed with"), empty_value="")
    def stands(self, run: Run) -> SafeString | str:
        """Show in words why it doesn't go on."""
        error = error_message(run.error)
        return format_html('<span class="task-error">{}</span>', error) if error else waiting_text(run.waiting_for)

    @admin.display(description=gettext_lazy("why it doesn't move"))
    def why(self, run: Run) -> str:
        """Say why it doesn't move, where it doesn't."""
        return _reason(run)[1]

    @admin.display(description=gettext_lazy("waits for"))
    def waits_besides(self, run: Run) -> str:
        """Show what it will wait for again, where that isn't why it doesn't move now."""
        code = run.waiting_for.get("code") if isinstance(run.waiting_for, dict) else None
        return "" if _reason(run)[0] == code else waiting_text(run.waiting_for)

    @admin.display(description=gettext_lazy("plan"))
    def plan_named(self, run: Run) -> str:
        """Show which version of the process it goes by."""
        return once(run, "plan", lambda: _plan(run))

    @admin.display(description=gettext_lazy("paused"))
    def paused_told(self, run: Run) -> str:
        """Say who has paused it, and since when."""
        if not isinstance(run.paused, dict):
            return ""
        return _("by %(who)s, since %(when)s UTC") % {
            "who": run.paused.get("by") or "?",
            "when": str(run.paused.get("since", ""))[:16].replace("T", " "),
        }

    @admin.display(description=gettext_lazy("what it waits for"))
    def waiting(self, run: Run) -> SafeString | str:
        """Show all that is known of why it doesn't go on."""
        return shown_json(run.waiting_for)

    @admin.display(description=gettext_lazy("error"))
    def error_told(self, run: Run) -> SafeString | str:
        """Say what went wrong; all that is known of it is unfolded below."""
        if run.error is None:
            return ""
        return format_html(
            '<p class="task-error">{}</p><details><summary>{}</summary>{}</details>',
            error_message(run.error) or _("It says nothing."),
            _("All that is known of it"),
            shown_json(run.error),
        )

    @admin.display(description=gettext_lazy("began"), ordering="created_at")
    def created(self, run: Run) -> SafeString | str:
        """Show when it began."""
        return moment(run.created_at)

    @admin.display(description=gettext_lazy("ended"), ordering="finished_at")
    def ended(self, run: Run) -> SafeString | str:
        """Show when it ended."""
        return moment(run.finished_at)

    @admin.display(description=gettext_lazy("took"))
    def took(self, run: Run) -> str:
        """Show how long it took from its beginning on, or has taken until now."""
        return span(run.created_at, run.finished_at)


def _reason(run: Run) -> tuple[str, str]:
    """Return code and sentence of why a run doesn't move; asked for once for each run."""
    known: tuple[str, str] | None = run.__dict__.get("_reason")
    if known is None:
        why = why_waiting(run)
        known = run.__dict__["_reason"] = ("", "") if why is None else (why.code, why_text(why))
    return known


def _plan(run: Run) -> str:
    name = plan_names(run.template, [run.plan_id])[run.plan_id]
    return name if name == run.plan_id[:12] else f"{name} ({run.plan_id[:12]})"
