"""The history of instances: each event is stored in the transaction of what it tells."""

import uuid
from collections.abc import Mapping, Sequence

from django.db.models import QuerySet

from processes.domain.callback_tokens import redacted
from processes.domain.json_values import JSON
from processes.models import EventKind, InstanceEvent, ProcessInstance
from processes.services.doer import Doer
from tasks.services import prepared

__all__ = ["history_of", "note_event"]

_MAX_ACTION, _MAX_STATUS = 200, 60


def note_event(
    instance_id: uuid.UUID,
    kind: EventKind,
    *,
    doer: Doer,
    before: str = "",
    after: str = "",
    changes: Sequence[JSON] = (),
    facts: Mapping[str, JSON] | None = None,
) -> None:
    """Add an event; `before` and `after` are statuses."""
    event = InstanceEvent(
        instance_id=instance_id,
        kind=kind.value,
        actor_id=doer.actor.id,
        actor_name=doer.actor.name,
        action=doer.action[:_MAX_ACTION],
        run_id=doer.run_id,
        status_before=before[:_MAX_STATUS],
        status_after=after[:_MAX_STATUS],
        changes=redacted(list(changes)),
        facts=redacted(dict(facts or {})),
    )
    prepared.insert(event)


def history_of(instance: ProcessInstance) -> QuerySet[InstanceEvent]:
    """Return what has happened to an instance, the newest first."""
    return InstanceEvent.objects.filter(instance=instance).order_by("-id")
