"""What is right for a trigger, and who may set one up.

A trigger starts its process in somebody's name. So only that user, or a superuser, may change what it starts, and only
a superuser may set somebody else: otherwise whoever edits triggers could do what anybody else can.
"""

import re
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import json_problems
from processes.domain.moments import check_cron, zone_of
from processes.domain.schedules import MIN_SECONDS, Cron, Every, Schedule, next_due
from processes.domain.signatures import key_of
from processes.errors import NotFoundError, Problem, ProcessError
from processes.models import SignatureStyle, Trigger, TriggerKind
from processes.services.access import UserKey, may_execute
from processes.services.foreground import published_plan
from processes.services.secrets import decrypt
from tasks.domain.rate import Rate

__all__ = ["check_schedule", "check_trigger", "may_change_trigger", "may_fire_for", "schedule_of", "zone_name"]

#: Longer keys no run's data can hold.
_KEY_CHARS: Final = 200
_HEADER: Final = re.compile(r"[A-Za-z0-9-]*")
_MAX_EVERY_SECONDS, _MAX_TOLERANCE_SECONDS = 366 * 86_400, 86_400

User = AbstractBaseUser | AnonymousUser


def may_change_trigger(editor: User, trigger: Trigger) -> bool:
    """Tell whether somebody may change, fire or delete a trigger as it is stored.

    Its user may, and superusers; where its user is gone, whoever takes it over. (Who may edit triggers at all is a
    matter of permissions.)
    """
    if not editor.is_authenticated or not editor.is_active:
        return False
    return bool(getattr(editor, "is_superuser", False)) or trigger.user_id in (None, editor.pk)


def may_fire_for(editor: User, user_id: UserKey | None) -> bool:
    """Tell whether somebody may let a trigger run in a user's name: their own, and superusers in anybody's."""
    return bool(getattr(editor, "is_superuser", False) and editor.is_active) or user_id == editor.pk


def check_trigger(trigger: Trigger, *, editor: User) -> list[Problem]:
    """Return everything that is wrong with a trigger, each at the place of its field."""
    problems = [*_check_authority(trigger, editor), *_check_content(trigger)]
    if trigger.kind == TriggerKind.SCHEDULE:
        return [*problems, *check_schedule(trigger)]
    return [*problems, *_check_webhook(trigger)]


def _check_authority(trigger: Trigger, editor: User) -> list[Problem]:
    if not may_fire_for(editor, trigger.user_id):
        return [Problem("/user", _("Only an administrator may let it run in somebody else's name."))]
    user = trigger.user
    if user is None or not user.is_active:
        return [Problem("/user", _("Choose a user who is active: it runs in their name."))]
    if trigger.template.abstract or trigger.template.published_plan_id is None:
        return [Problem("/template", _("This process isn't published."))]
    if not may_execute(user, trigger.template):
        return [Problem("/template", _("%(user)s may not execute this process.") % {"user": user.get_username()})]
    try:
        entered = find_entry(published_plan(trigger.template), trigger.action, outside=True)
    except NotFoundError as error:
        return [Problem("/action", error.message)]
    if isinstance(entered, Nothing):
        return [Problem("/action", _("The process has no such action, so nothing at all would run."))]
    return []


def _check_content(trigger: Trigger) -> list[Problem]:
    problems = [] if trigger.title.strip() else [Problem("/title", _("Give it a title."))]
    for name in ("data", "parameters"):
        value = getattr(trigger, name)
        if not isinstance(value, dict):
            problems.append(Problem(f"/{name}", _('Write a JSON object: {"key": …}.')))
            continue
        problems += [Problem(f"/{name}", f"{found.path}: {found.message}") for found in json_problems(value, limit=3)]
    if isinstance(trigger.data, dict) and any(len(key) > _KEY_CHARS for key in trigger.data):
        problems.append(Problem("/data", _("A key has at most %(most)d characters.") % {"most": _KEY_CHARS}))
    return problems


def check_schedule(trigger: Trigger) -> list[Problem]:
    """Return everything that is wrong with a schedule, each at the place of its field."""
    problems: list[Problem] = []
    if bool(trigger.cron) == (trigger.every_seconds is not None):
        problems.append(Problem("/cron", _("Write either a line of crontab or a time span.")))
    elif trigger.every_seconds is not None:
        if not MIN_SECONDS <= trigger.every_seconds <= _MAX_EVERY_SECONDS:
            text = _("A time span is from %(least)d seconds to a year.") % {"least": MIN_SECONDS}
            problems.append(Problem("/every_seconds", text))
    else:
        try:
            check_cron(trigger.cron)
        except ValueError as error:
            problems.append(Problem("/cron", str(error)))
    try:
        zone_of(zone_name(trigger))
    except ValueError as error:
        problems.append(Problem("/time_zone", str(error)))
    if not problems and next_due(_schedule(trigger, anchor=timezone.now()), after=timezone.now()) is None:
        problems.append(Problem("/cron", _("This is never due.")))
    return problems


def _check_webhook(trigger: Trigger) -> list[Problem]:
    problems = [
        Problem(f"/{name}", _("The name of a header is made of letters, digits and hyphens."))
        for name in ("signature_header", "delivery_header")
        if not _HEADER.fullmatch(getattr(trigger, name))
    ]
    if trigger.style == SignatureStyle.STANDARD and (trigger.signature_header or trigger.delivery_header):
        name = "signature_header" if trigger.signature_header else "delivery_header"
        problems.append(Problem(f"/{name}", _("Standard Webhooks names its headers itself: leave this empty.")))
    if not 1 <= trigger.tolerance_seconds <= _MAX_TOLERANCE_SECONDS:
        problems.append(Problem("/tolerance_seconds", _("A tolerance is from one second to a day.")))
    if trigger.rate:
        try:
            Rate.parse(trigger.rate)
        except ValueError as error:
            problems.append(Problem("/rate", str(error)))
    if trigger.secret:
        try:
            key_of(trigger.style, decrypt(trigger.secret, name=trigger.title, what="trigger").reveal())
        except ValueError:
            text = _("The secret that is stored can't be used in this way: set another one first.")
            problems.append(Problem("/style", text))
        except ProcessError as error:
            problems.append(Problem("/style", error.message))
    return problems


def schedule_of(trigger: Trigger) -> Schedule | None:
    """Return the schedule of a trigger that has one."""
    if trigger.kind != TriggerKind.SCHEDULE:
        return None
    return _schedule(trigger, anchor=trigger.anchor_at or trigger.created_at)


def _schedule(trigger: Trigger, *, anchor: datetime) -> Schedule:
    if trigger.every_seconds is not None:
        return Every(seconds=trigger.every_seconds, anchor=anchor)
    return Cron(line=trigger.cron, zone=zone_of(zone_name(trigger)))


def zone_name(trigger: Trigger) -> str:
    """Return the name of the zone in which a trigger's crontab is read: its own, else the site's."""
    return trigger.time_zone or timezone.get_default_timezone_name()
