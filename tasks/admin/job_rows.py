"""What lists of jobs have in common: who sees them, what is searched, and their columns."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tasks.admin.acting import CANCEL, REPLAY, ActingAdmin, Verb, viewer_behind
from tasks.admin.words import badge, moment, span
from tasks.domain.retry import RetryPolicy
from tasks.models import Job, TaskRoot

__all__ = ["JobRows", "owner_of"]


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


def owner_of(root: TaskRoot) -> str:
    """Return whose a task is, for those who may see everybody's."""
    if root.owner is not None:
        return root.owner.get_username()
    return _("not signed in") if root.session_key else ""
