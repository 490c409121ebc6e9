"""What the builder's buttons do with rows; nothing is saved by that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from django.utils.translation import gettext as _

from processes.admin.tabs.builder.posted import BrokenFormError, Posted
from processes.domain.authoring.rows import BuilderRows, add_action, add_step, move_action, move_step, remove

__all__ = ["Outcome", "carry_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold the rows after a button was pressed, the steps that are open, what to say, and what gets the focus."""

    rows: BuilderRows
    open: frozenset[str] = field(default_factory=frozenset)
    said: str = ""
    focus: str = ""


_Deed: TypeAlias = Callable[[Posted, str], Outcome]


def carry_out(posted: Posted, deed: str) -> Outcome:
    """Do what a button says: a word, and the number of the step or action that it is about."""
    word, _colon, number = deed.partition(":")
    if word not in _DEEDS:
        return Outcome(rows=posted.rows, open=posted.open)
    return _DEEDS[word](posted, number)


def _add_action(posted: Posted, number: str) -> Outcome:
    rows, name = add_action(posted.rows)
    said = _("The action “%(name)s” is added.") % {"name": name}
    return Outcome(rows=rows, open=posted.open | {name}, said=said, focus=f"reference {name}")


def _add_step(posted: Posted, number: str) -> Outcome:
    rows, name = add_step(posted.rows, _named(posted.actions, number))
    said = _("The step “%(name)s” is added.") % {"name": name}
    is_head = any(action.reference == name for action in rows.actions)
    return Outcome(
        rows=rows, open=posted.open | {name}, said=said, focus=f"{'reference' if is_head else 'name'} {name}"
    )


def _delete_action(posted: Posted, number: str) -> Outcome:
    reference = _named(posted.actions, number)
    # The rows as they are now: what the heading named may stand in another action meanwhile.
    names = next(
        ([step.name for step in action.steps] for action in posted.rows.actions if action.reference == reference),
        [reference],
    )
    said = _("The action “%(name)s” is deleted. Nothing is saved so far.") % {"name": reference}
    return Outcome(rows=remove(posted.rows, names), open=posted.open - set(names), said=said, focus="add-action")


def _delete_step(posted: Posted, number: str) -> Outcome:
    name = _named(posted.steps, number)
    said = _("The step “%(name)s” is deleted. Nothing is saved so far.") % {"name": name}
    return Outcome(rows=remove(posted.rows, [name]), open=posted.open - {name}, said=said, focus="add-action")


def _moving_action(by: int) -> _Deed:
    def move(posted: Posted, number: str) -> Outcome:
        reference = _named(posted.actions, number)
        if not any(action.reference == reference for action in posted.rows.actions):
            return Outcome(rows=posted.rows, open=posted.open)
        rows = move_action(posted.rows, reference, by)
        return Outcome(rows=rows, open=posted.open, said=_place_of(rows, reference), focus=f"{_way(by)} {reference}")

    return move


def _moving_step(by: int) -> _Deed:
    def move(posted: Posted, number: str) -> Outcome:
        name = _named(posted.steps, number)
        rows = move_step(posted.rows, name, by)
        return Outcome(rows=rows, open=posted.open, said=_place_of(rows, name), focus=f"{_way(by)}-step {name}")

    return move


def _way(by: int) -> str:
    return "up" if by < 0 else "down"


def _open(posted: Posted, number: str) -> Outcome:
    name = _named(posted.steps, number)
    return Outcome(rows=posted.rows, open=posted.open | {name}, focus=f"open {name}")


def _close(posted: Posted, number: str) -> Outcome:
    name = _named(posted.steps, number)
    if name in posted.problems:
        said = _("“%(name)s” stays open: something in it can't be read.") % {"name": name}
        return Outcome(rows=posted.rows, open=posted.open, said=said, focus=f"open {name}")
    return Outcome(rows=posted.rows, open=posted.open - {name}, focus=f"open {name}")


def _add_rule(posted: Posted, number: str) -> Outcome:
    return Outcome(rows=posted.rows, open=posted.open, focus=f"new-rule {_named(posted.steps, number)}")


def _delete_rule(posted: Posted, number: str) -> Outcome:
    name = _named(posted.steps, number.partition(":")[0])
    said = _("A rule of “%(name)s” is deleted. Nothing is saved so far.") % {"name": name}
    return Outcome(rows=posted.rows, open=posted.open, said=said, focus=f"new-rule {name}")


def _use_script(posted: Posted, number: str) -> Outcome:
    return Outcome(rows=posted.rows, open=posted.open, focus=f"script {_named(posted.steps, number)}")


_DEEDS: Mapping[str, _Deed] = {
    "add-action": _add_action,
    "add-step": _add_step,
    "delete-action": _delete_action,
    "delete-step": _delete_step,
    "up-action": _moving_action(-1),
    "down-action": _moving_action(1),
    "up-step": _moving_step(-1),
    "down-step": _moving_step(1),
    "open": _open,
    "close": _close,
    "add-rule": _add_rule,
    "delete-rule": _delete_rule,
    "script": _use_script,
}


def _named(names: Mapping[str, str], number: str) -> str:
    if number not in names:
        raise BrokenFormError(f"There is no row {number}")
    return names[number]


def _place_of(rows: BuilderRows, name: str) -> str:
    for action in rows.actions:
        for place, step in enumerate(action.steps, start=1):
            if step.name == name:
                told = {"name": name, "place": place, "action": action.reference}
                if place == 1:
                    number = rows.actions.index(action) + 1
                    return _("“%(name)s” is now the beginning of action %(place)s.") % {"name": name, "place": number}
                return _("“%(name)s” is now step %(place)s of “%(action)s”.") % told
    return ""
