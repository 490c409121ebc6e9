"""Process instances over HTTP: create, look, execute, and the work on them (docs/instances.md).

The same people may do the same as on the pages, and for everybody else there is no such instance.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from processes.api.answers import answers, bad_request, page_of, sent_object
from processes.api.instance_answers import (
    PAGE_ROWS,
    after_json,
    answer_json,
    create_as_asked,
    event_json,
    instance_json,
    row_json,
    signed_in,
    waiting_json,
)
from processes.services.instance_access import find_instance, newest_visible
from processes.services.instance_history import history_of
from processes.services.instance_work import change_due, claim_instance, hand_on_instance, release_instance
from processes.services.instances import execute_instance
from processes.services.offers import options_of_many

__all__ = [
    "claim",
    "due",
    "execute",
    "hand_on",
    "history",
    "inbox",
    "instance",
    "instances",
    "release",
]

_RELATED: Final = ("template", "type", "status_rules", "owner", "assignee")
#: The parameters that narrow a list, and the fields that they are about.
_FILTERS: Final = {
    "type": "type__slug",
    "status": "status",
    "process": "template__slug",
    "owner": "owner",
    "assignee": "assignee",
}


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def instances(request: HttpRequest) -> HttpResponseBase:
    """List the instances that the caller may open, the newest first; or create one, 201.

    `?type=&status=&process=&owner=me&assignee=me` narrow the list, `page` leafs on.
    """
    user = signed_in(request.user)
    if request.method == "POST":
        return _create(request, user)
    wanted, first = _wanted(request, user=user), (page_of(request) - 1) * PAGE_ROWS
    rows, has_more = newest_visible(user, wanted=wanted, first=first, count=PAGE_ROWS, related=_RELATED)
    offered = options_of_many(rows, user=user)
    return JsonResponse({"instances": [row_json(row, offered[row.pk]) for row in rows], "more": has_more})


@require_GET
@answers
def inbox(request: HttpRequest) -> HttpResponseBase:
    """List the instances that wait for the caller, the most urgent first; `page` leafs on."""
    return JsonResponse(waiting_json(signed_in(request.user), page=page_of(request)))


@require_GET
@answers
def instance(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Return an instance, with what is offered to the caller."""
    return JsonResponse(instance_json(instance_id, user=signed_in(request.user)))


@require_GET
@answers
def history(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Return what has happened to an instance, the newest first; `page` leafs on."""
    found = find_instance(instance_id, user=signed_in(request.user))
    first = (page_of(request) - 1) * PAGE_ROWS
    rows = list(history_of(found)[first : first + PAGE_ROWS + 1])
    return JsonResponse({"events": [event_json(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS})


@require_POST
@answers
def execute(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Execute an instance at an action: 200 with what it answers, 202 where it goes on in the background."""
    user = signed_in(request.user)
    sent = sent_object(request, known={"action", "parameters"})
    action, parameters = sent.get("action"), sent.get("parameters", {})
    if not (action is None or isinstance(action, str)) or not isinstance(parameters, dict):
        raise bad_request('"action" is a name, and "parameters" an object: send {"action": "approve"}.')
    found = find_instance(instance_id, user=user)
    answer = execute_instance(instance=found, user=user, action=action, parameters=parameters)
    return JsonResponse(answer_json(answer), status=200 if answer.run_id is None else 202)


@require_POST
@answers
def claim(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Take an instance that waits for one of several."""
    return _done(request, instance_id, lambda user: claim_instance(instance_id, user=user))


@require_POST
@answers
def release(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Give an instance back to those who were asked."""
    return _done(request, instance_id, lambda user: release_instance(instance_id, user=user))


@require_POST
@answers
def hand_on(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Give an instance to the user of a name: {"to": "ann"}."""
    to = sent_object(request, known={"to"}).get("to")
    if not isinstance(to, str) or not to:
        raise bad_request('"to" is the name of a user: send {"to": "ann"}.')
    return _done(request, instance_id, lambda user: hand_on_instance(instance_id, to=to, user=user))


@require_POST
@answers
def due(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Change until when an instance is to be done: {"due_at": "2026-12-01T09:00:00+01:00"}, or null."""
    sent = sent_object(request, known={"due_at"})
    due_at = _moment(sent)
    return _done(request, instance_id, lambda user: change_due(instance_id, due_at, user=user))


def _create(request: HttpRequest, user: AbstractBaseUser) -> HttpResponseBase:
    sent = sent_object(request, known={"type", "process", "title", "data"})
    created = create_as_asked(sent, user=user, request=request)
    response = JsonResponse(instance_json(created.pk, user=user), status=201)
    response["Location"] = reverse("processes-api:instance", kwargs={"instance_id": created.pk})
    return response


def _done(request: HttpRequest, instance_id: uuid.UUID, deed: Callable[[AbstractBaseUser], object]) -> HttpResponseBase:
    user = signed_in(request.user)
    deed(user)
    return JsonResponse(after_json(instance_id, user=user))


def _wanted(request: HttpRequest, *, user: AbstractBaseUser) -> dict[str, object]:
    """Return what the parameters of the address narrow the list to: fields and their values."""
    wanted: dict[str, object] = {}
    for name, field in _FILTERS.items():
        value = request.GET.get(name)
        if value is None:
            continue
        is_person = field in ("owner", "assignee")
        if "\0" in value or (is_person and value != "me"):
            raise bad_request(f'"{name}" can\'t be {value!r}: "owner" and "assignee" take "me".')
        wanted[field] = user.pk if is_person else value
    return wanted


def _moment(sent: dict[str, Any]) -> datetime | None:
    value = sent.get("due_at")
    if "due_at" not in sent or not (value is None or isinstance(value, str)):
        raise bad_request('"due_at" is a moment in ISO 8601 with its zone, or null.')
    if value is None:
        return None
    try:
        moment = parse_datetime(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise bad_request('"due_at" is a moment in ISO 8601 with its zone: "2026-12-01T09:00:00+01:00".')
    return moment
