"""Tell in words what an action does next, who may enter it, and what happens when it fails.

A sentence is a sequence of parts: plain words, and names of actions and states, which a page may link or set apart;
`plain` joins them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from processes.domain.authoring.flow import Branch, FlowAction, Order, branches_of
from processes.domain.authoring.language import ENGLISH, Language, gettext_noop
from processes.domain.retry_policy import RetryPolicy

__all__ = [
    "Part",
    "Sentence",
    "entry_words",
    "limit_words",
    "next_words",
    "plain",
    "undo_words",
]


@dataclass(frozen=True, slots=True)
class Part:
    """Hold a piece of a sentence: words, or the name of an action or a state."""

    text: str
    kind: Literal["words", "action", "state"] = "words"

    @property
    def quoted(self) -> str:
        """Give the piece as it reads: names in quotation marks."""
        return self.text if self.kind == "words" else f"“{self.text}”"


Sentence: TypeAlias = tuple[Part, ...]

_LIFECYCLE_ENTRY: Final = {
    "@start": gettext_noop("Runs before the action at which the process is entered."),
    "@end": gettext_noop("Runs after the last action, if there was no error."),
    "@default": gettext_noop("Runs when no action is asked for."),
    "@unknown": gettext_noop("Runs when an action is asked for that the process doesn't have."),
    "@error": gettext_noop("Runs when an action fails."),
}
_NAMED: Final = re.compile(r"%\((\w+)\)s")


def plain(sentence: Iterable[Part]) -> str:
    """Give a sentence as plain text."""
    return "".join(part.quoted for part in sentence)


def next_words(action: FlowAction, order: Order, *, language: Language = ENGLISH) -> Sentence:
    """Say where a process goes on after an action."""
    way = _Ways(action.name, order, language).told(branches_of(action, order))
    if action.name == "@error":
        text = language.gettext("Unless it resets the error, the process ends with it. If it does, %(way)s.")
        return _filled(text, way=way)
    first = Part(way[0].text[:1].upper() + way[0].text[1:], way[0].kind)
    return (first, *way[1:], Part("."))


def entry_words(action_name: str, order: Order, *, entry: bool, safe: bool, language: Language = ENGLISH) -> Sentence:
    """Say when a lifecycle action runs, and from where any other may be entered."""
    if action_name in _LIFECYCLE_ENTRY:
        return _words(language.gettext(_LIFECYCLE_ENTRY[action_name]))
    sentences = []
    if order.ordinary[:1] == (action_name,) and "@default" not in order.declared:
        sentences.append(language.gettext("The process begins here unless another action is asked for."))
    if not entry:
        sentences.append(language.gettext("It can't be asked for from outside."))
    elif safe or action_name == "@display":
        sentences.append(language.gettext("A link or a form may ask for it."))
    else:
        sentences.append(language.gettext("A form may ask for it; a link only together with the reader's own data."))
    return _words(" ".join(sentences))


def limit_words(*, retry: RetryPolicy | None, timeout_seconds: float | None, language: Language = ENGLISH) -> Sentence:
    """Say how long an action may take, and how often and how soon it is tried again; nothing where nothing is set."""
    sentences = []
    if timeout_seconds is not None:
        sentences.append(
            language.gettext("It may take %(time)s.") % {"time": duration(timeout_seconds, language=language)}
        )
    if retry is not None:
        sentences.append(_retry(retry, language))
    return _words(" ".join(sentences)) if sentences else ()


def undo_words(compensate: str | None, order: Order, *, language: Language = ENGLISH) -> Sentence:
    """Say which action takes back what an action did; nothing where none does."""
    if compensate is None:
        return ()
    text = language.gettext("If the run is undone, %(action)s takes back what it did.")
    return _filled(text, action=(_action(compensate, order),))


def duration(seconds: float, *, language: Language = ENGLISH) -> str:
    """Give a length of time in words: `90` is “1 minute 30 seconds”."""
    whole = int(seconds)
    if seconds != whole or whole == 0:
        return language.gettext("%(number)s seconds") % {"number": f"{seconds:g}"}
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    counted = (
        (days, language.ngettext("%(count)d day", "%(count)d days", days)),
        (hours, language.ngettext("%(count)d hour", "%(count)d hours", hours)),
        (minutes, language.ngettext("%(count)d minute", "%(count)d minutes", minutes)),
        (rest, language.ngettext("%(count)d second", "%(count)d seconds", rest)),
    )
    return " ".join(text % {"count": count} for count, text in counted if count)


class _Ways:
    """Say the ways on from one action, as the rest of a sentence whose subject is understood."""

    def __init__(self, name: str, order: Order, language: Language) -> None:
        self._name, self._order, self._language = name, order, language

    def told(self, branches: Sequence[Branch]) -> Sentence:
        """Say all of them."""
        if len(branches) == 1:
            return self._way(branches[0])
        parts: list[Part] = []
        # What happens otherwise is told last, whichever states it shares.
        for branch in sorted(branches, key=lambda branch: branch.otherwise):
            if parts:
                parts.append(Part("; "))
            parts.extend(self._branch(branch))
        return tuple(parts)

    def _branch(self, branch: Branch) -> Sentence:
        way = self._way(branch)
        if not branch.states:
            return _filled(self._language.gettext("otherwise %(way)s"), way=way)
        states: list[Part] = []
        for number, state in enumerate(branch.states):
            states += [Part(self._language.gettext(" or "))] if number else []
            states.append(Part(state, "state"))
        alone, shared = (
            self._language.gettext("under %(states)s %(way)s"),
            self._language.gettext("under %(states)s or otherwise %(way)s"),
        )
        text = shared if branch.otherwise else alone
        return _filled(text, states=tuple(states), way=way)

    def _way(self, branch: Branch) -> Sentence:
        if branch.leads == "end":
            return self._ending()
        if branch.leads == "entry":
            return _words(self._language.gettext("goes on with the action at which the process is entered"))
        failed = self._name == "@error"
        if branch.target is None or branch.leads == "missing":
            missing = (Part(branch.target or "", "state"),)
            if failed:
                return _filled(self._language.gettext("it goes to %(action)s, which isn't declared"), action=missing)
            return _filled(self._language.gettext("goes to %(action)s, which isn't declared"), action=missing)
        target = (_action(branch.target, self._order),)
        if branch.leads == "following":
            return _filled(self._language.gettext("goes on with the next action, %(action)s"), action=target)
        if self._name == "@start":
            text = self._language.gettext("goes to %(action)s instead of the action that was asked for")
            return _filled(text, action=target)
        text = (
            self._language.gettext("it goes on with %(action)s")
            if failed
            else self._language.gettext("goes to %(action)s")
        )
        return _filled(text, action=target)

    def _ending(self) -> Sentence:
        if self._name == "@error":
            return _words(self._language.gettext("it ends without one"))
        begun = self._name != "@start"
        if self._name == "@end" or "@end" not in self._order.declared:
            unbegun = self._language.gettext("ends the process before it has begun")
            return _words(self._language.gettext("ends the process") if begun else unbegun)
        end = (_action("@end", self._order),)
        if begun:
            return _filled(self._language.gettext("ends the process, by way of %(action)s"), action=end)
        return _filled(self._language.gettext("ends the process before it has begun, by way of %(action)s"), action=end)


def _retry(retry: RetryPolicy, language: Language) -> str:
    if retry.attempts == 1 or retry.errors == ():
        return language.gettext("If it fails, it isn't tried again.")
    tries = language.gettext("If it fails, it is tried again, %(count)d times in all") % {"count": retry.attempts}
    if retry.errors is not None:
        text = language.gettext("If it fails after %(errors)s, it is tried again, %(count)d times in all")
        tries = text % {"errors": _listed(retry.errors, language), "count": retry.attempts}
    if retry.delay_seconds == 0:
        return language.gettext("%(tries)s, at once.") % {"tries": tries}
    wait = duration(retry.delay_seconds, language=language)
    capped = retry.cap_seconds > retry.delay_seconds
    if retry.backoff == "fixed" or not capped:
        apart = duration(min(retry.delay_seconds, retry.cap_seconds), language=language)
        delays = language.gettext("%(time)s apart") % {"time": apart}
    else:
        times = {"time": wait, "most": duration(retry.cap_seconds, language=language)}
        more = language.gettext("after %(time)s and then after %(time)s more each time, at most %(most)s")
        twice = language.gettext("after %(time)s and then after twice as long each time, at most %(most)s")
        delays = (more if retry.backoff == "linear" else twice) % times
    told = f"{tries}, {delays}"
    if retry.jitter:
        share = f"{retry.jitter:.0%}"
        told = language.gettext("%(tries)s; up to %(share)s of each wait is left to chance") % {
            "tries": told,
            "share": share,
        }
    return f"{told}."


def _listed(names: Sequence[str], language: Language) -> str:
    quoted = [language.gettext("“%(name)s”") % {"name": name} for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + language.gettext(" or ") + quoted[-1]


def _action(name: str, order: Order) -> Part:
    """Give an action's name; one that nobody declares has no place to lead to."""
    return Part(name, "action" if name in order.declared else "state")


def _words(text: str) -> Sentence:
    return (Part(text),)


def _filled(text: str, **parts: Sentence) -> Sentence:
    """Put parts into a text, where it names them: their order is the language's."""
    pieces = _NAMED.split(text)
    told: list[Part] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            told.extend(parts[piece])
        elif piece:
            told.append(Part(piece))
    return tuple(told)
