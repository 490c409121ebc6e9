"""Write down who did what, under whose authority.

Actions are `subject.verb`. `record` is called inside the transaction of what it tells, so that an entry and its deed
are stored together or not at all. Details are JSON without secrets and without data of processes.

| action | subject | details |
| --- | --- | --- |
| `template.created` `template.edited` `template.deleted` | template | revision, changed |
| `template.published` `template.rolled_back` | template | version (null: only the draft), followed, to |
| `run.started` | run, or template for one in the foreground | action, how (page, webhook …), repeats, trigger |
| `run.started` for a message | run | action, how (message), message, topic |
| `run.started` again, or from a place | run | how (again, retry, rewind, replay), repeats, ordinal, known, edited |
| `run.ended` | run | status |
| `run.cancelled` | run | |
| `run.paused` `run.resumed` `run.exported` | run | how: "test", where it was saved as one |
| `run.moved` | run | plan, to (hashes), undoes; refused, where it didn't fit |
| `run.edited` | run | keys; refused, where they had changed meanwhile |
| `form.answered` | run, by the form's title | form, step, button, how |
| `callback.ended` | callback | status, run |
| `instance.created` `instance.executed` `instance.deleted` | instance | action, how |
| `instance.edited` | instance | changed, status |
| `instance_type.created` `instance_type.edited` `instance_type.deleted` | instance type | template, revision, enabled |
| `instance.moved` | instance | template, plan, to (hashes) |
| `authority.lent` | template, or instance | action, and the script or process that borrows it |
| `credentials.stored` `credentials.removed` | grant | scopes, expires_at |
| `connection.created` `connection.edited` `connection.deleted` `connection.rotated` | connection | changed |
| `status_rules.created` `status_rules.edited` `status_rules.deleted` | status rules | revision, changed |
| `trigger.created` `trigger.edited` `trigger.deleted` | trigger | kind, template, user, enabled, changed |
| `trigger.secret_set` `trigger.rotated` | trigger | drawn, old_valid_until |
| `message.published` | message, by its topic | topic, key |
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

from django.contrib.auth import get_user_model
from django.db.models import Model
from django.utils import timezone

from processes.domain.callback_tokens import redacted
from processes.domain.json_values import JSON
from processes.models import AuditEntry
from tasks.domain.along import Insertion, Rows
from tasks.services import prepared
from tasks.services.sql import json_value, time_value

__all__ = ["SYSTEM", "Actor", "actor_of", "actor_of_id", "collecting", "entry_along", "is_watched", "record"]

_collected: ContextVar[list[AuditEntry] | None] = ContextVar("collected_audit_entries", default=None)
#: The columns but for the id, which the database draws, in the order of `_columns`.
_ENTRIES = Insertion(
    AuditEntry._meta.db_table,
    (
        "at", "action", "actor_id", "actor_name", "authority_id", "authority_name", "subject_kind", "subject_id",
        "subject_name", "plan_hash", "details",
    ),
    ("timestamptz", *["text"] * 9, "jsonb"),
)  # fmt: skip
_MAX_ID, _MAX_NAME, _MAX_SUBJECT_NAME = 64, 150, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Name who acts: a user by id and name; neither for somebody who isn't signed in."""

    id: str = ""
    name: str = ""


#: What Stepline does by itself, such as purging.
SYSTEM = Actor(name="Stepline")


def actor_of(user: object) -> Actor:
    """Return the actor that a user is; somebody who isn't signed in, or nobody, has no id."""
    key = getattr(user, "pk", None)
    if key is None:
        return Actor()
    name = getattr(user, "get_username", None)
    return Actor(id=str(key), name=str(name()) if callable(name) else str(user))


def actor_of_id(user_id: int | str | None) -> Actor:
    """Return the actor with the id of a user, with their name as it is now."""
    if user_id is None:
        return Actor()
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    return Actor(id=str(user_id)) if user is None else actor_of(user)


class Told(TypedDict, total=False):
    """Say what an entry tells besides what was done."""

    actor: Required[Actor]
    subject: Model | None
    kind: str
    subject_id: object
    subject_name: str
    authority: Actor | None
    plan_hash: str | None
    details: Mapping[str, JSON] | None


def record(action: str, **told: Unpack[Told]) -> None:
    """Add an entry; `subject` fills in kind, id and name where those aren't given."""
    entry = AuditEntry(**_columns(action, **told))
    prepared.insert(entry)
    if (collected := _collected.get()) is not None:
        collected.append(entry)


def entry_along(action: str, **told: Unpack[Told]) -> Rows:
    """Return an entry as a row that is inserted along with what it tells; not where somebody watches entries."""
    columns = _columns(action, **told)
    values = [json_value(value) if name == "details" else value for name, value in columns.items()]
    return Rows(_ENTRIES, [time_value(timezone.now()), *values])


def is_watched() -> bool:
    """Tell whether somebody is to hear of each entry."""
    return _collected.get() is not None or prepared.is_watched(AuditEntry)


@contextmanager
def collecting(entries: list[AuditEntry]) -> Iterator[None]:
    """Put what is recorded meanwhile into `entries` as well, for whoever takes back what they tell."""
    token = _collected.set(entries)
    try:
        yield
    finally:
        _collected.reset(token)


def _columns(
    action: str,
    *,
    actor: Actor,
    subject: Model | None = None,
    kind: str = "",
    subject_id: object = "",
    subject_name: str = "",
    authority: Actor | None = None,
    plan_hash: str | None = None,
    details: Mapping[str, JSON] | None = None,
) -> dict[str, Any]:
    if subject is not None:
        kind = kind or subject._meta.model_name or ""
        subject_id = subject_id or subject.pk
        subject_name = subject_name or str(subject)
    return {
        "action": action,
        "actor_id": actor.id[:_MAX_ID],
        "actor_name": actor.name[:_MAX_NAME],
        "authority_id": authority.id[:_MAX_ID] if authority else "",
        "authority_name": authority.name[:_MAX_NAME] if authority else "",
        "subject_kind": kind,
        "subject_id": _text(subject_id)[:_MAX_ID],
        "subject_name": subject_name[:_MAX_SUBJECT_NAME],
        "plan_hash": plan_hash or "",
        "details": redacted(dict(details or {})),
    }


def _text(value: object) -> str:
    return value.hex if isinstance(value, uuid.UUID) else str(value)
