"""Taking runs up again over HTTP: at the action that failed, or at any place (docs/control.md)."""

import uuid
from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ControlsRun
from processes.api.bodies import Flag, Sent, Text, edit_from, sent
from processes.api.run_schema import ForesightSerializer, OpenedSerializer, foresight_json
from processes.api.runs import DataEditSerializer, ordinal_in
from processes.services.controlling import Known, preview_retry, preview_rewind, retry_run, rewind_run
from processes.services.indicators import progress_url

__all__ = ["RunRetry", "RunRewind"]


class RetrySerializer(Sent):
    """Say how a run is taken up at the action that failed."""

    known = serializers.ChoiceField(
        choices=[known.value for known in Known],
        required=False,
        allow_blank=True,
        help_text="Of an action of which nobody knows what it has done: what somebody has found out.",
    )
    state = Text(required=False, allow_null=True, help_text="Under which state it is passed over, where it was done.")
    edit = DataEditSerializer(required=False, allow_null=True)
    newest = Flag(required=False, help_text="By the plan that is in force now.")


class RewindSerializer(Sent):
    """Say where a run is taken up."""

    ordinal = serializers.IntegerField(min_value=0, max_value=999_999_999, help_text="The number of a checkpoint.")
    edit = DataEditSerializer(required=False, allow_null=True)
    newest = Flag(required=False, help_text="By the plan that is in force now.")


class RunRetry(ControlsRun):
    """Another go at the action that failed."""

    problem_statuses: ClassVar = {"GET": (409,)}

    @extend_schema(operation_id="runs_preview_retry", responses=ForesightSerializer)
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Tell what taking a run up at the action that failed would do."""
        return Response(foresight_json(preview_retry(run_id=run_id, user=request.user)))

    @extend_schema(operation_id="runs_retry", request=RetrySerializer, responses={201: OpenedSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Take a run up at the action that failed: 201, with the new execution."""
        asked = sent(RetrySerializer, request)
        new_id = retry_run(
            run_id=run_id,
            user=request.user,
            known=Known(asked.get("known", "")),
            state=asked.get("state"),
            edit=edit_from(asked.get("edit")),
            newest=asked.get("newest", False),
        )
        return _opened(new_id)


class RunRewind(ControlsRun):
    """A run, taken up at an earlier place."""

    problem_statuses: ClassVar = {"GET": (409,)}

    @extend_schema(
        operation_id="runs_preview_rewind",
        responses=ForesightSerializer,
        parameters=[OpenApiParameter("ordinal", int, required=True)],
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Tell what taking a run up at the place `ordinal` would do again."""
        ordinal = ordinal_in(request.query_params.get("ordinal"))
        return Response(foresight_json(preview_rewind(run_id=run_id, user=request.user, ordinal=ordinal)))

    @extend_schema(operation_id="runs_rewind", request=RewindSerializer, responses={201: OpenedSerializer})
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Take a run up at the place `ordinal`: 201, with the new execution."""
        asked = sent(RewindSerializer, request)
        new_id = rewind_run(
            run_id=run_id,
            user=request.user,
            ordinal=asked["ordinal"],
            edit=edit_from(asked.get("edit")),
            newest=asked.get("newest", False),
        )
        return _opened(new_id)


def _opened(run_id: uuid.UUID) -> Response:
    return Response({"id": str(run_id), "url": progress_url(run_id)}, status=201)
