"""What the admin of tasks says: statuses, kinds, times and JSON for people."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Model
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from tasks.domain.bounds import shorten
from tasks.domain.jsonvalue import JSON
from tasks.domain.schedule import Schedule
from tasks.models import Job
from tasks.registry import jobs
from tasks.services.inspecting import Kind

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = [
    "KIND_WORDS",
    "OUTCOME_WORDS",
    "STATUS_WORDS",
    "badge",
    "block",
    "held_back",
    "length",
    "moment",
    "once",
    "pretty",
    "schedule_of",
    "span",
]

#: Characters of a text or a JSON value that a page shows.
SHOWN_CHARS = 20_000

STATUS_WORDS: Mapping[str, "_StrPromise"] = {
    "created": gettext_lazy("not begun"),
    "pending": gettext_lazy("pending"),
    "claimed": gettext_lazy("claimed"),
    "running": gettext_lazy("running"),
    "waiting": gettext_lazy("waiting"),
    "retry": gettext_lazy("to be tried again"),
    "cancel_requested": gettext_lazy("asked to stop"),
    "completed": gettext_lazy("completed"),
    "failed": gettext_lazy("failed"),
    "dead_letter": gettext_lazy("dead letter"),
    "cancelled": gettext_lazy("cancelled"),
    "skipped": gettext_lazy("skipped"),
    "compensating": gettext_lazy("compensating"),
    "compensated": gettext_lazy("compensated"),
}

KIND_WORDS: Mapping[Kind, "_StrPromise"] = {
    "job": gettext_lazy("job"),
    "code": gettext_lazy("code"),
    "celery": gettext_lazy("Celery task"),
}

OUTCOME_WORDS: Mapping[str, "_StrPromise"] = {
    "failed": gettext_lazy("failed"),
    "timed_out": gettext_lazy("took too long"),
    "lost": gettext_lazy("worker lost"),
}


def badge(status: str, *, words: Mapping[str, "_StrPromise"] = STATUS_WORDS) -> SafeString:
    """Return a status as a badge, which says it in words and not by its colour alone."""
    return format_html('<span class="task-status is-{}">{}</span>', status, words.get(status, status))


def moment(value: datetime | None) -> SafeString | str:
    """Return a time to the second, in the reader's time zone."""
    if value is None:
        return ""
    shown = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), f"{shown:%Y-%m-%d %H:%M:%S}")


def span(began: datetime | None, ended: datetime | None) -> str:
    """Return how long something took; of what goes on, how long it has until now."""
    if began is None:
        return ""
    return length((ended or timezone.now()) - began)


def length(time: timedelta) -> str:
    """Return a time span in its two largest units."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 60:
        return _("%(count)s s") % {"count": f"{seconds:.1f}"}
    whole = int(seconds)
    for unit, smaller, text in (
        (86_400, 3_600, _("%(many)d d %(few)d h")),
        (3_600, 60, _("%(many)d h %(few)d min")),
        (60, 1, _("%(many)d min %(few)d s")),
    ):
        if whole >= unit:
            return text % {"many": whole // unit, "few": whole % unit // smaller}
    raise AssertionError(seconds)


def once(row: Model, name: str, read: Callable[[], str]) -> str:
    """Return what must be read from the database for a row's field: the admin asks for each field several times."""
    known: dict[str, str] = row.__dict__.setdefault("_told", {})
    if name not in known:
        known[name] = read()
    return known[name]


def pretty(value: JSON) -> str:
    """Return a JSON value to be read, cut off where it is long."""
    return shorten(json.dumps(value, ensure_ascii=False, indent=2), SHOWN_CHARS)


def block(text: str) -> SafeString:
    """Return a text as it stands, line by line; it can be reached by keyboard where it must be scrolled."""
    return format_html('<pre class="task-text" tabindex="0">{}</pre>', shorten(text, SHOWN_CHARS))


def held_back(job: Job) -> str:
    """Return in words what holds a job back although it is due; empty where nothing does."""
    kind, _separator, name = job.blocked_by.partition(":")
    if kind == "key":
        text = ngettext(
            "Only %(count)d job with the key “%(key)s” may be worked on at once; it waits for that one to end.",
            "Only %(count)d jobs with the key “%(key)s” may be worked on at once; it waits for one of them to end.",
            job.concurrency_limit,
        )
        return text % {"count": job.concurrency_limit, "key": name}
    if kind == "rate":
        return _("“%(name)s” may begin only so often; it waits for its turn.") % {"name": name}
    return ""


def schedule_of(function: str) -> str:
    """Return when a function is enqueued by itself; empty where it isn't, or isn't registered here."""
    schedule = jobs.get(function).schedule if function in jobs else None
    return "" if schedule is None else _spoken(schedule)


def _spoken(schedule: Schedule) -> str:
    if isinstance(schedule, timedelta):
        return _("every %(time)s") % {"time": length(schedule)}
    fields = (schedule.minute, schedule.hour, schedule.day_of_month, schedule.month_of_year, schedule.day_of_week)
    return _("by the clock: %(crontab)s (minute, hour, day of month, month, day of week)") % {
        "crontab": " ".join(fields)
    }
