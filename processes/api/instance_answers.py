"""What is told of instances, the same by every entrance: HTTP, and calls by name."""

import uuid
from collections.abc import Mapping
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse

from processes.api.bodies import bad_request
from processes.domain.json_values import JSON
from processes.models import InstanceEvent, ProcessInstance
from processes.pages.callers import caller_of_request
from processes.services.access import find_executable
from processes.services.driven import running_of
from processes.services.errors import InstanceNotFoundError
from processes.services.foreground import Answer
from processes.services.instance_access import find_instance
from processes.services.instance_types import find_creatable
from processes.services.instances import create_instance
from processes.services.offers import Option, options_of
from processes.services.waiting_instances import list_waiting

__all__ = [
    "PAGE_ROWS",
    "after_json",
    "answer_json",
    "create_as_asked",
    "event_json",
    "instance_json",
    "row_json",
    "signed_in",
    "waiting_json",
]

#: How many instances, and how many events, are listed at once.
PAGE_ROWS: Final = 50
_TITLE_CHARS: Final = 200


def signed_in(user: AbstractBaseUser | AnonymousUser) -> AbstractBaseUser:
    """Return a user; raises InstanceNotFoundError for somebody not signed in."""
    if not isinstance(user, AbstractBaseUser):
        raise InstanceNotFoundError("There is nothing here for somebody who isn't signed in.")
    return user


def create_as_asked(sent: Mapping[str, JSON], *, user: AbstractBaseUser, request: HttpRequest) -> ProcessInstance:
    """Create an instance of the `type`, or the `process`, that is asked for, with its `title` and `data`.

    Raises ProcessError `bad_request` where that isn't said, and what `create_instance` raises.
    """
    slug, process, title, data = sent.get("type"), sent.get("process"), sent.get("title", ""), sent.get("data", {})
    named = [value for value in (slug, process) if isinstance(value, str) and value]
    if len(named) != 1 or not isinstance(title, str) or not isinstance(data, dict):
        raise bad_request(
            'Say of which "type", or of which "process": send {"type": "claim", "title": "…", "data": {}}.'
        )
    type = find_creatable(slug=named[0], user=user) if slug else None
    template = find_executable(slug=named[0], user=user) if type is None else type.template
    return create_instance(
        template=template,
        type=type,
        owner=user,
        actor=user,
        title=title[:_TITLE_CHARS],
        data=data,
        caller=caller_of_request(request, template=template),
    )


def instance_json(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> dict[str, JSON]:
    """Return an instance that `user` may open, its options, and what is running; raises InstanceNotFoundError."""
    found = find_instance(instance_id, user=user)
    running: list[JSON] = [one.to_json() for one in running_of([found.pk])[found.pk]]
    return {**row_json(found, options_of(found, user=user)), "running": running}


def after_json(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> dict[str, JSON]:
    """Return an instance after something was done with it: whoever handed it on may not see it any more."""
    try:
        return instance_json(instance_id, user=user)
    except InstanceNotFoundError:
        return {"id": str(instance_id)}


def waiting_json(user: AbstractBaseUser, *, page: int) -> dict[str, JSON]:
    """Return a page of what waits for `user`, the most urgent first."""
    rows, has_more = list_waiting(user, first=(page - 1) * PAGE_ROWS, count=PAGE_ROWS)
    return {"instances": [row_json(row.instance, row.options) for row in rows], "more": has_more}


def row_json(row: ProcessInstance, options: tuple[Option, ...]) -> dict[str, JSON]:
    """Return an instance with what is offered."""
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
