"""The jobs that were set aside, newest first: to read what went wrong, and to replay."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from tasks.admin.acting import REPLAY
from tasks.admin.filters import FinishedFilter, FunctionFilter, QueueFilter, RepeatedFilter
from tasks.admin.job_rows import JobRows
from tasks.admin.words import moment
from tasks.domain.bounds import shorten
from tasks.models import DeadLetter, Job, TaskRoot
from tasks.services.inspecting import read_repetitions

#: Characters of an error that a row shows.
ERROR_CHARS = 200


@admin.register(DeadLetter)
class DeadLetterAdmin(JobRows):
    """List dead letters; each leads to the page of its job."""

    heading = gettext_lazy("Dead letters")
    verbs = (REPLAY,)
    ordering = ("-finished_at", "-pk")
    list_display = (
        "title", "error_shown", "job_function", "job_queue", "attempts", "set_aside", "owner", "replayed",
    )  # fmt: skip
    list_filter = (RepeatedFilter, QueueFilter, FinishedFilter, FunctionFilter)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[DeadLetter]":
        """Read them with their trees and owners."""
        return super().get_queryset(request).select_related("root__owner")

    def complete_rows(self, rows: list[Any]) -> None:
        """Find out which were replayed."""
        repetitions = read_repetitions(row.pk for row in rows)
        for row in rows:
            row.repeated_by = repetitions.get(row.pk)

    def logged_as(self, obj: Job) -> Job | TaskRoot:
        """Return the job: it is its page that shows what was done."""
        return Job(pk=obj.pk, function=obj.function)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Lead to the page of the job."""
        try:
            return HttpResponseRedirect(self.address_of(uuid.UUID(object_id)))
        except ValueError:
            return super().change_view(request, object_id, form_url, extra_context)

    @admin.display(description=gettext_lazy("error"))
    def error_shown(self, job: DeadLetter) -> SafeString:
        """Show what went wrong, with the error's name: the message of a KeyError says nothing by itself."""
        return format_html('<span class="task-error">{}</span>', shorten(job.root.error, ERROR_CHARS))

    @admin.display(description=gettext_lazy("set aside"), ordering="finished_at")
    def set_aside(self, job: DeadLetter) -> SafeString | str:
        """Show when it was set aside."""
        return moment(job.finished_at)

    @admin.display(description=gettext_lazy("replayed"))
    def replayed(self, job: DeadLetter) -> SafeString | str:
        """Lead to the job that does its work once more."""
        fresh_id: uuid.UUID | None = getattr(job, "repeated_by", None)
        if fresh_id is None:
            return ""
        return format_html('<a href="{}">{}</a>', self.address_of(fresh_id), gettext_lazy("replayed"))
