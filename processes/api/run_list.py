"""Runs over HTTP: found, and started (docs/runs.md)."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import IDEMPOTENCY_KEY, ApiList
from processes.api.bodies import Object, Sent, Text, sent
from processes.api.run_schema import RUN_STATUSES, OpenedSerializer, RunSerializer, row_json
from processes.api.starting import start_as_asked
from processes.services.access import find_executable
from processes.services.errors import SignInRequiredError
from processes.services.indicators import progress_url
from processes.services.run_lists import roots_of_runs
from tasks.api.filtering import ChoicesFilter, TextFilter, YesNoFilter
from tasks.domain.calls import Call, check_key
from tasks.errors import SignInRequired
from tasks.models import TaskRoot
from tasks.services.access import has_authorizer, is_kept_from, owned_by, viewer_of
from tasks.services.functions import RequestContext

__all__ = ["RunList"]

_KEY_HEADER = "Idempotency-Key"


class RunFilter(filters.FilterSet):
    """Narrow a list of runs."""

    status = ChoicesFilter(
        field_name="run__status",
        choices=[(status, status) for status in RUN_STATUSES],
        help_text="One or several statuses.",
    )
    template = TextFilter(field_name="run__template__slug", help_text="The slug of a process.")
    instance = filters.UUIDFilter(field_name="run__instance")
    owner = filters.ChoiceFilter(choices=[("me", "me")], method="of_mine", help_text="Only the caller's own.")
    open = YesNoFilter(field_name="closed", exclude=True, help_text="Whether it has yet to end.")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    def of_mine(self, queryset: "QuerySet[TaskRoot]", name: str, value: str) -> "QuerySet[TaskRoot]":
        """Return the caller's own."""
        request: Any = self.request
        return queryset.filter(owned_by(viewer_of(user=request.user, session=request.session)))


class NewRunSerializer(Sent):
    """Say which process is to run."""

    cure = 'Send {"process": "import", "parameters": {}}.'

    process = Text(allow_blank=False, max_length=50, help_text="The slug of a process that the caller may execute.")
    action = Text(required=False, allow_null=True, allow_blank=False, max_length=200, help_text="Where it enters.")
    parameters = Object(required=False, help_text="The request's parameters; nothing of them is in its data yet.")


class RunList(ApiList):
    """The caller's runs; for staff who may view or control runs, everybody's."""

    queryset = TaskRoot.objects.none()  # for the API's description
    filterset_class = RunFilter
    search_fields = ("title",)
    orderings: ClassVar = {"created_at": "created_at", "title": "title"}

    problem_statuses: ClassVar = {"POST": (404, 405, 422)}

    @extend_schema(operation_id="runs_list", responses=RunSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List runs, the newest first; runs that are parts of others are in no list."""
        page = self.paginate_queryset(self.filter_queryset(roots_of_runs(request.user, session=request.session)))
        if has_authorizer():
            viewer = viewer_of(user=request.user, session=request.session)
            page = [root for root in page if not is_kept_from(viewer, root)]
        return self.get_paginated_response([row_json(root.run) for root in page])

    @extend_schema(
        operation_id="runs_start",
        request=NewRunSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={201: OpenApiResponse(OpenedSerializer, "The run, also where it was started before by this key.")},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Start a process in the background; of one `Idempotency-Key` of a caller's there is one run."""
        key = check_key(request.headers.get(_KEY_HEADER), place=_KEY_HEADER)
        asked = sent(NewRunSerializer, request)
        slug, action, parameters = asked["process"], asked.get("action"), asked.get("parameters", {})
        try:
            template = find_executable(slug=slug, user=request.user)
        except SignInRequiredError as error:
            raise SignInRequired(error.message) from None
        # As calls of it by name: sent there under the same key, it is the same run.
        name = slug if action is None else f"{slug}.{action}"
        context = RequestContext(request._request, request.user, Call(name, parameters, key))
        run_id = start_as_asked(template, action=action, parameters=parameters, context=context, how="api")
        address = reverse("processes-api:run", kwargs={"run_id": run_id})
        return Response({"id": str(run_id), "url": progress_url(run_id)}, status=201, headers={"Location": address})
