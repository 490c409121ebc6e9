"""Set triggers up: save, delete, look ahead, fire now."""

import uuid
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.domain.moments import zone_of
from processes.domain.schedules import next_due, upcoming
from processes.errors import DefinitionError
from processes.models import Trigger
from processes.services.audit import actor_of, record
from processes.services.errors import TriggerRefusedError
from processes.services.firing import begin
from processes.services.trigger_rules import (
    User,
    check_schedule,
    check_trigger,
    may_change_trigger,
    schedule_of,
    zone_name,
)

__all__ = ["check_may_change", "delete_trigger", "fire_now", "next_times", "preview_times", "save_trigger", "told"]

#: What an editor decides, and the audit log compares.
CONFIG: Final = (
    "title", "template_id", "kind", "enabled", "action", "data", "parameters", "user_id", "cron", "time_zone",
    "every_seconds", "catches_up", "style", "signature_header", "delivery_header", "recognised_by", "tolerance_seconds",
    "rate",
)  # fmt: skip
#: What decides when a schedule is due.
_WHEN: Final = ("kind", "enabled", "cron", "time_zone", "every_seconds")


@transaction.atomic
def save_trigger(*, trigger: Trigger, editor: User) -> Trigger:
    """Save a new or changed trigger; a changed schedule is in force at once, counted from now.

    Raises DefinitionError with every problem, each at the place of its field (`/cron`), and TriggerRefusedError where
    the editor may not change this trigger.
    """
    is_new = trigger._state.adding
    before = None if is_new else Trigger.objects.select_for_update(no_key=True).get(pk=trigger.pk)
    if before is not None:
        check_may_change(before, editor=editor)
    if problems := check_trigger(trigger, editor=editor):
        raise DefinitionError(problems)
    now = timezone.now()
    columns = list(CONFIG)
    if before is None or any(getattr(before, name) != getattr(trigger, name) for name in _WHEN):
        trigger.anchor_at = now
        schedule = schedule_of(trigger) if trigger.enabled else None
        trigger.next_at = None if schedule is None else next_due(schedule, after=now)
        columns += ["anchor_at", "next_at"]
    if is_new:
        trigger.save()
        record("trigger.created", actor=actor_of(editor), subject=trigger, details=told(trigger))
        return trigger
    assert before is not None
    changed: list[JSON] = [
        name.removesuffix("_id") for name in CONFIG if getattr(before, name) != getattr(trigger, name)
    ]
    # What the dispatcher and deliveries have written meanwhile stays.
    trigger.save(update_fields=[*(name.removesuffix("_id") for name in columns), "updated_at"])
    if changed:
        record("trigger.edited", actor=actor_of(editor), subject=trigger, details={**told(trigger), "changed": changed})
    return trigger


@transaction.atomic
def delete_trigger(*, trigger: Trigger, editor: User) -> None:
    """Delete a trigger with its history; its runs stay. Raises TriggerRefusedError."""
    check_may_change(trigger, editor=editor)
    record("trigger.deleted", actor=actor_of(editor), subject=trigger, details=told(trigger))
    trigger.delete()


def fire_now(*, trigger: Trigger, editor: User) -> uuid.UUID:
    """Start what a trigger starts, now, without what a delivery would bring; return the run's id.

    Raises TriggerRefusedError, and what keeps the run from starting.
    """
    check_may_change(trigger, editor=editor)
    return begin(trigger, key=f"now:{uuid.uuid4().hex}", how="trigger", actor=actor_of(editor))


def next_times(trigger: Trigger, *, count: int = 5) -> list[datetime]:
    """Return when a trigger is due next, in its zone; nothing while it is disabled, or where it has no schedule."""
    # One whose schedule can't be read any more has no next time, and its page is where it is mended.
    if not trigger.enabled or trigger.next_at is None or (schedule := schedule_of(trigger)) is None:
        return []
    zone = zone_of(zone_name(trigger))
    times = upcoming(schedule, after=trigger.next_at, count=count - 1)
    return [moment.astimezone(zone) for moment in (trigger.next_at, *times)]


def preview_times(trigger: Trigger, *, count: int = 5) -> tuple[list[datetime], str]:
    """Return when a schedule would be due if it were saved now, in its zone; else what is wrong with it."""
    if problems := check_schedule(trigger):
        return [], problems[0].message
    trigger.anchor_at = now = timezone.now()
    schedule, zone = schedule_of(trigger), zone_of(zone_name(trigger))
    assert schedule is not None
    return [moment.astimezone(zone) for moment in upcoming(schedule, after=now, count=count)], ""


def told(trigger: Trigger) -> dict[str, JSON]:
    """Return what the audit log tells of a trigger: nothing of its data."""
    user = trigger.user
    return {
        "kind": trigger.kind,
        "template": trigger.template.slug,
        "user": None if user is None else user.get_username(),
        "enabled": trigger.enabled,
    }


def check_may_change(trigger: Trigger, *, editor: User) -> None:
    """Refuse an editor who may not change, fire or delete a trigger as it is stored; raises TriggerRefusedError."""
    if not may_change_trigger(editor, trigger):
        raise TriggerRefusedError(
            _("This runs in the name of somebody else, so only they or an administrator may change it.")
        )
