"""What is told of runs, and its description."""

from typing import Any, Final

from django.urls import reverse
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers

from processes.domain.json_values import JSON
from processes.domain.rewinding import Foresight
from processes.domain.run_status import RunStatus
from processes.models import Run
from processes.services.controlling import told_obstacle
from processes.services.executions import next_execution
from processes.services.indicators import progress_url

__all__ = ["RUN_STATUSES", "CheckpointsSerializer", "ForesightSerializer", "IdSerializer", "MessageSerializer",
    "OpenedSerializer", "RunDataSerializer", "RunDetailSerializer", "RunSerializer", "RunStatusField", "SaidSerializer",
    "StoppingSerializer", "foresight_json", "row_json", "run_json", "stopping_json"]  # fmt: skip

RUN_STATUSES: Final = [status.value for status in RunStatus]


class RunStatusField(serializers.ChoiceField):
    """Be the status of a run."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=RUN_STATUSES, **kwargs)


class _RunStatus(OpenApiSerializerFieldExtension):
    """Give it a name of its own in the description, where jobs have a status, too."""

    target_class = RunStatusField

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        """Return a reference to the statuses."""
        schema = {"type": "string", "enum": list(RUN_STATUSES)}
        component = ResolvedComponent("RunStatus", ResolvedComponent.SCHEMA, schema=schema, object=RunStatusField)
        auto_schema.registry.register_on_missing(component)
        return component.ref


class RunSerializer(serializers.Serializer):
    """Be a run in a list."""

    id = serializers.UUIDField()
    status = RunStatusField()
    title = serializers.CharField()
    template = serializers.CharField(allow_null=True, help_text="The slug of its process.")
    instance = serializers.UUIDField(allow_null=True)
    owner = serializers.CharField(allow_null=True)
    plan = serializers.CharField(help_text="The hash of what it runs.")
    paused = serializers.DictField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    previous = serializers.UUIDField(allow_null=True, help_text="The run that it repeats.")
    url = serializers.CharField(help_text="The page on which it is followed.")
    task_url = serializers.CharField(help_text="Where its tree is.")


class RunDetailSerializer(RunSerializer):
    """Be a run."""

    cancel_requested_at = serializers.DateTimeField(allow_null=True, help_text="When it was asked to end.")
    error = serializers.DictField(allow_null=True, help_text="What went wrong: code and message.")
    next = serializers.UUIDField(allow_null=True, help_text="The run that repeats it.")
    why = serializers.DictField(allow_null=True, help_text="Why it doesn't move: code, text and facts.")


class PlaceSerializer(serializers.Serializer):
    """Be a place where a run has been."""

    ordinal = serializers.IntegerField()
    action = serializers.CharField()
    state = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()
    is_place = serializers.BooleanField(help_text="Whether it can be taken up there.")
    next = serializers.CharField(allow_null=True)


class CheckpointsSerializer(serializers.Serializer):
    """Be places where a run has been."""

    checkpoints = PlaceSerializer(many=True)
    more = serializers.BooleanField()


class RunDataSerializer(serializers.Serializer):
    """Hold a run's data."""

    data = serializers.DictField()


class SaidSerializer(serializers.Serializer):
    """Name something that was said to a run."""

    message = serializers.IntegerField()
    url = serializers.CharField()


class MessageSerializer(serializers.Serializer):
    """Be something that was said to a run."""

    message = serializers.IntegerField()
    kind = serializers.CharField()
    result = serializers.DictField(allow_null=True)


class IdSerializer(serializers.Serializer):
    """Name a run."""

    id = serializers.UUIDField()


class StoppingSerializer(IdSerializer):
    """Say how a run stands after it was cancelled."""

    status = RunStatusField()
    cancel_requested_at = serializers.DateTimeField(allow_null=True, help_text="When it was asked to end.")


class OpenedSerializer(IdSerializer):
    """Name a run that has begun, and its page."""

    url = serializers.CharField()


class AgainSerializer(serializers.Serializer):
    """Be an action that would run again."""

    action = serializers.CharField()
    process = serializers.CharField()
    effect = serializers.CharField()
    times = serializers.IntegerField()
    undone = serializers.IntegerField()
    refused = serializers.BooleanField()


class ForesightSerializer(serializers.Serializer):
    """Tell what taking a run up would do."""

    ordinal = serializers.IntegerField(allow_null=True)
    offered = serializers.BooleanField()
    refused = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    names = serializers.ListField(child=serializers.CharField())
    steps = serializers.IntegerField()
    again = AgainSerializer(many=True)


def row_json(found: Run) -> dict[str, JSON]:
    """Return a run as lists tell of it; its root, template and user have been read."""
    return {
        "id": str(found.pk),
        "status": found.status,
        "title": found.root.title,
        "template": None if found.template is None else found.template.slug,
        "instance": None if found.instance_id is None else str(found.instance_id),
        "owner": None if found.user is None else found.user.get_username(),
        "plan": found.plan_id,
        "paused": found.paused,
        "created_at": found.created_at.isoformat(),
        "finished_at": None if found.finished_at is None else found.finished_at.isoformat(),
        "previous": None if found.previous_id is None else str(found.previous_id),
        "url": progress_url(found.pk),
        "task_url": reverse("tasks-api:task", kwargs={"task_id": found.pk}),
    }


def run_json(found: Run) -> dict[str, JSON]:
    """Return a run whole."""
    following = next_execution(found)
    return {
        **row_json(found),
        **stopping_json(found),
        "error": found.error,
        "next": None if following is None else str(following),
    }


def stopping_json(found: Run) -> dict[str, JSON]:
    """Return how a run stands that may have been asked to end."""
    asked_at = found.root.job.cancel_requested_at
    return {
        "id": str(found.pk),
        "status": found.status,
        "cancel_requested_at": None if asked_at is None else asked_at.isoformat(),
    }


def foresight_json(foresight: Foresight) -> dict[str, JSON]:
    """Return what taking a run up would do."""
    return {
        "ordinal": foresight.ordinal,
        "offered": foresight.obstacle is None,
        "refused": told_obstacle(foresight),
        "reason": foresight.obstacle,
        "names": list(foresight.names),
        "steps": foresight.steps,
        "again": [again.to_json() for again in foresight.again],
    }
