"""Jobs in the admin: to find, to look into, to cancel and to replay."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tasks.admin.acting import CANCEL, REPLAY, Verb, viewer_behind
from tasks.admin.filters import CreatedFilter, FunctionFilter, JobStatusFilter, QueueFilter
from tasks.admin.job_rows import JobRows
from tasks.admin.pages import live_address, log_of, related_to
from tasks.admin.troubles import attempts_of, stall_text, traceback_in, without_traceback
from tasks.admin.words import block, held_back, moment, once, pretty, schedule_of
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.models import Job
from tasks.services.replaying import can_replay

__all__ = ["JobAdmin"]

_Fields = tuple[str, ...]


@admin.register(Job)
class JobAdmin(JobRows):
    """List jobs, and show one with its attempts and its log."""

    change_form_template = "tasks/admin/job.html"
    heading = gettext_lazy("Jobs")
    list_display = (
        "title",
        "shown",
        "job_function",
        "job_queue",
        "job_priority",
        "attempts",
        "due",
        "started",
        "duration",
        "owner",
        "job_worker",
    )
    list_filter = (JobStatusFilter, QueueFilter, CreatedFilter, FunctionFilter)

    _SETS: ClassVar[tuple[tuple[Promise | None, _Fields], ...]] = (
        (
            None,
            ("shown", "holding", "job_function", "job_queue", "job_priority", "attempts", "losses_told", "owner",
             "job_worker", "job_id"),
        ),
        (
            gettext_lazy("What came of it"),
            ("error_told", "traceback", "result", "saved_state"),
        ),
        (
            gettext_lazy("What it was given"),
            ("arguments_told", "concurrency", "idempotency", "schedule", "retrying"),
        ),
        (
            gettext_lazy("Times"),
            ("created", "due", "started", "claimed", "leased", "cancel_asked", "finished", "duration", "purged"),
        ),
    )  # fmt: skip
    readonly_fields = tuple(name for _, names in _SETS for name in names)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Job]":
        """Read a job with its tree and its owner."""
        return super().get_queryset(request).select_related("root__owner")

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Show what there is to show; tracebacks to those only who may see jobs."""
        if obj is None:
            return []
        shown: dict[str, object] = {name: getattr(self, name)(obj) for name in self.readonly_fields}
        if not request.user.has_perm("tasks.view_job"):
            shown["traceback"] = ""
        sets = ((label, [name for name in names if shown[name] not in ("", None)]) for label, names in self._SETS)
        return [(label, {"fields": names}) for label, names in sets if names]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add attempts, log and relatives to the page."""
        job: Job = kwargs["obj"]
        sees_trees = request.user.has_perm("tasks.view_taskroot") or request.user.has_perm("tasks.change_taskroot")
        context |= {
            "title": job.root.title,
            "subtitle": None,
            "list_url": "admin:tasks_job_changelist",
            "heading": self.heading,
            "task_title": job.root.title,
            "buttons": self.offered(request, job, _possible(job)),
            "live_address": live_address(viewer_behind(request), job.root),
            "tree_address": reverse("admin:tasks_taskroot_change", args=(job.pk,)) if sees_trees else "",
            "attempts": attempts_of(job, with_tracebacks=request.user.has_perm("tasks.view_job")),
            "log": log_of(job.root),
            "related": related_to(request, job.root),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    # --- fields ------------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("held up by"))
    def holding(self, job: Job) -> str:
        """Say what keeps it from going on."""
        if JobStatus(job.status) in JOB_TERMINAL:
            return ""
        back = held_back(job)
        if back:
            # Workers are free, and pass it over: what a stall would say of it isn't the reason.
            return back
        return once(job, "stall", lambda: stall_text(job.root))

    @admin.display(description=gettext_lazy("workers lost"))
    def losses_told(self, job: Job) -> str:
        """Show how often its worker died, where it did."""
        return str(job.losses) if job.losses else ""

    @admin.display(description=gettext_lazy("id"))
    def job_id(self, job: Job) -> str:
        """Show the id, which its tree has too."""
        return str(job.pk)

    @admin.display(description=gettext_lazy("error"))
    def error_told(self, job: Job) -> SafeString | str:
        """Show what went wrong, without the traceback."""
        told = without_traceback(job.error)
        return block(told or job.root.error) if told or job.root.error else ""

    @admin.display(description=gettext_lazy("traceback"))
    def traceback(self, job: Job) -> SafeString | str:
        """Show where it went wrong."""
        text = traceback_in(job.error)
        return block(text) if text else ""

    @admin.display(description=gettext_lazy("result"))
    def result(self, job: Job) -> SafeString | str:
        """Show what it returned."""
        return "" if job.root.result is None else block(pretty(job.root.result))

    @admin.display(description=gettext_lazy("saved state"))
    def saved_state(self, job: Job) -> SafeString | str:
        """Show what it has saved for its next attempt."""
        return "" if job.saved is None else block(pretty(job.saved))

    @admin.display(description=gettext_lazy("arguments"))
    def arguments_told(self, job: Job) -> SafeString:
        """Show what it was called with."""
        return block(pretty(job.arguments))

    @admin.display(description=gettext_lazy("concurrency key"))
    def concurrency(self, job: Job) -> str:
        """Show the key, and how many jobs of it are worked on at once."""
        if not job.concurrency_key:
            return ""
        text = _("%(key)s, at most %(count)d at once")
        return text % {"key": job.concurrency_key, "count": job.concurrency_limit}

    @admin.display(description=gettext_lazy("idempotency key"))
    def idempotency(self, job: Job) -> str:
        """Show the key."""
        return job.idempotency_key or ""

    @admin.display(description=gettext_lazy("schedule"))
    def schedule(self, job: Job) -> str:
        """Show when its function is enqueued by itself."""
        return schedule_of(job.function)

    @admin.display(description=gettext_lazy("retries"))
    def retrying(self, job: Job) -> str:
        """Show how long it waits between attempts."""
        policy = RetryPolicy.from_json(job.retry)
        if policy.attempts < 2:
            return ""
        kinds = {"fixed": _("always as long"), "linear": _("growing evenly"), "exponential": _("doubling")}
        text = _("after %(delay)s s, %(growth)s, at most %(cap)s s")
        values = {
            "delay": f"{policy.delay_seconds:g}",
            "growth": kinds[policy.backoff],
            "cap": f"{policy.cap_seconds:g}",
        }
        return text % values

    @admin.display(description=gettext_lazy("created"))
    def created(self, job: Job) -> SafeString | str:
        """Show when it was enqueued."""
        return moment(job.created_at)

    @admin.display(description=gettext_lazy("claimed"))
    def claimed(self, job: Job) -> SafeString | str:
        """Show when the present or the last claim began."""
        return moment(job.claimed_at)

    @admin.display(description=gettext_lazy("lease until"))
    def leased(self, job: Job) -> SafeString | str:
        """Show until when its worker is taken to be alive."""
        return moment(job.lease_until)

    @admin.display(description=gettext_lazy("cancel asked for"))
    def cancel_asked(self, job: Job) -> SafeString | str:
        """Show when its end was asked for."""
        return moment(job.cancel_requested_at)

    @admin.display(description=gettext_lazy("ended"))
    def finished(self, job: Job) -> SafeString | str:
        """Show when it ended."""
        return moment(job.finished_at)

    @admin.display(description=gettext_lazy("kept until"))
    def purged(self, job: Job) -> SafeString | str:
        """Show until when it is kept."""
        return moment(job.root.purge_at)


def _possible(job: Job) -> tuple[Verb, ...]:
    if JobStatus(job.status) not in JOB_TERMINAL:
        return (CANCEL,)
    return (REPLAY,) if can_replay(job) else ()
