"""Give a message to a process instance: a background run that enters its process at `@consume`.

It runs the instance's own plan, in the name of its owner. Of an instance's messages one is worked on at a time, by the
concurrency key of their jobs, and they begin in the order in which they are given to it.
"""

import uuid
from typing import Final

from django.utils.translation import gettext as _

from processes.domain.application import Application
from processes.domain.entry import Nothing, find_entry
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.request import Request
from processes.models import Message, ProcessInstance
from processes.services.audit import SYSTEM, Actor
from processes.services.background import Beginning, continue_in_background
from processes.services.errors import AuthorityError
from processes.services.host import DjangoHost
from processes.services.instances import visit_of

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
    request = Request(method="POST", parameters=_parameters(message))
    visit = visit_of(instance, user=owner, request=request)
    if isinstance(find_entry(visit.plan, CONSUME, outside=False), Nothing):
        return None
    host = DjangoHost(caller=visit.caller, plan=visit.plan)
    app = Application(request=request, user=owner, attributes={TOLD: _told(message)})
    app.execution = host.execution
    return continue_in_background(
        app=app,
        interpreter=Interpreter.start(visit.plan, app=app, host=host, entry=CONSUME, outside=False),
        template=instance.template,
        caller=visit.caller,
        title=instance.title,
        beginning=Beginning(
            how="message",
            actor=Actor(id=message.published_by_id, name=message.published_by_name)
            if message.published_by_id
            else SYSTEM,
            details={"message": str(message.pk), "topic": message.topic},
        ),
        concurrency_key=f"instance:{instance.pk}",
    )


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
