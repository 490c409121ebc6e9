"""Let durable runs wait at forms, and answer them as people would."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, User

from processes.models import RunForm
from processes.services.form_answers import Waiting, answer_form_of_run, waiting_form
from processes.services.run_forms import Visitor, check_open


def ask(name: str = "ask", *, leads_to: str = "after", fields: Any = None, **config: Any) -> dict[str, Any]:
    """Return an action that shows a form with a text, unless `fields` say otherwise."""
    keys = {key: config.pop(key) for key in ("timeout_seconds", "compensate", "next") if key in config}
    described = {"action": leads_to, "fields": fields or [{"name": "text"}], **config}
    return {"name": name, "script": "show_form", "config": described, **keys}


def person(name: str, *groups: str, **columns: Any) -> User:
    """Return a user who is in these groups."""
    user = User.objects.create_user(name, password="secret", **columns)
    for group in groups:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def visitor(user: User | None = None, *, session: str = "") -> Visitor:
    return Visitor(user=user or AnonymousUser(), session_key=session)


def form_of(run_id: uuid.UUID) -> RunForm:
    """Return the newest form of a run."""
    return RunForm.objects.filter(run_id=run_id).latest("id")


def found(run_id: uuid.UUID, who: Visitor) -> Waiting:
    """Return the newest form of a run as somebody finds it, who may answer it now."""
    waiting = waiting_form(form_of(run_id).reference, visitor=who)
    check_open(waiting.row, visitor=waiting.visitor)
    return waiting


def answer(
    run_id: uuid.UUID, who: Visitor, values: Mapping[str, Any] | None = None, *, button: str = "submit"
) -> Waiting:
    """Answer the newest form of a run, without letting the run work."""
    waiting = found(run_id, who)
    answer_form_of_run(waiting, button=waiting.config.button(button), values=values)
    return waiting
