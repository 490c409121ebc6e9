"""What happens to instances that aren't done in time: the dispatcher's duty.

Of several dispatchers one takes an instance, under its lock; asking others, starting the action and noting what is yet
to come are one transaction. So a killed dispatcher repeats nothing and forgets nothing.
"""

import logging
import uuid

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.escalation import steps_from_json
from processes.errors import ProcessError
from processes.models import ProcessInstance
from processes.services.assignments import escalate
from processes.services.audit import SYSTEM
from processes.services.background import Beginning
from processes.services.errors import AuthorityError
from processes.services.starting import start_instance

__all__ = ["escalate_due"]

logger = logging.getLogger(__name__)


def escalate_due(*, limit: int) -> int:
    """Carry out what is due for at most `limit` instances, and return for how many.

    Raises OperationalError where the database is away. What else goes wrong with an instance is logged, and tried again
    at the next call; the others don't wait for it.
    """
    rows = ProcessInstance.objects.filter(escalate_at__lte=timezone.now()).order_by("escalate_at")
    done = 0
    for key in list(rows.values_list("pk", flat=True)[:limit]):
        try:
            done += _escalate(key)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("The instance %s could not be escalated.", key)
    return done


@transaction.atomic
def _escalate(instance_id: uuid.UUID) -> bool:
    rows = ProcessInstance.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
    instance = rows.filter(pk=instance_id, escalate_at__lte=timezone.now()).first()
    if instance is None:
        return False  # Another dispatcher has it, or it is done or put off.
    [step, *rest] = steps_from_json(instance.escalation)
    escalate(instance, step, rest=rest)
    if step.action:
        _start(instance, step.action)
    return True


def _start(instance: ProcessInstance, action: str) -> None:
    """Start the action in the background; one that can't be started keeps nothing else from happening."""
    owner = instance.owner
    try:
        if owner is not None and not owner.is_active:
            raise AuthorityError(_("Its owner is inactive."))
        with transaction.atomic():
            start_instance(
                instance=instance,
                user=owner,
                action=action,
                beginning=Beginning(how="escalation", actor=SYSTEM),
            )
    except ProcessError as error:
        logger.warning("%s can't be escalated by “%s”: %s", instance.pk, action, error.message)
