"""A team's own objects over HTTP: where one stands, what is offered, executing it, what has happened.

`object_urls(model)` gives a team's URLconf the addresses of its model. Errors are answered as everywhere in the API,
and what is executed answers as `/api/instances/<id>/execute/` does. Views of Django REST framework have a mixin of
their own, made of the same functions (processes.api.rest_framework).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from processes.api.answers import answers, sent_object
from processes.api.base import page_of
from processes.api.bodies import bad_request
from processes.api.instance_answers import PAGE_ROWS, answer_json, event_json
from processes.domain.json_values import JSON
from processes.driven import ProcessDriven
from processes.services.access import User
from processes.services.driven import Running
from processes.services.errors import InstanceNotFoundError
from processes.services.foreground import Answer
from processes.services.instance_access import find_instance
from processes.services.offers import Option

__all__ = ["describe", "execute", "executed", "history_page", "object_of_key", "object_urls"]


def describe(
    thing: ProcessDriven,
    *,
    user: User,
    options: Sequence[Option] | None = None,
    running: Sequence[Running] | None = None,
) -> dict[str, JSON]:
    """Return where an object stands and what it offers a user; options and runs may be known already."""
    offered = thing.options_for(user) if options is None else options
    at_work = thing.running() if running is None else running
    instance = thing.instance
    assignee = None if instance is None else instance.assignee
    due_at = None if instance is None else instance.due_at
    return {
        "id": str(thing.pk),
        "status": thing.status,
        "assignee": None if assignee is None else assignee.get_username(),
        "due_at": None if due_at is None else due_at.isoformat(),
        "process_url": thing.process_url,
        "history_url": thing.history_url,
        "options": [one.to_json() for one in offered],
        "running": [one.to_json() for one in at_work],
    }


def execute(thing: ProcessDriven, *, user: User, sent: Mapping[str, Any]) -> Answer:
    """Execute what was sent, `{"action", "parameters"}`; raises ProcessError `bad_request`, and as `thing.execute`."""
    action, parameters = sent.get("action"), sent.get("parameters", {})
    if not isinstance(action, str) or not action or not isinstance(parameters, dict):
        raise bad_request('"action" is a name, and "parameters" an object: send {"action": "approve"}.')
    if not user.is_authenticated:
        raise InstanceNotFoundError("There is nothing here for somebody who isn't signed in.")
    return thing.execute(user=user, action=action, parameters=parameters)


def executed(thing: ProcessDriven, answer: Answer, *, user: User) -> tuple[dict[str, JSON], int]:
    """Return what is told of an execution, with where the object stands now, and the HTTP status.

    Whoever has executed it may not see it any more: then only the answer is told.
    """
    status = 200 if answer.run_id is None else 202
    try:
        if thing.instance_id is not None:
            thing.instance = find_instance(thing.instance_id, user=user)
    except InstanceNotFoundError:
        return {"id": str(thing.pk), **answer_json(answer)}, status
    return {**describe(thing, user=user), **answer_json(answer)}, status


def history_page(thing: ProcessDriven, *, page: int) -> dict[str, JSON]:
    """Return a page of what has happened, the newest first."""
    first = (page - 1) * PAGE_ROWS
    rows = list(thing.history()[first : first + PAGE_ROWS + 1])
    return {"events": [event_json(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS}


def object_of_key(model: type[ProcessDriven], key: object, *, user: User) -> ProcessDriven:
    """Return the object of a model that `user` may open; raises InstanceNotFoundError for all others."""
    try:
        thing = model._base_manager.select_related("process").filter(pk=key).first()
    except (ValueError, ValidationError):
        thing = None  # A key of another kind.
    if not isinstance(thing, ProcessDriven) or thing.instance_id is None or not user.is_authenticated:
        raise InstanceNotFoundError("There is no such object, or you may not open it.")
    thing.instance = find_instance(thing.instance_id, user=user)
    return thing


def object_urls(model: type[ProcessDriven], *, converter: str = "int") -> list[URLPattern]:
    """Return the addresses of a model's objects: `<pk>/`, `<pk>/execute/` and `<pk>/history/`.

    They are named `object`, `object-execute` and `object-history`: include them under a namespace. `converter` is that
    of the primary key in paths.
    """

    @require_safe
    @answers
    def one(request: HttpRequest, **address: Any) -> HttpResponseBase:
        return JsonResponse(describe(find(request, **address), user=request.user))

    @csrf_protect
    @require_POST
    @answers
    def execution(request: HttpRequest, **address: Any) -> HttpResponseBase:
        sent = sent_object(request, known={"action", "parameters"})
        thing = find(request, **address)
        body, status = executed(thing, execute(thing, user=request.user, sent=sent), user=request.user)
        return JsonResponse(body, status=status)

    @require_safe
    @answers
    def history(request: HttpRequest, **address: Any) -> HttpResponseBase:
        return JsonResponse(history_page(find(request, **address), page=page_of(request)))

    def find(request: HttpRequest, *, key: object) -> ProcessDriven:
        return object_of_key(model, key, user=request.user)

    return [
        path(f"<{converter}:key>/", one, name="object"),
        path(f"<{converter}:key>/execute/", execution, name="object-execute"),
        path(f"<{converter}:key>/history/", history, name="object-history"),
    ]
