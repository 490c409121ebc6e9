"""What triggers start: one run for each due time and each delivery, stored together with the row that says so.

A due time is looked for by the dispatcher, as its duty. The trigger's row is locked, and one transaction stores the
firing, the run with its job, and the next time: a dispatcher that is killed at any point has done all of it or nothing,
and of several only one does it.
"""

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.request import Request
from processes.domain.schedules import decide
from processes.errors import ProcessError
from processes.models import FiringOutcome, Trigger, TriggerFiring, TriggerKind
from processes.services.access import may_execute
from processes.services.audit import SYSTEM, Actor
from processes.services.background import Beginning
from processes.services.errors import AuthorityError, TemplateNotFoundError
from processes.services.starting import start_template
from processes.services.trigger_rules import schedule_of
from tasks.domain.bounds import shorten
from tasks.services import sql

__all__ = ["begin", "fire_due", "note_failure"]

logger = logging.getLogger(__name__)

_REASON_CHARS: Final = 500


def fire_due(*, limit: int) -> int:
    """Act on the due times that have come, at most `limit`, and return how many.

    Raises OperationalError where the database is away.
    """
    due = Trigger.objects.filter(next_at__lte=Now()).order_by("next_at")
    with translation.override(settings.LANGUAGE_CODE):
        return sum(_act(pk) for pk in list(due.values_list("pk", flat=True)[:limit]))


def _act(trigger_id: uuid.UUID) -> bool:
    """Act on a trigger whose time has come, unless another dispatcher is at it."""
    with transaction.atomic():
        rows = Trigger.objects.select_for_update(skip_locked=True, of=("self",), no_key=True).select_related(
            "template", "user"
        )
        trigger = rows.filter(pk=trigger_id, next_at__lte=Now()).first()
        if trigger is None or trigger.next_at is None:
            return False
        now = _database_time()
        try:
            schedule = schedule_of(trigger)
            if schedule is None:
                return False
            due = decide(schedule, due_at=trigger.next_at, now=now, catches_up=trigger.catches_up)
        except Exception as error:  # noqa: BLE001 - it is told, and logged
            # A zone that is no more, say: nobody knows when it would be due next, and others are due behind it.
            Trigger.objects.filter(pk=trigger_id).update(next_at=None)
            note_failure(trigger, error, key=f"due:{trigger.next_at.isoformat()}", due_at=trigger.next_at)
            return True
        Trigger.objects.filter(pk=trigger_id).update(next_at=due.next_at)
        key = f"due:{due.at.isoformat()}"
        if due.fires:
            _start(trigger, key=key, due_at=due.at)
        else:
            note(trigger, FiringOutcome.SKIPPED, _("It was missed."), key=key, due_at=due.at)
    return True


def _start(trigger: Trigger, *, key: str, due_at: datetime) -> None:
    """Start what is due, or note why it can't be: a trigger that fails must not be due for ever."""
    try:
        begin(trigger, key=key, how="schedule", actor=SYSTEM, due_at=due_at)
    except (OperationalError, InterfaceError):
        raise
    except IntegrityError as error:
        # It has been done: the schedule was changed, and changed back.
        if not TriggerFiring.objects.filter(trigger=trigger, key=key).exists():
            note_failure(trigger, error, key=key, due_at=due_at)
    except Exception as error:  # noqa: BLE001 - it is told, and logged
        note_failure(trigger, error, key=key, due_at=due_at)


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        return sql.read_now(cursor)


@transaction.atomic
def begin(
    trigger: Trigger,
    *,
    key: str,
    how: str,
    actor: Actor,
    parameters: Mapping[str, JSON] | None = None,
    facts: Mapping[str, JSON] | None = None,
    replay_key: str | None = None,
    due_at: datetime | None = None,
    delivery: str = "",
) -> uuid.UUID:
    """Store a run of a trigger with the row that says so, and return its id.

    `parameters` are what a delivery has brought, `facts` what the attribute `trigger` tells besides. Raises
    IntegrityError where there is a row of this key: whoever is at work with it at the same moment is waited for. Raises
    what keeps the run from starting; then nothing is stored.
    """
    firing = TriggerFiring.objects.create(
        trigger=trigger, key=key, replay_key=replay_key, due_at=due_at, delivery=delivery
    )
    user = trigger.user
    if user is None or not user.is_active:
        raise AuthorityError(_("The user in whose name this should run doesn't exist any more, or is inactive."))
    if not may_execute(user, trigger.template):
        raise TemplateNotFoundError(
            _("%(user)s may not execute this process any more.") % {"user": user.get_username()}
        )
    told: dict[str, JSON] = {
        "id": str(trigger.pk),
        "title": trigger.title,
        "kind": trigger.kind,
        "due_at": None if due_at is None else due_at.isoformat(),
        **(facts or {}),
    }
    run_id = start_template(
        template=trigger.template,
        user=user,
        action=trigger.action or None,
        data=trigger.data,
        request=Request(
            method="POST" if trigger.kind == TriggerKind.WEBHOOK else "GET",
            parameters={**(parameters or {}), **trigger.parameters},
        ),
        attributes={"trigger": told},
        beginning=Beginning(how=how, actor=actor, details={"trigger": str(trigger.pk)}),
    )
    TriggerFiring.objects.filter(pk=firing.pk).update(run_id=run_id)
    return run_id


def note_failure(trigger: Trigger, error: Exception, *, key: str, due_at: datetime | None = None) -> None:
    """Note that a trigger could not start its process, unless that is noted already under this key."""
    if isinstance(error, ProcessError):
        reason = error.message
        logger.warning("The trigger %s started nothing: [%s] %s", trigger.pk, error.code, reason)
    else:
        reason = _("It failed unexpectedly: the log of this site has the details.")
        logger.error("The trigger %s started nothing.", trigger.pk, exc_info=error)
    note(trigger, FiringOutcome.FAILED, reason, key=key, due_at=due_at)


def note(trigger: Trigger, outcome: FiringOutcome, reason: str, *, key: str, due_at: datetime | None = None) -> None:
    """Note a time at which nothing was started, unless there is a row of this key already."""
    row = TriggerFiring(trigger=trigger, key=key, outcome=outcome, reason=shorten(reason, _REASON_CHARS), due_at=due_at)
    TriggerFiring.objects.bulk_create([row], ignore_conflicts=True)
