"""Show status rules: as a table of statuses and roles, and as a diagram of where their actions lead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from django.utils.translation import gettext as _

from processes.domain.authoring.status_diagram import StatusDiagram, lay_out_statuses, moves_of
from processes.domain.entrances import UntoldEntrances, entrances_in
from processes.domain.plan import PlanAction
from processes.domain.status_rules import NO_STATUS, Moves, StatusRules, StatusTable, moves_from, tabulate
from processes.domain.targets import ScriptTarget
from processes.services.catalogue import catalogue
from processes.services.status_rules import Use, find_sub_plan

__all__ = ["Picture", "picture_of"]

#: A drawing of more helps nobody.
_MOST_STATUSES: Final = 60
#: Runs once, when an instance has been created.
_INIT: Final = "@init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Hold what is shown of rules; `diagram` is None where no process is known, or where it would be too large."""

    table: StatusTable
    diagram: StatusDiagram | None


def picture_of(rules: StatusRules, *, uses: Sequence[Use]) -> Picture:
    """Return the table of rules, and the diagram over the processes of those that use them."""
    known = [use for use in uses if use.plan is not None]
    initial = _initial(known)
    reached = {status for name in rules.actions for status in _leads(known, name).statuses}
    table = tabulate(rules, statuses=reached | set(initial))
    # In the order of the table, no status first.
    listed = [row.status for row in table.rows if row.status is not None]
    if not known or len(listed) > _MOST_STATUSES:
        return Picture(table=table, diagram=None)
    moves = moves_of(
        rules,
        dict.fromkeys([*initial, *listed]),
        leads=lambda name, status: _leads(known, name, at=status),
        captions=_captions(rules),
    )
    diagram = lay_out_statuses(
        moves,
        statuses=[status for status in listed if status != NO_STATUS],
        initial=initial,
        no_status=_("no status"),
        any_status=_("another status"),
    )
    return Picture(table=table, diagram=diagram)


def _leads(uses: Iterable[Use], action: str, *, at: str | None = None) -> Moves:
    """Return the statuses to which an action leads at a status, in any of the processes."""
    found = (
        moves_from(use.plan, action, at=at, later=_entered_later, find_plan=find_sub_plan)
        for use in uses
        if use.plan is not None
    )
    return reduce(Moves.__or__, found, Moves())


def _initial(uses: Iterable[Use]) -> list[str]:
    """Return the statuses with which instances begin: the type's first one, and what `@init` may set at once."""
    found: dict[str, None] = {}
    for use in uses:
        set_first = sorted(_leads([use], _INIT).statuses)
        # Without a first status of the type, one that `@init` sets is the first.
        found.update(dict.fromkeys([use.first_status, *set_first] if use.first_status or not set_first else set_first))
    return list(found)


def _captions(rules: StatusRules) -> dict[str, str]:
    """Return the first caption of each action that has one."""
    captions: dict[str, str] = {}
    for rule in rules.rules:
        for offered in rule.actions:
            if offered.caption:
                captions.setdefault(offered.action, offered.caption)
    return captions


def _entered_later(action: PlanAction) -> list[str]:
    """Return the actions that an action's form, buttons and links enter, as far as its config says so."""
    spec = catalogue().find(action.target.name) if isinstance(action.target, ScriptTarget) else None
    if spec is None:
        return []
    try:
        found = entrances_in(action.config, spec.entrances, unknown={filler.path for filler in action.fillers})
    except UntoldEntrances:  # Publishing warns of it.
        return []
    return [entrance.action for entrance in found]
