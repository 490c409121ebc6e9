"""Jobs over HTTP: find them, look into them, cancel them, do them once more."""

import uuid
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.api.base import ApiList, ApiView
from tasks.api.filtering import ChoicesFilter, TextFilter, YesNoFilter
from tasks.api.views import CancelSerializer, reason_in
from tasks.domain.statuses import JobStatus
from tasks.errors import NotAllowed, TaskNotFound
from tasks.models import Attempt, TaskRoot
from tasks.services.access import Viewer, find_root, has_authorizer, is_kept_from, owned_by, owns, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.lists import with_status
from tasks.services.replaying import replay

__all__ = ["JobCancellation", "JobDetail", "JobList", "JobReplay"]

_STATUSES = [status.value for status in JobStatus]
#: Attempts that are told, the last ones.
_MOST_ATTEMPTS = 100
_TRACEBACK = "traceback"


class JobFilter(filters.FilterSet):
    """Narrow a list of jobs."""

    status = ChoicesFilter(
        choices=[(status, status) for status in _STATUSES], method="of_status", help_text="One or several statuses."
    )
    function = TextFilter(field_name="job__function", help_text="The name of the registered function.")
    queue = TextFilter(field_name="job__queue")
    open = YesNoFilter(field_name="closed", exclude=True, help_text="Whether it has yet to end.")
    mine = YesNoFilter(method="of_mine", help_text="Only the caller's own, where they see others' too.")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    def of_status(self, queryset: "QuerySet[TaskRoot]", name: str, value: list[str]) -> "QuerySet[TaskRoot]":
        """Return those that show one of the statuses."""
        return with_status(queryset, frozenset(value))

    def of_mine(self, queryset: "QuerySet[TaskRoot]", name: str, value: bool) -> "QuerySet[TaskRoot]":
        """Return the caller's own."""
        return queryset.filter(owned_by(_viewer(self.request))) if value else queryset


class JobSerializer(serializers.Serializer):
    """Describe a job by its root and its row."""

    id = serializers.UUIDField(source="pk", help_text="The id of its task, by which it is followed.")
    function = serializers.CharField(source="job.function")
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=_STATUSES, source="shown_status")
    queue = serializers.CharField(source="job.queue")
    priority = serializers.IntegerField(source="job.priority")
    attempt = serializers.IntegerField(source="job.attempt", help_text="Attempts begun so far.")
    current = serializers.FloatField(allow_null=True)
    total = serializers.FloatField(allow_null=True)
    message = serializers.CharField()
    error = serializers.CharField(help_text="What went wrong; empty where nothing did.")
    is_owner = serializers.SerializerMethodField()
    parent = serializers.UUIDField(source="parent_id", allow_null=True, help_text="The task that started it.")
    previous = serializers.UUIDField(source="previous_id", allow_null=True, help_text="The job that it repeats.")
    created_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField(source="job.due_at")
    started_at = serializers.DateTimeField(source="job.started_at", allow_null=True)
    finished_at = serializers.DateTimeField(source="job.finished_at", allow_null=True)

    def get_is_owner(self, root: TaskRoot) -> bool:
        """Tell whether it is the caller's."""
        return owns(self.context["viewer"], root)


class AttemptSerializer(serializers.Serializer):
    """Describe an attempt that came to no good end."""

    number = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=Attempt.Outcome.values)
    error = serializers.SerializerMethodField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField()

    @extend_schema_field(serializers.JSONField(help_text="With its traceback for staff only."))
    def get_error(self, attempt: Attempt) -> Any:
        """Return what went wrong."""
        error = attempt.error
        if isinstance(error, dict) and not self.context["tells_tracebacks"]:
            return {key: value for key, value in error.items() if key != _TRACEBACK}
        return error


class JobDetailSerializer(JobSerializer):
    """Describe a job whole."""

    arguments = serializers.JSONField(source="job.arguments")
    result = serializers.JSONField()
    meta = serializers.JSONField()
    attempts = serializers.SerializerMethodField()
    concurrency_key = serializers.CharField(source="job.concurrency_key")
    idempotency_key = serializers.CharField(source="job.idempotency_key", allow_null=True)

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, root: TaskRoot) -> Any:
        """Return the last attempts that came to no good end, in their order."""
        rows = Attempt.objects.filter(job_id=root.pk).order_by("-pk")[:_MOST_ATTEMPTS]
        return AttemptSerializer(list(reversed(rows)), many=True, context=self.context).data


class StatusSerializer(serializers.Serializer):
    """Say how a task stands after it was asked to end."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=_STATUSES)


class StartedSerializer(serializers.Serializer):
    """Name a job that was started."""

    job_id = serializers.UUIDField()


class JobList(ApiList):
    """The caller's jobs, and shared ones; for staff who may view tasks, everybody's."""

    queryset = TaskRoot.objects.none()  # for the API's description
    filterset_class = JobFilter
    search_fields = ("title", "job__function")
    orderings: ClassVar = {
        "created_at": "created_at",
        "title": "title",
        "priority": "job__priority",
        "due_at": "job__due_at",
    }

    @extend_schema(operation_id="jobs_list", responses=JobSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List jobs, the newest first."""
        viewer = _viewer(request)
        page = self.paginate_queryset(self.filter_queryset(_visible(viewer)))
        if has_authorizer():
            page = [root for root in page if not is_kept_from(viewer, root)]
        return self.get_paginated_response(JobSerializer(page, many=True, context={"viewer": viewer}).data)


class JobDetail(ApiView):
    """One job."""

    @extend_schema(operation_id="jobs_get", responses=JobDetailSerializer)
    def get(self, request: Request, job_id: uuid.UUID) -> Response:
        """Return a job, with its arguments, its result and its failed attempts."""
        viewer = _viewer(request)
        root = _find(viewer, job_id)
        context = {"viewer": viewer, "tells_tracebacks": viewer.sees_all and request.user.has_perm("tasks.view_job")}
        return Response(JobDetailSerializer(root, context=context).data)


class JobCancellation(ApiView):
    """The end of a job, asked for."""

    @extend_schema(operation_id="jobs_cancel", request=CancelSerializer, responses={202: StatusSerializer})
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Ask for a job's end: what waits ends at once, what is at work stops where it next looks."""
        viewer = _viewer(request)
        _find(viewer, job_id)
        status = request_cancel(root_id=job_id, viewer=viewer, reason=reason_in(request))
        return Response({"id": str(job_id), "status": status.value}, status=202)


class JobReplay(ApiView):
    """Another go at a job that came to no good end."""

    @extend_schema(
        operation_id="jobs_replay", request=None, responses={201: OpenApiResponse(StartedSerializer, "The new job.")}
    )
    def post(self, request: Request, job_id: uuid.UUID) -> Response:
        """Do a job once more that has failed, was set aside or cancelled; for staff who may change tasks."""
        viewer = _viewer(request)
        _find(viewer, job_id)
        if not viewer.changes_all:
            raise NotAllowed
        fresh = replay(job_id, by=viewer)
        return Response({"job_id": str(fresh.root_id)}, status=201)


def _viewer(request: Any) -> Viewer:
    return viewer_of(user=request.user, session=request.session)


def _visible(viewer: Viewer) -> "QuerySet[TaskRoot]":
    roots = TaskRoot.objects.filter(job__isnull=False, request_scoped=False).select_related("job")
    return roots if viewer.sees_all else roots.filter(owned_by(viewer) | Q(shared=True, is_part=False))


def _find(viewer: Viewer, job_id: uuid.UUID) -> TaskRoot:
    """Return a job's root; raises TaskNotFound for a tree without a job too."""
    root = find_root(viewer, job_id)
    if getattr(root, "job", None) is None:
        raise TaskNotFound
    return root
