"""Check status rules against what there is: the actions of processes, the statuses that they set, the roles."""

from collections.abc import Collection

from processes.domain.status_rules.rules import NO_STATUS, RESERVED_ROLES, StatusRules
from processes.domain.suggestions import did_you_mean
from processes.errors import Problem

__all__ = ["check_status_rules"]

#: Guessing what was meant is slow among many names: enough for a person, not for a flood.
_MAX_GUESSES = 20


def check_status_rules(
    rules: StatusRules,
    *,
    actions: Collection[str] | None = None,
    reachable: Collection[str] | None = None,
    roles: Collection[str] | None = None,
) -> list[Problem]:
    """List what rules name and isn't there, in the order of the document; None leaves a kind unchecked.

    `reachable` are the statuses that something may have, besides none; `roles` those besides the reserved ones.
    """
    known = {
        "role": None if roles is None else {*roles, *RESERVED_ROLES},
        "status": None if reachable is None else {*reachable, NO_STATUS},
        "action": None if actions is None else set(actions),
    }
    told = {
        "role": 'There is no role "%s"',
        "status": 'Nothing ever gets the status "%s"',
        "action": 'The process has no action "%s"',
    }
    problems: list[Problem] = []
    for rule in rules.rules:
        for (kind, name), place in rule.places.items():
            there = known[kind]
            if there is None or name in there:
                continue
            candidates = sorted(there - {NO_STATUS})
            suggestion = did_you_mean(name, candidates) if len(problems) < _MAX_GUESSES else None
            problems.append(Problem(path=place, message=told[kind] % name, value=name, suggestion=suggestion))
    return problems
