"""Tell in words what an action does next, who may enter it, and what happens when it fails.

A sentence is a sequence of parts: plain words, and names of actions and states, which a page may link or set apart;
`plain` joins them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from processes.domain.authoring.flow import Branch, FlowAction, Order, branches_of
from processes.domain.retry_policy import RetryPolicy

__all__ = [
    "NOT_YET",
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
    "@start": "Runs before the action at which the process is entered.",
    "@end": "Runs after the last action, if there was no error.",
    "@default": "Runs when no action is asked for.",
    "@unknown": "Runs when an action is asked for that the process doesn't have.",
    "@error": "Runs when an action fails.",
}


def plain(sentence: Iterable[Part]) -> str:
    """Give a sentence as plain text."""
    return "".join(part.quoted for part in sentence)


def next_words(action: FlowAction, order: Order) -> Sentence:
    """Say where a process goes on after an action."""
    branches = branches_of(action, order)
    if action.name == "@error":
        opening = _words("Unless it resets the error, the process ends with it. If it does, ")
        return (*opening, *_branches(branches, action.name, order), *_words("."))
    told = _branches(branches, action.name, order)
    first = Part(told[0].text[:1].upper() + told[0].text[1:], told[0].kind)
    return (first, *told[1:], *_words("."))


def entry_words(action_name: str, order: Order, *, entry: bool, safe: bool) -> Sentence:
    """Say when a lifecycle action runs, and from where any other may be entered."""
    if action_name in _LIFECYCLE_ENTRY:
        return _words(_LIFECYCLE_ENTRY[action_name])
    sentences = []
    if order.ordinary[:1] == (action_name,) and "@default" not in order.declared:
        sentences.append("The process begins here unless another action is asked for.")
    if not entry:
        sentences.append("It can't be asked for from outside.")
    elif safe or action_name == "@display":
        sentences.append("A link or a form may ask for it.")
    else:
        sentences.append("A form may ask for it; a link only together with the reader's own data.")
    return _words(" ".join(sentences))


def limit_words(*, retry: RetryPolicy | None, timeout_seconds: float | None) -> Sentence:
    """Say how long an action may take, and how often and how soon it is tried again; nothing where nothing is set."""
    sentences = []
    if timeout_seconds is not None:
        sentences.append(f"It may take {duration(timeout_seconds)}.")
    if retry is not None:
        sentences.append(_retry(retry))
    return _words(" ".join(sentences)) if sentences else ()


#: What is said of keys that are checked and kept, but that runs don't act on so far.
NOT_YET: Final[Sentence] = (Part("So far this is written down only: runs don't act on it yet."),)


def undo_words(compensate: str | None, order: Order) -> Sentence:
    """Say which action takes back what an action did; nothing where none does."""
    if compensate is None:
        return ()
    return (*_words("If the run is undone, "), _action(compensate, order), *_words(" takes back what it did."))


def duration(seconds: float) -> str:
    """Give a length of time in words: `90` is “1 minute 30 seconds”."""
    whole = int(seconds)
    if seconds != whole or whole == 0:
        return f"{seconds:g} seconds"
    parts = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " ".join(parts)


def _branches(branches: Sequence[Branch], name: str, order: Order) -> Sentence:
    if len(branches) == 1:
        return _way(branches[0], name, order)
    parts: list[Part] = []
    # What happens otherwise is told last, whichever states it shares.
    for branch in sorted(branches, key=lambda branch: branch.otherwise):
        if parts:
            parts.append(Part("; "))
        if branch.states:
            parts.append(Part("under "))
            for number, state in enumerate(branch.states):
                parts += [Part(" or ")] if number else []
                parts.append(Part(state, "state"))
            parts.append(Part(" or otherwise " if branch.otherwise else " "))
        else:
            parts.append(Part("otherwise "))
        parts.extend(_way(branch, name, order))
    return tuple(parts)


def _way(branch: Branch, name: str, order: Order) -> Sentence:
    """Say one way on, as the rest of a sentence whose subject is understood."""
    if branch.leads == "end":
        return _ending(name, order)
    if branch.leads == "entry":
        return _words("goes on with the action at which the process is entered")
    if branch.target is None or branch.leads == "missing":
        it = "it " if name == "@error" else ""
        return (*_words(f"{it}goes to "), Part(branch.target or "", "state"), *_words(", which isn't declared"))
    target = _action(branch.target, order)
    if branch.leads == "following":
        return (*_words("goes on with the next action, "), target)
    if name == "@start":
        return (*_words("goes to "), target, *_words(" instead of the action that was asked for"))
    if name == "@error":
        return (*_words("it goes on with "), target)
    return (*_words("goes to "), target)


def _ending(name: str, order: Order) -> Sentence:
    if name == "@end":
        return _words("ends the process")
    if name == "@error":
        return _words("it ends without one")
    after = (*_words(", by way of "), _action("@end", order)) if "@end" in order.declared else ()
    if name == "@start":
        return (*_words("ends the process before it has begun"), *after)
    return (*_words("ends the process"), *after)


def _retry(retry: RetryPolicy) -> str:
    if retry.attempts == 1 or retry.errors == ():
        return "If it fails, it isn't tried again."
    only = "" if retry.errors is None else f" after {_listed(retry.errors)}"
    tries = f"If it fails{only}, it is tried again, {retry.attempts} times in all"
    wait = duration(retry.delay_seconds)
    if retry.delay_seconds == 0:
        return f"{tries}, at once."
    capped = retry.cap_seconds > retry.delay_seconds
    most = f", at most {duration(retry.cap_seconds)}" if capped else ""
    if retry.backoff == "fixed" or not capped:
        delays = f"{duration(min(retry.delay_seconds, retry.cap_seconds))} apart"
    elif retry.backoff == "linear":
        delays = f"after {wait} and then after {wait} more each time{most}"
    else:
        delays = f"after {wait} and then after twice as long each time{most}"
    jitter = f"; up to {retry.jitter:.0%} of each wait is left to chance" if retry.jitter else ""
    return f"{tries}, {delays}{jitter}."


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _action(name: str, order: Order) -> Part:
    """Give an action's name; one that nobody declares has no place to lead to."""
    return Part(name, "action" if name in order.declared else "state")


def _words(text: str) -> Sentence:
    return (Part(text),)
