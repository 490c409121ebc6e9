"""A team's own objects over HTTP: where one stands, what is offered, executing it, what has happened.

`object_urls(model)` gives a team's URLconf the addresses of its model; below `/api/objects/` the same is to be had of
each by the key of its instance, which tags and web components ask. A REST framework's views have a mixin of their own
(processes.api.rest_framework), made of the same functions.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from processes.api.answers import answers, bad_request, sent_object
from processes.domain.json_values import JSON
from processes.driven import ProcessDriven
from processes.models import InstanceEvent
from processes.pages.history_words import told
from processes.services.access import User
from processes.services.driven import object_of_instance
from processes.services.errors import InstanceNotFoundError, SignInRequiredError
from processes.services.instance_access import find_instance
from processes.services.offers import Option

__all__ = ["PAGE_ROWS", "describe", "execute", "history_page", "object_of_id", "object_urls"]

#: How many events a page of a history has.
PAGE_ROWS = 50
_MAX_PAGE_DIGITS = 4

Find = Callable[[HttpRequest, Any], ProcessDriven]


def describe(thing: ProcessDriven, *, user: User, options: tuple[Option, ...] | None = None) -> dict[str, JSON]:
    """Return where an object stands and what it offers a user; `options` where they are known already."""
    offered = thing.options_for(user) if options is None else options
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
        "running": [one.to_json() for one in thing.running()],
    }


def execute(thing: ProcessDriven, *, user: User, sent: Mapping[str, Any]) -> dict[str, JSON]:
    """Execute an action, and return where the object stands then, and what the process answered.

    `sent` is `{"action", "parameters"}`. What a process shows (a page, a form) isn't told: `shows` says that there is
    something to see on its own page.
    """
    action, parameters = sent.get("action"), sent.get("parameters", {})
    if not isinstance(action, str) or not action or not isinstance(parameters, dict):
        raise bad_request('"action" is the name of an action, and "parameters" an object.')
    if not user.is_authenticated:
        raise SignInRequiredError("Sign in first.")
    response = thing.execute(user=user, action=action, parameters=parameters).response
    shows = bool(response.content or response.form or response.template or response.parts or response.file)
    answer: dict[str, JSON] = {"redirect": response.redirect, "shows": shows, "json": response.json}
    return {**describe(thing, user=user), "answer": answer}


def history_page(thing: ProcessDriven, *, page: str) -> dict[str, JSON]:
    """Return a page of what has happened, the newest first; raises ProcessError `bad_request`."""
    if not (page.isascii() and page.isdigit() and len(page) <= _MAX_PAGE_DIGITS and int(page)):
        raise bad_request('"page" is a number from 1 on.')
    first = (int(page) - 1) * PAGE_ROWS
    rows = list(thing.history()[first : first + PAGE_ROWS + 1])
    return {"events": [_event(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS}


def object_of_id(model: type[ProcessDriven], key: object, *, user: User) -> ProcessDriven:
    """Return the object of a model that `user` may open; raises InstanceNotFoundError, SignInRequiredError."""
    rows = model._base_manager.select_related("process")
    thing = rows.filter(pk=key).first()
    if thing is None or thing.instance_id is None:
        if not user.is_authenticated:
            raise SignInRequiredError("Sign in first.")
        raise InstanceNotFoundError("There is no such object, or you may not open it.")
    thing.instance = find_instance(thing.instance_id, user=user)
    found: ProcessDriven = thing
    return found


def object_urls(model: type[ProcessDriven], *, converter: str = "int") -> list[URLPattern]:
    """Return the addresses of a model's objects: `<pk>/`, `<pk>/execute/` and `<pk>/history/`.

    They are named `object`, `object-execute` and `object-history`: include them under a namespace.
    """

    def find(request: HttpRequest, key: object) -> ProcessDriven:
        return object_of_id(model, key, user=request.user)

    return _urls(find, f"<{converter}:key>/")


def instance_urls() -> list[URLPattern]:
    """Return the same for objects of all models, by the key of their instance."""
    return _urls(_object_of, "<uuid:key>/")


def _object_of(request: HttpRequest, key: uuid.UUID) -> ProcessDriven:
    instance = find_instance(key, user=request.user)
    thing = object_of_instance(instance.pk)
    if not isinstance(thing, ProcessDriven):
        raise InstanceNotFoundError("There is no such object, or you may not open it.")
    thing.instance = instance
    return thing


def _urls(find: Find, key: str) -> list[URLPattern]:
    @require_safe
    @answers
    def one(request: HttpRequest, **address: Any) -> HttpResponseBase:
        return JsonResponse(describe(find(request, address["key"]), user=request.user))

    @csrf_protect
    @require_POST
    @answers
    def executed(request: HttpRequest, **address: Any) -> HttpResponseBase:
        sent = sent_object(request, known={"action", "parameters"})
        return JsonResponse(execute(find(request, address["key"]), user=request.user, sent=sent))

    @require_http_methods(["GET", "HEAD"])
    @answers
    def history(request: HttpRequest, **address: Any) -> HttpResponseBase:
        return JsonResponse(history_page(find(request, address["key"]), page=request.GET.get("page", "1")))

    return [
        path(key, one, name="object"),
        path(f"{key}execute/", executed, name="object-execute"),
        path(f"{key}history/", history, name="object-history"),
    ]


def _event(event: InstanceEvent) -> dict[str, JSON]:
    [words] = told([event])
    return {
        "at": event.at.isoformat(),
        "kind": event.kind,
        "text": words.text,
        "who": event.actor_name,
        "action": event.action,
        "status_before": event.status_before,
        "status_after": event.status_after,
        "run": None if event.run_id is None else str(event.run_id),
    }
