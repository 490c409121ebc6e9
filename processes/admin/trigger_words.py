"""What the pages of triggers say: when one is due, what it did, why a delivery was refused."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.admin.trigger_form import split_seconds
from processes.domain.moments import zone_of
from processes.domain.signatures import Refusal
from processes.models import FiringOutcome, Trigger, TriggerFiring, TriggerKind
from processes.services.trigger_rules import zone_name
from tasks.domain.bounds import shorten

__all__ = ["Row", "badge", "history_of", "refusal_words", "spoken_times", "when_words"]

#: How many firings a trigger's page shows.
MOST = 20
_ID_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Show one firing."""

    at: datetime
    cause: str
    outcome: SafeString
    reason: str
    run_id: str
    run_status: str
    #: Where the run can be looked at; empty where it is gone, or not the reader's to see.
    address: str


def when_words(trigger: Trigger) -> str:
    """Say in a few words when a trigger starts its process."""
    if trigger.kind == TriggerKind.WEBHOOK:
        return _("by a webhook")
    if trigger.every_seconds is None:
        return f"{trigger.cron} ({zone_name(trigger)})"
    count, unit = split_seconds(trigger.every_seconds)
    words = {
        86_400: ngettext("every day", "every %(count)d days", count),
        3_600: ngettext("every hour", "every %(count)d hours", count),
        60: ngettext("every minute", "every %(count)d minutes", count),
        1: ngettext("every second", "every %(count)d seconds", count),
    }
    return words[unit] % {"count": count}


def spoken_times(moments: list[datetime]) -> list[str]:
    """Say moments with day of week, date, time and zone, in the zone that they bear."""
    return [
        f"{date_format(moment, 'D')} {date_format(moment, 'SHORT_DATE_FORMAT')} {moment:%H:%M:%S} {moment.tzname()}"
        for moment in moments
    ]


def history_of(trigger: Trigger, request: HttpRequest) -> list[Row]:
    """Return the last firings of a trigger."""
    sees_runs = request.user.has_perm("processes.view_run")
    firings = trigger.firings.select_related("run").order_by("-id")[:MOST]
    return [_row(firing, trigger, sees_runs=sees_runs) for firing in firings]


def _row(firing: TriggerFiring, trigger: Trigger, *, sees_runs: bool) -> Row:
    run = firing.run
    address = reverse("admin:processes_run_change", args=(run.pk,)) if run is not None and sees_runs else ""
    return Row(
        at=firing.at,
        cause=cause_words(firing, trigger),
        outcome=badge(firing),
        reason=firing.reason,
        run_id="" if firing.run_id is None else str(firing.run_id),
        run_status="" if run is None else run.status,
        address=address,
    )


def cause_words(firing: TriggerFiring, trigger: Trigger) -> str:
    """Say why a trigger acted: it was due, something was delivered, or somebody wanted it."""
    if firing.due_at is not None:
        (moment,) = spoken_times([timezone.localtime(firing.due_at, zone_of(zone_name(trigger)))])
        return _("due %(moment)s") % {"moment": moment}
    if firing.key.startswith("now:"):
        return _("fired by hand")
    return _("delivery %(id)s") % {"id": shorten(firing.delivery, _ID_CHARS)} if firing.delivery else _("delivery")


def badge(firing: TriggerFiring) -> SafeString:
    """Show an outcome."""
    return format_html(
        '<span class="trigger-outcome is-{}">{}</span>', firing.outcome, FiringOutcome(firing.outcome).label
    )


def refusal_words(refusal: str) -> str:
    """Say why a delivery was refused, and what may be wrong."""
    words = {
        Refusal.UNSIGNED.value: _("It bore no signature that can be read: look at the way of signing, and its header."),
        Refusal.FORGED.value: _("Its signature was not made with the secret, or the body was changed on its way."),
        Refusal.OLD.value: _("Its signature was too old, or from the future: compare the clocks."),
        Refusal.KEYLESS.value: _("No secret is set, or none can be read."),
    }
    return words.get(refusal, refusal)
