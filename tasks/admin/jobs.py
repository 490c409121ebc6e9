"""Jobs in the admin: to find, to look into, to cancel and to replay."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tasks.admin.acting import CANCEL, REPLAY, ActingAdmin, Verb, viewer_behind
from tasks.admin.filters import CreatedFilter, FunctionFilter, JobStatusFilter, QueueFilter
from tasks.admin.pages import live_address, log_of, related_to
from tasks.admin.words import OUTCOME_WORDS, badge, block, held_back, moment, once, pretty, schedule_of, span
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.models import Attempt, Job, TaskRoot
from tasks.services.replaying import REPLAYABLE
from tasks.services.stalls import read_stall

__all__ = ["JobAdmin", "JobRows"]

#: Attempts that a page shows, the last ones.
MOST_ATTEMPTS = 100
TRACEBACK = "traceback"

_Fields = tuple[str, ...]


class JobRows(ActingAdmin):
    """Show jobs, in whichever list: who may see jobs, may see each of them."""

    page = "tasks_job_change"
    verbs: tuple[Verb, ...] = (CANCEL, REPLAY)
    list_select_related = ("root", "root__owner")
    list_defer = ("arguments", "saved", "root__output", "root__result", "root__steps", "root__meta")
    search_fields = (
        "root__title",
        "function",
        f"root__owner__{get_user_model().USERNAME_FIELD}",
        "concurrency_key",
        "idempotency_key",
        "root__error",
        "error__message",
    )
    search_help_text = gettext_lazy(
        "Searches titles, functions, owners, keys and errors for each of the words; "
        "an id, or its first 8 digits or more."
    )

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let those see them who may see jobs, or do something with them."""
        return request.user.has_perm("tasks.view_job") or request.user.has_perm("tasks.change_job")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """List them for those who may see them."""
        return self.has_view_permission(request)

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """Let those who may change jobs; cancelling reaches trees, so it takes the right to those as well."""
        if not request.user.has_perm("tasks.change_job"):
            return False
        viewer = viewer_behind(request)
        return verb is not CANCEL or (viewer.sees_all and viewer.changes_all)

    def title_of(self, obj: Job) -> str:
        """Return the job's title."""
        return obj.root.title

    def logged_as(self, obj: Job) -> Job | TaskRoot:
        """Return the job itself."""
        return obj

    # --- columns -----------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("title"))
    def title(self, job: Job) -> str:
        """Show the title, which is the tree's."""
        return job.root.title

    @admin.display(description=gettext_lazy("function"), ordering="function")
    def job_function(self, job: Job) -> str:
        """Show the function's name."""
        return job.function

    @admin.display(description=gettext_lazy("queue"), ordering="queue")
    def job_queue(self, job: Job) -> str:
        """Show the queue."""
        return job.queue

    @admin.display(description=gettext_lazy("priority"), ordering="priority")
    def job_priority(self, job: Job) -> int:
        """Show the priority; higher goes first."""
        return job.priority

    @admin.display(description=gettext_lazy("status"))
    def shown(self, job: Job) -> SafeString:
        """Show the status that clients see."""
        return badge(job.shown_status.value)

    @admin.display(description=gettext_lazy("attempt"))
    def attempts(self, job: Job) -> str:
        """Show how many attempts were begun, and how many there may be."""
        policy = RetryPolicy.from_json(job.retry)
        return _("%(begun)d of %(all)d") % {"begun": job.attempt, "all": policy.attempts}

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, job: Job) -> SafeString | str:
        """Show when it is or was due."""
        return moment(job.due_at)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, job: Job) -> SafeString | str:
        """Show when it began for the first time."""
        return moment(job.started_at)

    @admin.display(description=gettext_lazy("duration"))
    def duration(self, job: Job) -> str:
        """Show how long it took from its first beginning on, or has taken until now."""
        return span(job.started_at, job.finished_at)

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, job: Job) -> str:
        """Show whose it is."""
        return owner_of(job.root)

    @admin.display(description=gettext_lazy("worker"))
    def job_worker(self, job: Job) -> str:
        """Show who holds it, or held it last."""
        return job.worker


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
        status = JobStatus(job.status)
        sees_trees = request.user.has_perm("tasks.view_taskroot") or request.user.has_perm("tasks.change_taskroot")
        context |= {
            "title": job.root.title,
            "subtitle": None,
            "list_url": "admin:tasks_job_changelist",
            "heading": self.heading,
            "task_title": job.root.title,
            "buttons": self.offered(request, job, _possible(status)),
            "live_address": live_address(viewer_behind(request), job.root),
            "tree_address": reverse("admin:tasks_taskroot_change", args=(job.pk,)) if sees_trees else "",
            "attempts": _attempts(job, with_tracebacks=request.user.has_perm("tasks.view_job")),
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


def owner_of(root: TaskRoot) -> str:
    """Return whose a task is, for those who may see everybody's."""
    if root.owner is not None:
        return root.owner.get_username()
    return _("not signed in") if root.session_key else ""


def stall_text(root: TaskRoot) -> str:
    """Return what keeps a task from going on; empty where nothing does."""
    stall = None if root.closed else read_stall(root.pk)
    return "" if stall is None else stall.text


def traceback_in(error: object) -> str:
    """Return the traceback that an error was stored with; empty without one."""
    return str(error.get(TRACEBACK) or "") if isinstance(error, Mapping) else ""


def without_traceback(error: object) -> str:
    """Return what an error says: its message and its code, and what else is known as JSON."""
    if error is None:
        return ""
    if not isinstance(error, Mapping):
        return pretty(error)  # type: ignore[arg-type]
    known = {key: value for key, value in error.items() if key != TRACEBACK}
    message, code = known.pop("message", ""), known.pop("code", "")
    first = f"{message} ({code})" if message and code else str(message or code)
    return "\n".join(part for part in (first, pretty(known) if known else "") if part)


def _possible(status: JobStatus) -> tuple[Verb, ...]:
    if status not in JOB_TERMINAL:
        return (CANCEL,)
    return (REPLAY,) if status in REPLAYABLE else ()


def _attempts(job: Job, *, with_tracebacks: bool) -> list[dict[str, object]]:
    rows = Attempt.objects.filter(job_id=job.pk).order_by("-pk")[:MOST_ATTEMPTS]
    return [
        {
            "number": attempt.number,
            "kind": attempt.outcome,
            "outcome": OUTCOME_WORDS.get(attempt.outcome, attempt.outcome),
            "worker": attempt.worker,
            "began": moment(attempt.started_at),
            "ended": moment(attempt.ended_at),
            "error": without_traceback(attempt.error),
            "traceback": traceback_in(attempt.error) if with_tracebacks else "",
        }
        for attempt in reversed(rows)
    ]
