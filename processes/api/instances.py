"""Process instances over HTTP: found, created, looked at, executed (docs/instances.md).

The same people may do the same as on the pages, and for everybody else there is no such instance.
"""

import uuid
from typing import Any, ClassVar, Final

from django.db.models import Q
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import PAGE, ApiView, page_of
from processes.api.bodies import Object, Sent, Text, bad_request, sent
from processes.api.instance_answers import (
    PAGE_ROWS,
    answer_json,
    create_as_asked,
    event_json,
    instance_json,
    row_json,
    signed_in,
    waiting_json,
)
from processes.api.instance_schema import (
    AnswerSerializer,
    HistorySerializer,
    InboxSerializer,
    InstanceDetailSerializer,
    InstancePageSerializer,
)
from processes.api.pages import NARROWED, moment_in, place_in, search_of
from processes.services.instance_access import Place, find_instance, newest_visible
from processes.services.instance_history import history_of
from processes.services.instances import execute_instance
from processes.services.offers import options_of_many
from tasks.api.filtering import check_parameters
from tasks.api.paging import page_address

__all__ = ["Inbox", "InstanceDetail", "InstanceExecution", "InstanceHistory", "InstanceList"]

_RELATED: Final = ("template", "type", "status_rules", "owner", "assignee")
#: The parameters that narrow a list, and the fields that they are about.
_FILTERS: Final = {
    "type": "type__slug",
    "status": "status",
    "process": "template__slug",
    "owner": "owner",
    "assignee": "assignee",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
}
_ME: Final = {"type": "string", "enum": ["me"]}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_KIND: Final = "instances"


class NewInstanceSerializer(Sent):
    """Say of which type, or of which process, an instance is to be."""

    cure = 'Say of which "type", or of which "process": send {"type": "claim", "title": "…", "data": {}}.'

    type = Text(required=False, allow_null=True, help_text="The slug of an instance type.")
    process = Text(required=False, allow_null=True, help_text="The slug of a process; instead of a type.")
    title = Text(required=False)
    data = Object(required=False, help_text="What it begins with.")


class ExecutionSerializer(Sent):
    """Say at which action something is executed."""

    cure = 'Send {"action": "approve"}.'

    action = Text(required=False, allow_null=True)
    parameters = Object(required=False, help_text="The request's parameters.")


class InstanceList(ApiView):
    """The instances that the caller may open."""

    problem_statuses: ClassVar = {"GET": (404,), "POST": (404, 422)}

    @extend_schema(
        operation_id="instances_list",
        responses=InstancePageSerializer,
        parameters=[
            OpenApiParameter("type", str, description="The slug of a type."),
            OpenApiParameter("status", str),
            OpenApiParameter("process", str, description="The slug of a process."),
            OpenApiParameter("owner", _ME),
            OpenApiParameter("assignee", _ME),
            OpenApiParameter("created_after", _MOMENT),
            OpenApiParameter("created_before", _MOMENT),
            *NARROWED,
        ],
    )
    def get(self, request: Request) -> Response:
        """List the instances that the caller may open, the newest first, with what is offered."""
        user = signed_in(request.user)
        check_parameters(request, known={*_FILTERS, "search"})
        place = place_in(request, kind=_KIND, read=_place)
        matching = Q()
        for word in search_of(request).split():
            matching &= Q(title__icontains=word)
        rows, has_more = newest_visible(
            user,
            count=place.size,
            wanted=_wanted(request),
            matching=matching,
            behind=place.behind,
            related=_RELATED,
        )
        offered = options_of_many(rows, user=user)
        following = None
        if has_more and rows:
            following = page_address(request, [rows[-1].created_at.isoformat(), str(rows[-1].pk)], kind=_KIND)
        return Response({"results": [row_json(row, offered[row.pk]) for row in rows], "next": following})

    @extend_schema(
        operation_id="instances_create", request=NewInstanceSerializer, responses={201: InstanceDetailSerializer}
    )
    def post(self, request: Request) -> Response:
        """Create an instance: 201, with what is offered."""
        user = signed_in(request.user)
        created = create_as_asked(sent(NewInstanceSerializer, request), user=user, request=request._request)
        address = reverse("processes-api:instance", kwargs={"instance_id": created.pk})
        return Response(instance_json(created.pk, user=user), status=201, headers={"Location": address})


class InstanceDetail(ApiView):
    """One instance."""

    @extend_schema(operation_id="instances_get", responses=InstanceDetailSerializer)
    def get(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Return an instance, with what is offered to the caller and what is running on it."""
        return Response(instance_json(instance_id, user=signed_in(request.user)))


class InstanceHistory(ApiView):
    """What has happened to an instance."""

    @extend_schema(operation_id="instances_history", responses=HistorySerializer, parameters=[PAGE])
    def get(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Return what has happened, the newest first; `page` leafs on."""
        found = find_instance(instance_id, user=signed_in(request.user))
        first = (page_of(request) - 1) * PAGE_ROWS
        rows = list(history_of(found)[first : first + PAGE_ROWS + 1])
        return Response({"events": [event_json(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS})


class InstanceExecution(ApiView):
    """The execution of an instance."""

    # What its process needs, such as another system, may fail.
    problem_statuses: ClassVar = {"POST": (405, 422, 502, 503)}

    @extend_schema(
        operation_id="instances_execute",
        request=ExecutionSerializer,
        responses={
            200: AnswerSerializer,
            202: OpenApiResponse(AnswerSerializer, "It goes on in the background, as `run`."),
        },
    )
    def post(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Execute an instance at an action: 200 with what it answers, 202 where it goes on in the background."""
        user = signed_in(request.user)
        asked = sent(ExecutionSerializer, request)
        found = find_instance(instance_id, user=user)
        answer = execute_instance(
            instance=found, user=user, action=asked.get("action"), parameters=asked.get("parameters", {})
        )
        return Response(answer_json(answer), status=200 if answer.run_id is None else 202)


class Inbox(ApiView):
    """What waits for the caller."""

    problem_statuses: ClassVar = {"GET": (404,)}

    @extend_schema(operation_id="inbox_list", responses=InboxSerializer, parameters=[PAGE])
    def get(self, request: Request) -> Response:
        """List the instances that wait for the caller, the most urgent first; `page` leafs on."""
        return Response(waiting_json(signed_in(request.user), page=page_of(request)))


def _wanted(request: Request) -> dict[str, object]:
    """Return what the parameters of the address narrow the list to: fields and their values."""
    wanted: dict[str, object] = {}
    for name, field in _FILTERS.items():
        value: Any = request.query_params.get(name)
        if value is None:
            continue
        is_person = field in ("owner", "assignee")
        if "\0" in value or (is_person and value != "me"):
            raise bad_request(f'"{name}" can\'t be {value!r}: "owner" and "assignee" take "me".')
        if field.startswith("created_at"):
            value = moment_in(value, name=name)
        wanted[field] = request.user.pk if is_person else value
    return wanted


def _place(values: list[str]) -> Place:
    return Place(moment_in(values[0], name="cursor"), uuid.UUID(values[1]))
