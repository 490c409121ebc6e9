"""Say in words what has happened to an instance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.domain.json_values import JSON, canonical
from processes.models import EventKind, InstanceEvent

__all__ = ["Change", "Told", "told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold one change of the Data: texts, empty where there is nothing to show; `place` is a JSON Pointer."""

    place: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold an event as a page shows it."""

    at: datetime
    who: str
    text: str
    action: str
    changes: Sequence[Change]
    #: How many changes aren't told one by one.
    more: int


def told(events: Iterable[InstanceEvent]) -> list[Told]:
    """Return events in words."""
    return [_told(event) for event in events]


def _told(event: InstanceEvent) -> Told:
    changes = [change for change in event.changes if "path" in change]
    return Told(
        at=event.at,
        who=event.actor_name,
        text=_text(event),
        # What was executed says so itself.
        action="" if event.kind == EventKind.EXECUTED else event.action,
        changes=[_change(change) for change in changes],
        more=sum(change.get("more", 0) for change in event.changes),
    )


def _text(event: InstanceEvent) -> str:
    facts: Mapping[str, JSON] = event.facts
    match event.kind:
        case EventKind.CREATED:
            return _("Created")
        case EventKind.EXECUTED:
            return _("Executed “%(action)s”") % {"action": event.action} if event.action else _("Executed")
        case EventKind.DATA:
            count = sum(change.get("more", 1) for change in event.changes)
            return ngettext("Changed %(count)d value", "Changed %(count)d values", count) % {"count": count}
        case EventKind.STATUS:
            if not event.status_before:
                return _("Status “%(after)s”") % {"after": event.status_after}
            words = {"before": event.status_before, "after": event.status_after or "–"}
            return _("Status “%(before)s” → “%(after)s”") % words
        case EventKind.CLAIMED:
            return _("Claimed")
        case EventKind.RELEASED:
            return _("Given back")
        case EventKind.DUE:
            after = facts.get("after")
            return _("Due %(moment)s") % {"moment": _moment(after)} if after else _("Due date taken away")
        case EventKind.ASSIGNED:
            return _asked(facts)
        case EventKind.ESCALATED:
            return _escalated(facts)
        case EventKind.CONSUMED:
            return _("Received a message on “%(topic)s”") % {"topic": facts.get("topic", "")}
        case EventKind.EDITED:
            title = facts.get("title")
            return _("Called “%(title)s” now") % {"title": title["after"]} if title else _("Edited by hand")
        case EventKind.MOVED:
            return _("Moved to another version of its process")
    return event.get_kind_display()


def _asked(facts: Mapping[str, JSON]) -> str:
    names = ", ".join(str(name) for name in [*facts.get("users", ()), *facts.get("groups", ())])
    if facts.get("due_at"):
        return _("Assigned to %(names)s, due %(moment)s") % {"names": names, "moment": _moment(facts["due_at"])}
    return _("Assigned to %(names)s") % {"names": names}


def _escalated(facts: Mapping[str, JSON]) -> str:
    parts = [_("Not done in time")]
    if "users" in facts:
        parts.append(_asked({**facts, "due_at": None}))
    if facts.get("action"):
        parts.append(_("“%(action)s” begun") % {"action": facts["action"]})
    return "; ".join(parts)


def _moment(text: JSON) -> str:
    moment = parse_datetime(str(text))
    return str(text) if moment is None else date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def _change(change: Mapping[str, JSON]) -> Change:
    return Change(place=str(change["path"]), before=_value(change, "before"), after=_value(change, "after"))


def _value(change: Mapping[str, JSON], name: str) -> str:
    if f"{name}_chars" in change:
        characters = change[f"{name}_chars"]
        return ngettext("%(count)d character", "%(count)d characters", characters) % {"count": characters}
    if name not in change:
        return ""
    value = change[name]
    return value if isinstance(value, str) else canonical(value)
