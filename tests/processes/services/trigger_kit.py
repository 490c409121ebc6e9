"""Triggers for tests: set up as an editor would."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from processes.models import Access, ProcessTemplate, Trigger, TriggerKind
from processes.services.triggers import save_trigger
from tests.processes.services.published import action, publish_process

_numbers = itertools.count(1)


def a_user(name: str = "", **options: Any) -> User:
    return User.objects.create_user(name or f"user-{next(_numbers)}", **options)


def a_process(*actions: dict[str, Any], **options: Any) -> ProcessTemplate:
    published = publish_process(
        f"triggered-{next(_numbers)}", actions or [action("begin", "noop")], access=Access.SIGNED_IN, **options
    )
    published.refresh_from_db()
    return published


def a_trigger(**columns: Any) -> Trigger:
    user = columns.pop("user", None) or a_user()
    trigger = Trigger(title="Nightly", template=columns.pop("template", None) or a_process(), user=user)
    if columns.get("kind", TriggerKind.SCHEDULE) == TriggerKind.SCHEDULE and "every_seconds" not in columns:
        columns = {"cron": "0 3 * * *", "time_zone": "UTC", **columns}
    for name, value in columns.items():
        setattr(trigger, name, value)
    return save_trigger(trigger=trigger, editor=columns.get("editor", user))


def make_due(trigger: Trigger, *, ago: timedelta = timedelta(seconds=1)) -> datetime:
    """Let a trigger's time have come a while ago, and return when that was."""
    at = (timezone.now() - ago).replace(microsecond=0)
    Trigger.objects.filter(pk=trigger.pk).update(
        next_at=at, anchor_at=at - timedelta(seconds=trigger.every_seconds or 0)
    )
    return at
