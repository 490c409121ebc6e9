"""What the admin says of runs: why they wait, why something was refused, what doesn't fit, what would happen again."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.domain.moving import Misfit
from processes.services.standing import ToldReason
from tasks.admin.words import STATUS_WORDS
from tasks.domain.bounds import MESSAGE_CHARS, shorten

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = [
    "CALLBACK_WORDS",
    "EFFECT_WORDS",
    "MESSAGE_WORDS",
    "REASON_WORDS",
    "WAITING_WORDS",
    "effect_text",
    "error_message",
    "misfit_text",
    "reason_text",
    "result_text",
    "waiting_text",
    "why_text",
]

#: How a callback stands.
CALLBACK_WORDS: Mapping[str, "_StrPromise"] = {
    **STATUS_WORDS,
    "started": gettext_lazy("started"),
    "progress": gettext_lazy("in progress"),
    "error": gettext_lazy("failed"),
    "timeout": gettext_lazy("took too long"),
}

#: Why a run waits, by the code of `waiting_for` (docs/control.md).
WAITING_WORDS: Mapping[str, "_StrPromise"] = {
    "paused": gettext_lazy("paused by an operator"),
    "timer": gettext_lazy("a moment"),
    "callback": gettext_lazy("reports of callbacks"),
    "await": gettext_lazy("the end of a callback"),
    "children": gettext_lazy("child runs"),
    "form": gettext_lazy("an answer to a form"),
    "retry": gettext_lazy("the next try of an action"),
}

#: What kinds of messages come into a run's inbox.
MESSAGE_WORDS: Mapping[str, "_StrPromise"] = {
    "resume": gettext_lazy("an answer"),
    "report": gettext_lazy("a callback's report"),
    "answer": gettext_lazy("an answer to a form"),
    "joined": gettext_lazy("its child runs have come together"),
    "pause": gettext_lazy("pause"),
    "go_on": gettext_lazy("go on"),
    "edit": gettext_lazy("edit the data"),
    "move": gettext_lazy("move to another plan"),
}

#: What scripts declare that doing them again means.
EFFECT_WORDS: Mapping[str, "_StrPromise"] = {
    "pure": gettext_lazy("pure: it only computes"),
    "idempotent": gettext_lazy("idempotent: may be done again"),
    "transactional": gettext_lazy("transactional: writes to the database"),
    "once": gettext_lazy("once: must not be done twice"),
    "process": gettext_lazy("a sub process"),
}

#: Why something was refused, by the reason's code (docs/control.md), in a few words.
REASON_WORDS: Mapping[str, "_StrPromise"] = {
    "alive": gettext_lazy("it is still at work"),
    "answer_not_kept": gettext_lazy("an answer that it got wasn't kept"),
    "bindings": gettext_lazy("what its instance overrides doesn't fit what is published"),
    "by_hand": gettext_lazy("it was changed by hand"),
    "callbacks": gettext_lazy("it depends on callbacks that have ended"),
    "changed": gettext_lazy("the data weren't as the editor saw them"),
    "compensated": gettext_lazy("what it did was undone"),
    "completed": gettext_lazy("it has ended well"),
    "ended": gettext_lazy("it has ended"),
    "error": gettext_lazy("something went wrong"),
    "gone": gettext_lazy("its process isn't published any more"),
    "misfit": gettext_lazy("it doesn't fit the other plan"),
    "missing": gettext_lazy("there is no such run any more"),
    "moved": gettext_lazy("it was moved meanwhile"),
    "no_place": gettext_lazy("there is no action to run there"),
    "not_ended": gettext_lazy("it hasn't ended in a way that can be repeated"),
    "not_moved": gettext_lazy("it wasn't moved"),
    "not_paused": gettext_lazy("it isn't paused"),
    "once": gettext_lazy("something that must not be done twice would be done again"),
    "part": gettext_lazy("it is a part of another run: take up that one"),
    "paused": gettext_lazy("it is paused already"),
    "same_plan": gettext_lazy("it has that plan already"),
    "taken_up": gettext_lazy("it was taken up already"),
    "too_long": gettext_lazy("it has too many steps"),
    "undoing": gettext_lazy("it undoes what it has done"),
    "undone": gettext_lazy("what had been done by then was undone since"),
}

#: What doesn't fit of a run, by the misfit's code; `name` is an action (or process, or instance) of `process`.
_MISFITS: Mapping[str, "_StrPromise"] = {
    "action": gettext_lazy("“%(name)s” isn't in “%(process)s” any more"),
    "kind": gettext_lazy(
        "“%(name)s” is of another kind in “%(process)s”: a script where a process was, or the reverse"
    ),
    "script": gettext_lazy("it waits at “%(name)s”, which has another script in “%(process)s”"),
    "compensation": gettext_lazy("what “%(name)s” has done isn't undone by “%(process)s” any more"),
    "process": gettext_lazy("the sub process “%(name)s”, which is under way, isn't bound any more, or has been parted"),
    "bindings": gettext_lazy("its instance overrides what “%(process)s” doesn't have any more"),
}


def waiting_text(waiting_for: Any) -> str:
    """Return in words what a run waits for, as its row says it; empty where it doesn't wait."""
    if not isinstance(waiting_for, Mapping):
        return ""
    code = str(waiting_for.get("code", ""))
    text = str(WAITING_WORDS.get(code, code))
    if code == "callback":
        text = _("reports to %(actions)s") % {"actions": ", ".join(map(str, waiting_for.get("actions", ())))}
    elif code == "retry":
        text = _("its next try of “%(action)s”") % {"action": waiting_for.get("action", "")}
    elif code == "paused":
        text = _("paused by %(who)s") % {"who": waiting_for.get("by") or "?"}
    elif code == "children" and "total" in waiting_for:
        text = _("child runs: %(count)s") % {"count": waiting_for["total"]}
    elif code == "form" and waiting_for.get("title"):
        text = _("an answer to “%(form)s”") % {"form": waiting_for["title"]}
    until = waiting_for.get("until")
    if not isinstance(until, str):
        return text
    return _("%(what)s, until %(when)s UTC") % {"what": text, "when": f"{datetime.fromisoformat(until):%Y-%m-%d %H:%M}"}


def error_message(error: Any) -> str:
    """Return what a run's error says to people; empty where there is none."""
    return shorten(str(error.get("message", "")), MESSAGE_CHARS) if isinstance(error, Mapping) else ""


def why_text(why: ToldReason) -> str:
    """Return in a sentence why a run doesn't move."""
    if why.code == "callback":
        # Whoever operates runs knows actions by their names.
        return _("It waits for %(what)s.") % {"what": waiting_text({"code": why.code, **why.facts})}
    return why.text


def reason_text(reason: str, names: Any = ()) -> str:
    """Return in words why something was refused, with what it is about."""
    text = str(REASON_WORDS.get(reason, reason))
    told = ", ".join(f"“{name}”" for name in names) if isinstance(names, (list, tuple)) else ""
    return f"{text}: {told}" if told else text


def misfit_text(misfit: Misfit) -> str:
    """Return in words what of a run doesn't fit another plan."""
    text = _MISFITS.get(misfit.code)
    return misfit.code if text is None else str(text) % {"name": misfit.name, "process": misfit.process}


def result_text(result: Any) -> str:
    """Return in words what became of a message; empty where that isn't said."""
    if not isinstance(result, Mapping):
        return ""
    if result.get("done") is True:
        return _("done")
    misfits = [misfit_text(Misfit(**item)) for item in result.get("misfits", ())]
    refused = reason_text(str(result.get("refused", "")), result.get("names", ()))
    return _("refused: %(why)s") % {"why": "; ".join(misfits) or refused}


def effect_text(effect: str) -> str:
    """Return in words what doing an action again means."""
    return str(EFFECT_WORDS.get(effect, effect))
