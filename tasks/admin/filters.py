"""By what the lists of tasks are narrowed down."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.admin.words import KIND_WORDS, STATUS_WORDS
from tasks.domain.statuses import JOB_CLAIMABLE, JobStatus
from tasks.models import Job, TaskRoot
from tasks.registry import jobs
from tasks.services.inspecting import KINDS, job_shows, kind_is, root_shows

__all__ = [
    "CreatedFilter",
    "FinishedFilter",
    "FunctionFilter",
    "JobStatusFilter",
    "KindFilter",
    "QueueFilter",
    "RepeatedFilter",
    "SharedFilter",
    "TreeStatusFilter",
]

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Choices = list[tuple[str, "str | _StrPromise"]]


class _Filter(admin.SimpleListFilter):
    """Offer choices, and narrow the list by one of them; what isn't offered narrows nothing."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Narrow the list."""
        value = self.value()
        return queryset if value is None else queryset.filter(self.condition(value))

    def value(self) -> str | None:
        """Return what is chosen, if it is one of the choices."""
        value = super().value()
        return value if value in {str(key) for key, _label in self.lookup_choices} else None

    def condition(self, value: str) -> Q:
        """Return the condition for a choice."""
        raise NotImplementedError


class JobStatusFilter(_Filter):
    """Filter jobs by the status that is shown of them."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer every status of a job."""
        return [(status.value, STATUS_WORDS[status.value]) for status in JobStatus]

    def condition(self, value: str) -> Q:
        """Return the condition for a status."""
        return job_shows(value)


class TreeStatusFilter(JobStatusFilter):
    """Filter trees by the status that is shown of them, with a job or without."""

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer what a tree that waits for its writer shows, too."""
        return [("created", STATUS_WORDS["created"]), *super().lookups(request, model_admin)]

    def condition(self, value: str) -> Q:
        """Return the condition for a status."""
        return root_shows(value)


class QueueFilter(_Filter):
    """Filter jobs by their queue."""

    title = _("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer the declared queues, and those in which something waits to be claimed: an index knows them."""
        claimable = [status.value for status in JOB_CLAIMABLE]
        waiting = Job.objects.filter(status__in=claimable, blocked_by="").order_by().values_list("queue", flat=True)
        declared = {spec.queue for spec in jobs.specs().values() if spec.queue}
        known = {*getattr(settings, "STEPLINE_QUEUES", ()), *declared, *waiting.distinct()}
        return _named(known)

    def condition(self, value: str) -> Q:
        """Return the condition for a queue."""
        return Q(queue=value)


class FunctionFilter(_Filter):
    """Filter jobs by their function: those that are registered here. Others are found by searching."""

    title = _("function")
    parameter_name = "function"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer the registered functions."""
        return _named(jobs.names())

    def condition(self, value: str) -> Q:
        """Return the condition for a function."""
        return Q(function=value)


class CreatedFilter(_Filter):
    """Filter by the time of creation."""

    title = _("created")
    parameter_name = "created"
    column = "created_at"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer some spans up to now."""
        return [
            ("1h", _("in the last hour")),
            ("24h", _("in the last 24 hours")),
            ("168h", _("in the last 7 days")),
            ("720h", _("in the last 30 days")),
        ]

    def condition(self, value: str) -> Q:
        """Return the condition for a span."""
        return Q(**{f"{self.column}__gte": timezone.now() - timedelta(hours=int(value.removesuffix("h")))})


class FinishedFilter(CreatedFilter):
    """Filter by the time of the end."""

    title = _("set aside")
    parameter_name = "finished"
    column = "finished_at"


class KindFilter(_Filter):
    """Filter trees by what works on them."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer the kinds."""
        return [(kind, KIND_WORDS[kind]) for kind in KINDS]

    def condition(self, value: str) -> Q:
        """Return the condition for a kind."""
        return next(kind_is(kind) for kind in KINDS if kind == value)


class SharedFilter(_Filter):
    """Filter trees by whether everybody who is allowed may follow them."""

    title = _("shared")
    parameter_name = "shared"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer the two."""
        return [("yes", _("shared")), ("no", _("their owner's only"))]

    def condition(self, value: str) -> Q:
        """Return the condition for one of them."""
        return Q(shared=value == "yes")


class RepeatedFilter(_Filter):
    """Filter dead letters by whether somebody has replayed them."""

    title = _("replayed")
    parameter_name = "replayed"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        """Offer the two."""
        return [("no", _("not yet")), ("yes", _("replayed"))]

    def condition(self, value: str) -> Q:
        """Return the condition for one of them."""
        repeated = Q(Exists(TaskRoot.objects.filter(previous_id=OuterRef("pk"))))
        return repeated if value == "yes" else ~repeated


def _named(names: Iterable[str]) -> Choices:
    return [(name, name) for name in sorted(names)]
