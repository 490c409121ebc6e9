"""A team's objects in its own API of Django REST framework: fields for a serializer, actions for a viewset."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from processes.api.base import page_of
from processes.api.driven import describe, execute, executed, history_page, object_of_key
from processes.driven import ProcessDriven
from processes.errors import ProcessError
from processes.pages.errors import status_of
from processes.services.access import User
from processes.services.driven import running_of
from processes.services.offers import options_of_many
from tasks.errors import TasksError

__all__ = ["ProcessDrivenSerializer", "ProcessDrivenViewSet"]

_CACHE = "_processes_described"


class ProcessDrivenSerializer(serializers.ModelSerializer):
    """Add to a serializer `status`, `options`, `running`, `process_url` and `history_url`, for the caller.

    Name those in `Meta.fields` that you want. Of a list they are read for all objects at once.
    """

    status = serializers.CharField(read_only=True)
    options = serializers.SerializerMethodField()
    running = serializers.SerializerMethodField()
    process_url = serializers.CharField(read_only=True)
    history_url = serializers.CharField(read_only=True)

    def get_options(self, thing: ProcessDriven) -> Any:
        """Return what is offered to the caller."""
        return self._described(thing)["options"]

    def get_running(self, thing: ProcessDriven) -> Any:
        """Return what is at work on the object."""
        return self._described(thing)["running"]

    def _described(self, thing: ProcessDriven) -> Mapping[str, Any]:
        user: User = self.context["request"].user
        known = self.__dict__.get(_CACHE)
        if known is None or thing.pk not in known:
            many = isinstance(self.parent, serializers.ListSerializer)
            things = list(self.parent.instance) if many and self.parent.instance is not None else [thing]
            known = self.__dict__[_CACHE] = _described(things if thing in things else [thing], user)
        return known[thing.pk]


class ProcessDrivenViewSet:
    """Add to a viewset `POST <pk>/execute/` with `{"action", "parameters"}`, and `GET <pk>/history/`.

    Who may do what is the process's business: whoever may open an object's instance finds the object, whatever the
    viewset's own queryset leaves out for its lists. Errors are answered as Stepline's API does.
    """

    @action(detail=True, methods=["post"])
    def execute(self, request: Request, pk: str | None = None, **_: Any) -> Response:
        """Execute an action: 200 with how the object stands then, 202 where work goes on in the background."""
        sent = request.data
        try:
            thing = self._object(request, pk)
            answer = execute(thing, user=request.user, sent=sent if isinstance(sent, Mapping) else {})
            body, status = executed(thing, answer, user=request.user)
        except (ProcessError, TasksError) as error:
            raise _Refused(error) from error
        return Response(body, status=status)

    @action(detail=True, methods=["get"])
    def history(self, request: Request, pk: str | None = None, **_: Any) -> Response:
        """Tell what has happened, the newest first; `page` leafs on."""
        try:
            thing = self._object(request, pk)
            return Response(history_page(thing, page=page_of(request)))
        except (ProcessError, TasksError) as error:
            raise _Refused(error) from error

    def _object(self, request: Request, key: str | None) -> ProcessDriven:
        # The viewset's permissions are asked by the framework before an action, those of the object here.
        view: Any = self
        thing = object_of_key(view.get_queryset().model, key, user=request.user)
        view.check_object_permissions(request, thing)
        return thing


class _Refused(APIException):
    """Answer with an error of ours: its code, message and fields."""

    def __init__(self, error: ProcessError | TasksError) -> None:
        super().__init__()
        self.status_code = status_of(error)
        fields = {"fields": dict(error.fields)} if error.fields else {}
        self.detail: Any = {"code": error.code, "message": error.message, **fields}


def _described(things: list[ProcessDriven], user: User) -> dict[Any, dict[str, Any]]:
    instances = [thing.instance for thing in things if thing.instance is not None]
    options = options_of_many(instances, user=user)
    running = running_of([instance.pk for instance in instances])
    found = {}
    for thing in things:
        key = thing.instance_id
        found[thing.pk] = describe(
            thing,
            user=user,
            options=() if key is None else options[key],
            running=() if key is None else running[key],
        )
    return found
