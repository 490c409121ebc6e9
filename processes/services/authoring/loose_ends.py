"""Warn of what a template may be published with, and is probably a mistake."""

from processes.domain.authoring.loose_ends import find_loose_ends
from processes.errors import Problem
from processes.services.catalogue import catalogue
from processes.services.derivation import Derived

__all__ = ["loose_ends_of"]


def loose_ends_of(derived: Derived) -> list[Problem]:
    """Return the loose ends of a template, each with its place; those of an extended one bear its name as `source`."""
    if derived.plan is None:
        return []
    found: list[Problem] = []
    for end in find_loose_ends(derived.plan, catalogue=catalogue()):
        merged = derived.derivation.merged.actions[end.action.index]
        problem = end.problem.under(merged.layer.definition_path + merged.action.path)
        found.append(problem if merged.layer.name == derived.source.slug else problem.of(merged.layer.name))
    return found
