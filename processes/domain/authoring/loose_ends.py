"""Find what a published process would stumble over one day: buttons, links and forms that lead nowhere.

They enter the process anew, so they are no jumps, and may be right all the same: a form that a sub process shows enters
the process that called it. So these are warnings, and never keep anybody from publishing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from processes.domain.definition import LIFECYCLE
from processes.domain.entrances import Entrance, UntoldEntrances, entrances_in
from processes.domain.json_values import pointer
from processes.domain.plan import Plan, PlanAction
from processes.domain.scripts import Catalogue
from processes.domain.suggestions import did_you_mean
from processes.domain.targets import ScriptTarget
from processes.errors import Problem

__all__ = ["LooseEnd", "find_loose_ends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseEnd:
    """Hold a problem of one action's config; its path begins at that action."""

    action: PlanAction
    problem: Problem


def find_loose_ends(plan: Plan, *, catalogue: Catalogue) -> list[LooseEnd]:
    """List what configs of a plan let people enter, and isn't there to be entered."""
    found: list[LooseEnd] = []
    for action in plan.actions:
        spec = catalogue.find(action.target.name) if isinstance(action.target, ScriptTarget) else None
        if spec is None:
            continue
        try:
            unknown = {filler.path for filler in action.fillers}
            entrances = entrances_in(action.config, spec.entrances, unknown=unknown)
        except UntoldEntrances as error:
            message = f'What "{spec.name}" lets people enter can\'t be told: {error}'
            found.append(LooseEnd(action=action, problem=Problem("/config", message)))
            continue
        for entrance in entrances:
            place = "/config" + pointer(*entrance.path)
            found += [LooseEnd(action=action, problem=one.under(place)) for one in _problems(plan, entrance)]
    return found


def _problems(plan: Plan, entrance: Entrance) -> Iterator[Problem]:
    name = entrance.action
    action = None if name in LIFECYCLE else plan.by_name.get(name)
    if action is None and (name.endswith("?") or "@unknown" in plan.by_name) and entrance.script is None:
        return
    if action is None:
        enterable = [other.name for other in plan.ordinary.values() if other.entry]
        yield Problem(
            "",
            f'This process has no action "{name}" to lead to',
            name,
            did_you_mean(name, enterable) or "That is right only in a sub process whose caller has one",
        )
    elif entrance.script is not None and action.script != entrance.script:
        yield Problem("", f'"{name}" is led back to, and its script isn\'t {entrance.script}', name)
    elif entrance.script is None and not action.entry:
        yield Problem("", f'"{name}" can\'t be entered from outside: it has "entry": false', name)
