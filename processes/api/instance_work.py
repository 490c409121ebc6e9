"""The work on instances over HTTP: take, give back, hand on, put off (docs/instances.md)."""

import uuid

from django.contrib.auth.models import AbstractBaseUser
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import ApiView
from processes.api.bodies import Moment, Sent, Text, sent
from processes.api.instance_answers import after_json, signed_in
from processes.api.instance_schema import AfterSerializer
from processes.services.instance_work import change_due, claim_instance, hand_on_instance, release_instance

__all__ = ["InstanceClaim", "InstanceDue", "InstanceHandOn", "InstanceRelease"]


class HandOnSerializer(Sent):
    """Say who gets an instance."""

    cure = 'Send {"to": "ann"}.'

    to = Text(allow_blank=False, help_text="The name of a user.")


class DueSerializer(Sent):
    """Say until when an instance is to be done."""

    cure = '"due_at" is a moment in ISO 8601 with its zone, or null: "2026-12-01T09:00:00+01:00".'

    due_at = Moment(allow_null=True)


class InstanceClaim(ApiView):
    """The taking of an instance."""

    @extend_schema(operation_id="instances_claim", request=None, responses=AfterSerializer)
    def post(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Take an instance that waits for one of several."""
        user = signed_in(request.user)
        claim_instance(instance_id, user=user)
        return _after(instance_id, user)


class InstanceRelease(ApiView):
    """The giving back of an instance."""

    @extend_schema(operation_id="instances_release", request=None, responses=AfterSerializer)
    def post(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Give an instance back to those who were asked."""
        user = signed_in(request.user)
        release_instance(instance_id, user=user)
        return _after(instance_id, user)


class InstanceHandOn(ApiView):
    """The handing on of an instance."""

    @extend_schema(operation_id="instances_hand_on", request=HandOnSerializer, responses=AfterSerializer)
    def post(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Give an instance to the user of a name."""
        to = sent(HandOnSerializer, request)["to"]
        user = signed_in(request.user)
        hand_on_instance(instance_id, to=to, user=user)
        return _after(instance_id, user)


class InstanceDue(ApiView):
    """Until when an instance is to be done."""

    @extend_schema(operation_id="instances_due", request=DueSerializer, responses=AfterSerializer)
    def post(self, request: Request, instance_id: uuid.UUID) -> Response:
        """Change until when an instance is to be done; null for no time."""
        due_at = sent(DueSerializer, request)["due_at"]
        user = signed_in(request.user)
        change_due(instance_id, due_at, user=user)
        return _after(instance_id, user)


def _after(instance_id: uuid.UUID, user: AbstractBaseUser) -> Response:
    return Response(after_json(instance_id, user=user))
