"""Task trees in the admin, whoever works on them: to find, to look into and to cancel."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from tasks.admin.acting import CANCEL, ActingAdmin, Verb, viewer_behind
from tasks.admin.filters import CreatedFilter, KindFilter, SharedFilter, TreeStatusFilter
from tasks.admin.job_rows import owner_of
from tasks.admin.pages import live_address, log_of, related_to, tree_rows
from tasks.admin.troubles import stall_text
from tasks.admin.words import KIND_WORDS, badge, block, moment, once, pretty, span
from tasks.models import Job, TaskRoot
from tasks.services.inspecting import kind_of, read_input
from tasks.services.overview import read_percentages
from tasks.services.reading import read_snapshot

__all__ = ["TaskTreeAdmin"]


@admin.register(TaskRoot)
class TaskTreeAdmin(ActingAdmin):
    """List task trees but for those of requests, and show one with its nodes and its log."""

    page = "tasks_taskroot_change"
    heading = gettext_lazy("Task trees")
    change_form_template = "tasks/admin/tree.html"
    verbs = (CANCEL,)
    list_display = ("title_shown", "shown", "percent", "whose", "sharing", "kind", "created", "ended")
    list_filter = (TreeStatusFilter, KindFilter, CreatedFilter, SharedFilter)
    list_select_related = ("owner", "job", "celery_task")
    list_defer = (
        "output", "result", "meta", "job__arguments", "job__saved", "job__error", "celery_task__plan",
    )  # fmt: skip
    search_fields = (
        "title",
        "error",
        f"owner__{get_user_model().USERNAME_FIELD}",
        "job__function",
        "job__concurrency_key",
        "job__idempotency_key",
        "celery_task__name",
        "celery_task__task_id",
    )
    search_help_text = gettext_lazy(
        "Searches titles, errors, owners, functions and keys of jobs, names and ids of Celery tasks for each of the "
        "words; an id, or its first 8 digits or more."
    )
    _FIELDS = (
        "shown", "holding", "percent", "whose", "sharing", "kind", "celery_told", "error_told", "result_told",
        "input_told", "created", "started", "ended", "duration", "cancel_asked", "leased", "purged", "task_id",
    )  # fmt: skip
    readonly_fields = _FIELDS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[TaskRoot]":
        """Leave out the trees of requests, which belong to one client and are soon forgotten."""
        return super().get_queryset(request).filter(request_scoped=False).select_related(*self.list_select_related)

    def without_parts(self, rows: "QuerySet[TaskRoot]") -> "QuerySet[TaskRoot]":
        """Leave out parts, of which a task may have many thousands."""
        return rows.filter(is_part=False)

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """Let those who may change everybody's tasks."""
        viewer = viewer_behind(request)
        return viewer.sees_all and viewer.changes_all

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let those see them who may see everybody's tasks, or do something with them."""
        return request.user.has_perm("tasks.view_taskroot") or request.user.has_perm("tasks.change_taskroot")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """List them for those who may see them."""
        return self.has_view_permission(request)

    def title_of(self, obj: TaskRoot) -> str:
        """Return the tree's title."""
        return obj.title

    def logged_as(self, obj: TaskRoot) -> Job | TaskRoot:
        """Return the tree itself."""
        return obj

    def complete_rows(self, rows: list[Any]) -> None:
        """Find out how far each is."""
        shares = read_percentages(rows)
        for row in rows:
            row.shown_percent = shares.get(row.pk)

    def get_fieldsets(self, request: HttpRequest, obj: TaskRoot | None = None) -> Any:
        """Show what there is to show."""
        if obj is None:
            return []
        self.complete_rows([obj])
        return [(None, {"fields": [name for name in self._FIELDS if getattr(self, name)(obj) not in ("", None)]})]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add tree, log and relatives to the page."""
        root: TaskRoot = kwargs["obj"]
        rows, left = tree_rows(read_snapshot(root.pk).tree)
        sees_jobs = request.user.has_perm("tasks.view_job") or request.user.has_perm("tasks.change_job")
        context |= {
            "title": root.title,
            "subtitle": None,
            "list_url": "admin:tasks_taskroot_changelist",
            "heading": self.heading,
            "task_title": root.title,
            "buttons": self.offered(request, root, () if root.closed else (CANCEL,)),
            "live_address": live_address(viewer_behind(request), root),
            "job_address": (
                reverse("admin:tasks_job_change", args=(root.pk,)) if kind_of(root) == "job" and sees_jobs else ""
            ),
            "rows": rows,
            "left": left,
            "log": log_of(root),
            "related": related_to(request, root),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # --- columns and fields ------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("title"))
    def title_shown(self, root: TaskRoot) -> str:
        """Show the title."""
        return root.title

    @admin.display(description=gettext_lazy("status"))
    def shown(self, root: TaskRoot) -> SafeString:
        """Show the status that clients see."""
        return badge(root.shown_status)

    @admin.display(description=gettext_lazy("progress"))
    def percent(self, root: TaskRoot) -> SafeString | str:
        """Show how far it is, where that is known."""
        share: float | None = getattr(root, "shown_percent", None)
        if share is None:
            return ""
        return format_html('<progress class="task-progress" max="100" value="{0}"></progress> {0} %', f"{share:.0f}")

    @admin.display(description=gettext_lazy("owner"))
    def whose(self, root: TaskRoot) -> str:
        """Show whose it is."""
        return owner_of(root)

    @admin.display(description=gettext_lazy("shared"), boolean=True)
    def sharing(self, root: TaskRoot) -> bool:
        """Show whether everybody who is allowed may follow it."""
        return root.shared

    @admin.display(description=gettext_lazy("kind"))
    def kind(self, root: TaskRoot) -> str:
        """Show what works on it."""
        return str(KIND_WORDS[kind_of(root)])

    @admin.display(description=gettext_lazy("created"), ordering="pk")
    def created(self, root: TaskRoot) -> SafeString | str:
        """Show when it was created."""
        return moment(root.created_at)

    @admin.display(description=gettext_lazy("started"))
    def started(self, root: TaskRoot) -> SafeString | str:
        """Show when it began."""
        return moment(root.started_at)

    @admin.display(description=gettext_lazy("ended"), ordering="finished_at")
    def ended(self, root: TaskRoot) -> SafeString | str:
        """Show when it ended."""
        return moment(root.finished_at)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, root: TaskRoot) -> str:
        """Show how long it took, or has taken until now."""
        return span(root.started_at, root.finished_at)

    @admin.display(description=gettext_lazy("held up by"))
    def holding(self, root: TaskRoot) -> str:
        """Say what keeps it from going on; of a job, its own page says more."""
        return once(root, "stall", lambda: stall_text(root))

    @admin.display(description=gettext_lazy("Celery task"))
    def celery_told(self, root: TaskRoot) -> str:
        """Show which Celery task it is, and where it runs."""
        found = getattr(root, "celery_task", None)
        if found is None:
            return ""
        return ", ".join(part for part in (found.name, found.task_id, found.worker) if part)

    @admin.display(description=gettext_lazy("error"))
    def error_told(self, root: TaskRoot) -> SafeString | str:
        """Show what went wrong."""
        return block(root.error) if root.error else ""

    @admin.display(description=gettext_lazy("result"))
    def result_told(self, root: TaskRoot) -> SafeString | str:
        """Show what came of it."""
        return "" if root.result is None else block(pretty(root.result))

    @admin.display(description=gettext_lazy("input"))
    def input_told(self, root: TaskRoot) -> SafeString | str:
        """Show what it began with."""
        return once(root, "input", lambda: _input_of(root))

    @admin.display(description=gettext_lazy("cancel asked for"))
    def cancel_asked(self, root: TaskRoot) -> SafeString | str:
        """Show when its end was asked for."""
        job, celery_task = getattr(root, "job", None), getattr(root, "celery_task", None)
        for asked in (root, job, celery_task):
            if asked is not None and asked.cancel_requested_at is not None:
                return moment(asked.cancel_requested_at)
        return ""

    @admin.display(description=gettext_lazy("lease until"))
    def leased(self, root: TaskRoot) -> SafeString | str:
        """Show until when its writer is taken to be alive."""
        return "" if root.closed else moment(root.lease_until)

    @admin.display(description=gettext_lazy("kept until"))
    def purged(self, root: TaskRoot) -> SafeString | str:
        """Show until when it is kept."""
        return moment(root.purge_at)

    @admin.display(description=gettext_lazy("id"))
    def task_id(self, root: TaskRoot) -> str:
        """Show the id."""
        return str(root.pk)


def _input_of(root: TaskRoot) -> str:
    given = read_input(root.pk)
    return "" if given in (None, {}) else block(pretty(given))
