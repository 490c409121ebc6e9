"""Process instances over HTTP: create, look, execute, and the work on them (docs/instances.md).

The same people may do the same as on the pages, and for everybody else there is no such instance.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from processes.api.answers import answers, bad_request, page_of, sent_object
from processes.domain.json_values import JSON
from processes.models import InstanceEvent, ProcessInstance
from processes.pages.callers import caller_of_request
from processes.services.access import find_executable
from processes.services.driven import running_of
from processes.services.errors import InstanceNotFoundError
from processes.services.foreground import Answer
from processes.services.instance_access import find_instance, newest_visible
from processes.services.instance_history import history_of
from processes.services.instance_types import find_creatable
from processes.services.instance_work import change_due, claim_instance, hand_on_instance, release_instance
from processes.services.instances import create_instance, execute_instance
from processes.services.offers import Option, options_of, options_of_many
from processes.services.waiting_instances import list_waiting

__all__ = [
    "answer_json",
    "claim",
    "due",
    "event_json",
    "execute",
    "hand_on",
    "history",
    "inbox",
    "instance",
    "instances",
    "release",
]

#: How many instances, and how many events, are listed at once.
PAGE_ROWS: Final = 50
_TITLE_CHARS: Final = 200
_RELATED: Final = ("template", "type", "status_rules", "owner", "assignee")
_FILTERS: Final = ("type", "status", "process", "owner", "assignee")


@require_http_methods(["GET", "HEAD", "POST"])
@answers
def instances(request: HttpRequest) -> HttpResponseBase:
    """List the instances that the caller may open, the newest first; or create one, 201.

    `?type=&status=&process=&owner=me&assignee=me` narrow the list, `page` leafs on.
    """
    user = _user(request)
    if request.method == "POST":
        return _create(request, user)
    wanted, first = _wanted(request, user=user), (page_of(request) - 1) * PAGE_ROWS
    rows, has_more = newest_visible(user, wanted=wanted, first=first, count=PAGE_ROWS, related=_RELATED)
    offered = options_of_many(rows, user=user)
    return JsonResponse({"instances": [_told(row, offered[row.pk]) for row in rows], "more": has_more})


@require_GET
@answers
def inbox(request: HttpRequest) -> HttpResponseBase:
    """List the instances that wait for the caller, the most urgent first; `page` leafs on."""
    user = _user(request)
    rows, has_more = list_waiting(user, first=(page_of(request) - 1) * PAGE_ROWS, count=PAGE_ROWS)
    return JsonResponse({"instances": [_told(row.instance, row.options) for row in rows], "more": has_more})


@require_GET
@answers
def instance(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Return an instance, with what is offered to the caller."""
    return _answered(request, instance_id)


@require_GET
@answers
def history(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Return what has happened to an instance, the newest first; `page` leafs on."""
    found = find_instance(instance_id, user=_user(request))
    first = (page_of(request) - 1) * PAGE_ROWS
    rows = list(history_of(found)[first : first + PAGE_ROWS + 1])
    return JsonResponse({"events": [event_json(row) for row in rows[:PAGE_ROWS]], "more": len(rows) > PAGE_ROWS})


@require_POST
@answers
def execute(request: HttpRequest, instance_id: uuid.UUID) -> HttpResponseBase:
    """Execute an instance at an action: 200 with what it answers, 202 where it goes on in the background."""
    user = _user(request)
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
    slug, process, title, data = sent.get("type"), sent.get("process"), sent.get("title", ""), sent.get("data", {})
    named = [value for value in (slug, process) if isinstance(value, str) and value]
    if len(named) != 1 or not isinstance(title, str) or not isinstance(data, dict):
        raise bad_request(
            'Say of which "type", or of which "process": send {"type": "claim", "title": "…", "data": {}}.'
        )
    type = find_creatable(slug=named[0], user=user) if slug else None
    template = find_executable(slug=named[0], user=user) if type is None else type.template
    created = create_instance(
        template=template,
        type=type,
        owner=user,
        actor=user,
        title=title[:_TITLE_CHARS],
        data=data,
        caller=caller_of_request(request, template=template),
    )
    response = _answered(request, created.pk, status=201)
    response["Location"] = reverse("processes-api:instance", kwargs={"instance_id": created.pk})
    return response


def _done(request: HttpRequest, instance_id: uuid.UUID, deed: Callable[[AbstractBaseUser], object]) -> HttpResponseBase:
    deed(_user(request))
    try:
        return _answered(request, instance_id)
    except InstanceNotFoundError:
        return JsonResponse({"id": str(instance_id)})  # Whoever handed it on may not see it any more.


def _answered(request: HttpRequest, instance_id: uuid.UUID, *, status: int = 200) -> JsonResponse:
    user = _user(request)
    found = find_instance(instance_id, user=user)
    running: list[JSON] = [one.to_json() for one in running_of([found.pk])[found.pk]]
    return JsonResponse({**_told(found, options_of(found, user=user)), "running": running}, status=status)


def _wanted(request: HttpRequest, *, user: AbstractBaseUser) -> Q:
    """Return what the parameters of the address narrow the list to."""
    wanted = Q()
    for name in _FILTERS:
        value = request.GET.get(name)
        if value is None:
            continue
        if "\0" in value or (name in ("owner", "assignee") and value != "me"):
            raise bad_request(f'"{name}" can\'t be {value!r}: "owner" and "assignee" take "me".')
        wanted &= {
            "type": Q(type__slug=value),
            "status": Q(status=value),
            "process": Q(template__slug=value),
            "owner": Q(owner=user.pk),
            "assignee": Q(assignee=user.pk),
        }[name]
    return wanted


def _told(row: ProcessInstance, options: tuple[Option, ...]) -> dict[str, JSON]:
    return {
        "id": str(row.pk),
        "title": row.title,
        "type": None if row.type is None else row.type.slug,
        "process": row.template.slug,
        "status": row.status,
        "status_at": row.status_at.isoformat(),
        "owner": _name(row.owner),
        "assignee": _name(row.assignee),
        "due_at": None if row.due_at is None else row.due_at.isoformat(),
        "created_at": row.created_at.isoformat(),
        "url": reverse("processes:instance", kwargs={"instance_id": row.pk}),
        "execute_url": reverse("processes-api:instance-execute", kwargs={"instance_id": row.pk}),
        "options": [option.to_json() for option in options],
    }


def event_json(row: InstanceEvent) -> dict[str, JSON]:
    """Return an event of a history."""
    return {
        "at": row.at.isoformat(),
        "kind": row.kind,
        "by": row.actor_name,
        "action": row.action,
        "run": None if row.run_id is None else str(row.run_id),
        "status_before": row.status_before,
        "status_after": row.status_after,
        "changes": row.changes,
        "facts": row.facts,
    }


def answer_json(answer: Answer) -> dict[str, JSON]:
    """Return what a process answered, and which run goes on with it in the background, if one does."""
    told: dict[str, JSON] = {"response": answer.response.to_json()}
    if answer.run_id is not None:
        told["run"] = str(answer.run_id)
    return told


def _name(user: AbstractBaseUser | None) -> str | None:
    return None if user is None else user.get_username()


def _user(request: HttpRequest) -> AbstractBaseUser:
    if not isinstance(request.user, AbstractBaseUser):
        raise InstanceNotFoundError("There is nothing here for somebody who isn't signed in.")
    return request.user


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
