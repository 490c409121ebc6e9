"""One background run over HTTP, for those who may control runs: how it stands, what it knows, and holding it.

Everything here is for staff with the permission `processes.control_run`, but for how a run stands, which its owner and
staff who may view runs are told, too: the rest is refused to them (403), and for everybody else there is no such run
(docs/control.md).
"""

import uuid
from typing import Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiView, ControlsRun, FileView
from processes.api.bodies import Object, Sent, Text, bad_request, edit_from, sent
from processes.api.run_schema import (
    CheckpointsSerializer,
    IdSerializer,
    MessageSerializer,
    RunDataSerializer,
    RunDetailSerializer,
    SaidSerializer,
    StoppingSerializer,
    run_json,
    stopping_json,
)
from processes.domain.json_values import JSON
from processes.domain.rewinding import is_place
from processes.models import Checkpoint
from processes.services.access import find_run
from processes.services.exporting import export_run
from processes.services.inbox import CONTROLS
from processes.services.operators import cancel_run, edit_run, pause_run, unpause_run
from processes.services.run_lists import find_seen_run
from processes.services.saving import run_as_test
from processes.services.standing import why_waiting
from processes.services.stored_data import StoredData
from tasks.api.streamed import StreamedText
from tasks.api.views import CancelSerializer, reason_in
from tasks.errors import TaskNotFound

__all__ = ["MOST_CHECKPOINTS", "RunCancellation", "RunCheckpoints", "RunData", "RunDetail", "RunExport", "RunMessage",
    "RunPause", "RunTest", "RunUnpause", "ordinal_in"]  # fmt: skip

#: How many checkpoints are listed at once.
MOST_CHECKPOINTS: Final = 200
_PYTHON: Final = "text/x-python"


class DataEditSerializer(Sent):
    """Edit a run's data, as somebody saw them."""

    cure = 'Send {"set": {"amount": 70}, "remove": [], "seen": {"amount": 7}}.'

    set = Object(required=False, help_text="Keys that get these values.")
    remove = serializers.ListField(child=Text(), required=False, help_text="Keys that go.")
    seen = Object(required=False, help_text="What was seen of these keys; one that isn't here wasn't there.")


class RunDetail(ApiView):
    """One run."""

    @extend_schema(operation_id="runs_get", responses=RunDetailSerializer)
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return how a run stands, and why it doesn't move where it doesn't."""
        found = find_seen_run(run_id, user=request.user, session=request.session)
        why = why_waiting(found)
        return Response({**run_json(found), "why": None if why is None else why.to_json()})


class RunCheckpoints(ControlsRun):
    """The places where a run has been."""

    @extend_schema(
        operation_id="runs_checkpoints",
        responses=CheckpointsSerializer,
        parameters=[OpenApiParameter("before", int, description="Only those before this ordinal.")],
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return the places where a run has been, latest first; `before` pages on."""
        found = find_run(run_id, user=request.user)
        rows = Checkpoint.objects.filter(run_id=found.pk)
        if (before := request.query_params.get("before")) is not None:
            rows = rows.filter(ordinal__lt=ordinal_in(before))
        page = list(rows.order_by("-ordinal")[: MOST_CHECKPOINTS + 1])
        told = [_checkpoint(row) for row in page[:MOST_CHECKPOINTS]]
        return Response({"checkpoints": told, "more": len(page) > MOST_CHECKPOINTS})


class RunExport(ControlsRun, FileView):
    """A run as a file."""

    @extend_schema(
        operation_id="runs_export", request=None, responses=OpenApiResponse(OpenApiTypes.OBJECT, "The run, as a file.")
    )
    def post(self, request: Request, run_id: uuid.UUID) -> HttpResponseBase:
        """Return all that is known of a run; a POST, since it is written down who takes it away."""
        response = StreamedText(export_run(run_id=run_id, user=request.user), content_type="application/json")
        response.headers["Content-Disposition"] = f'attachment; filename="run-{run_id}.json"'
        return response


class RunTest(ControlsRun, FileView):
    """A run as a test."""

    @extend_schema(operation_id="runs_test", request=None, responses={(200, _PYTHON): OpenApiTypes.STR})
    def post(self, request: Request, run_id: uuid.UUID) -> HttpResponseBase:
        """Return a file for pytest that lets a run go as it went."""
        text = run_as_test(run_id=run_id, user=request.user)
        response = HttpResponse(text, content_type=f"{_PYTHON}; charset=utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="test_run_{run_id.hex}.py"'
        return response


class RunData(ControlsRun):
    """The data of a run."""

    @extend_schema(
        operation_id="runs_data",
        responses=RunDataSerializer,
        parameters=[OpenApiParameter("ordinal", int, description="As they were at this place.")],
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Return a run's data, as they are or as they were at the place `ordinal`."""
        found = find_run(run_id, user=request.user)
        until = request.query_params.get("ordinal")
        values = StoredData.load(found.pk, until=None if until is None else ordinal_in(until))[1]
        return Response({"data": values})

    @extend_schema(operation_id="runs_edit_data", request=DataEditSerializer, responses={202: SaidSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Edit the data of a run that is alive: 202, it hears of it at its next action boundary."""
        edit = edit_from(sent(DataEditSerializer, request))
        assert edit is not None
        return said(run_id, edit_run(run_id=run_id, user=request.user, edit=edit))


class RunMessage(ControlsRun):
    """What was said to a run."""

    @extend_schema(operation_id="runs_message", responses=MessageSerializer)
    def get(self, request: Request, run_id: uuid.UUID, number: int) -> Response:
        """Return what has become of it; `result` is null until the run has heard it."""
        item = find_run(run_id, user=request.user).inbox.filter(pk=number, kind__in=CONTROLS).first()
        if item is None:
            raise TaskNotFound(_("There is no such message to this run."))
        return Response({"message": item.pk, "kind": item.kind, "result": item.result})


class RunPause(ControlsRun):
    """The standing still of a run."""

    @extend_schema(
        operation_id="runs_pause",
        request=None,
        responses={200: OpenApiResponse(IdSerializer, "It is to do so already."), 202: IdSerializer},
    )
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Let a run stand still from its next action boundary on: 202, or 200 where it is to do so already."""
        is_new = pause_run(run_id=run_id, user=request.user)
        return Response({"id": str(run_id)}, status=202 if is_new else 200)


class RunUnpause(ControlsRun):
    """The going on of a run that stands still."""

    @extend_schema(operation_id="runs_unpause", request=None, responses={202: IdSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Let a run go on that was paused."""
        unpause_run(run_id=run_id, user=request.user)
        return Response({"id": str(run_id)}, status=202)


class RunCancellation(ControlsRun):
    """The end of a run, asked for."""

    @extend_schema(operation_id="runs_cancel", request=CancelSerializer, responses={202: StoppingSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Cancel a run, and what it has started; the status is the run's, which may have to stop or to undo first."""
        cancel_run(run_id=run_id, user=request.user, reason=reason_in(request))
        return Response(stopping_json(find_run(run_id, user=request.user)), status=202)


def said(run_id: uuid.UUID, number: int) -> Response:
    """Return where it is told what becomes of something that was said to a run."""
    url = reverse("processes-api:message", kwargs={"run_id": run_id, "number": number})
    return Response({"message": number, "url": url}, status=202)


def ordinal_in(given: object) -> int:
    """Return the number of a checkpoint; raises ProcessError `bad_request`."""
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise bad_request('"ordinal" is the number of a checkpoint.')
    return int(text)


def _checkpoint(row: Checkpoint) -> dict[str, JSON]:
    return {
        "ordinal": row.ordinal,
        "action": row.action,
        "state": row.state,
        "at": row.created_at.isoformat(),
        "is_place": is_place(row.cursor),
        "next": row.cursor["frames"][-1]["action"] if is_place(row.cursor) else None,
    }
