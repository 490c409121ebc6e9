"""Moving runs to the plan that is in force now, over HTTP (docs/control.md)."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiView, ControlsRun
from processes.api.bodies import Flag, Sent, sent
from processes.api.run_schema import RunStatusField, SaidSerializer
from processes.api.runs import said
from processes.models import ProcessTemplate
from processes.services.errors import TemplateNotFoundError
from processes.services.moving import forecast_moves, move_run, move_runs, undo_move

__all__ = ["ProcessMoves", "RunMove"]


class MoveSerializer(Sent):
    """Say where a run is moved."""

    undo = Flag(required=False, help_text="Back to the plan that it had before.")


class ForecastSerializer(serializers.Serializer):
    """Be a run that has another plan than the one in force."""

    id = serializers.UUIDField()
    status = RunStatusField()
    plan = serializers.CharField()
    to = serializers.CharField()
    fits = serializers.BooleanField()
    misfits = serializers.ListField(child=serializers.JSONField())


class ForecastsSerializer(serializers.Serializer):
    """Tell which runs fit what is published."""

    runs = ForecastSerializer(many=True)
    more = serializers.BooleanField()


class MovedSerializer(serializers.Serializer):
    """Tell which runs move, and which stay."""

    moved = serializers.ListField(child=serializers.UUIDField())
    left = ForecastSerializer(many=True)
    more = serializers.BooleanField()


class RunMove(ControlsRun):
    """The moving of a run to another plan."""

    @extend_schema(operation_id="runs_move", request=MoveSerializer, responses={202: SaidSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Move a run to the plan that is in force now, or, with `undo`, back to the one that it had before."""
        undo = sent(MoveSerializer, request).get("undo", False)
        return said(run_id, (undo_move if undo else move_run)(run_id=run_id, user=request.user))


class ProcessMoves(ApiView):
    """The moving of all runs of a process."""

    @extend_schema(operation_id="processes_preview_moves", responses=ForecastsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Forecast which runs of a process fit what is published now."""
        forecasts, more = forecast_moves(template=_template(slug), user=request.user)
        return Response({"runs": [forecast.to_json() for forecast in forecasts], "more": more})

    @extend_schema(operation_id="processes_move", request=None, responses={202: MovedSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Move those runs of a process that fit what is published now."""
        moving, left, more = move_runs(template=_template(slug), user=request.user)
        told: dict[str, Any] = {"moved": [str(run_id) for run_id in moving], "more": more}
        return Response({**told, "left": [item.to_json() for item in left]}, status=202)


def _template(slug: str) -> ProcessTemplate:
    template = ProcessTemplate.objects.filter(slug=slug).first()
    if template is None:
        raise TemplateNotFoundError("There is no such process.")
    return template
