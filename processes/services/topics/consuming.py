"""Give a message to a process instance: a background run that enters its process at `@consume`.

It runs the instance's own plan, in the name of its owner. Of an instance's messages one is worked on at a time, by the
concurrency key of their jobs, and they begin in the order in which they are given to it.
"""

import uuid
from typing import Final

from django.utils.translation import gettext as _

from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import JSON
from processes.models import EventKind, Message, ProcessInstance
from processes.services.audit import SYSTEM, Actor
from processes.services.background import Beginning
from processes.services.derivation import load_plan
from processes.services.doer import Doer
from processes.services.errors import AuthorityError
from processes.services.instance_history import note_event
from processes.services.starting import start_instance

__all__ = ["CONSUME", "TOLD", "start_consuming"]

#: Where a message enters; a process needn't declare it, and may keep requests from it (`"entry": false`).
CONSUME: Final = "@consume?"
#: The attribute that tells which message it is: no request can set it.
TOLD: Final = "message"


def start_consuming(instance: ProcessInstance, message: Message) -> uuid.UUID | None:
    """Store a run that consumes a message, in the caller's transaction, and return its id.

    None where the process takes no messages. Without an owner it runs for nobody, with nobody's rights. Raises
    AuthorityError where the owner is inactive, and what keeps the plan from running.
    """
    owner = instance.owner
    if owner is not None and not owner.is_active:
        raise AuthorityError(_("Its owner is inactive."))
    if isinstance(find_entry(load_plan(instance.plan_id), CONSUME, outside=False), Nothing):
        return None
    publisher = Actor(id=message.published_by_id, name=message.published_by_name) if message.published_by_id else SYSTEM
    run_id = start_instance(
        instance=instance,
        user=owner,
        action=CONSUME,
        parameters=_parameters(message),
        attributes={TOLD: _told(message)},
        beginning=Beginning(
            how="message", actor=publisher, details={"message": str(message.pk), "topic": message.topic}
        ),
    )
    doer = Doer(actor=publisher, action=CONSUME.rstrip("?"), run_id=run_id)
    note_event(instance.pk, EventKind.CONSUMED, doer=doer, facts={"topic": message.topic, "key": message.key})
    return run_id


def _parameters(message: Message) -> dict[str, JSON]:
    return {
        "topic": message.topic,
        "message": message.payload,
        "message_id": str(message.pk),
        "key": message.key,
    }


def _told(message: Message) -> dict[str, JSON]:
    return {
        "id": str(message.pk),
        "topic": message.topic,
        "key": message.key,
        "published_at": message.created_at.isoformat(),
        "published_by": message.published_by_name,
    }
