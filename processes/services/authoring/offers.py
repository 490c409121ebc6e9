"""Tell which actions of a template are offered by status rules: at which statuses, to whom."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from processes.domain.status_rules import StatusMatch, StatusRule, StatusTable, tabulate
from processes.domain.status_rules import StatusRules as Rules
from processes.errors import DefinitionError
from processes.models import ProcessTemplate, StatusRules
from processes.services.status_rules import parsed_rules

__all__ = ["Offer", "UsedRules", "offers_of", "rules_used_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Hold one rule that offers an action; `rules` are those that it stands in, `roles` None for everyone."""

    action: str
    rules: StatusRules
    statuses: StatusMatch
    roles: tuple[str, ...] | None
    condition: str = ""
    is_disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedRules:
    """Hold status rules that instance types of a template use, as they are written and as they are read."""

    row: StatusRules
    read: Rules

    @property
    def table(self) -> StatusTable:
        """Return what they offer: statuses by roles."""
        return tabulate(self.read)


def rules_used_with(template: ProcessTemplate) -> list[UsedRules]:
    """Return the status rules that instance types of this template use, by title; those with mistakes are left out."""
    found: list[UsedRules] = []
    for row in StatusRules.objects.filter(instance_types__template=template).distinct().order_by("title", "pk"):
        with suppress(DefinitionError):
            found.append(UsedRules(row=row, read=parsed_rules(row.rules)))
    return found


def offers_of(used: Iterable[UsedRules]) -> dict[str, tuple[Offer, ...]]:
    """Return what rules offer, by action, in the order of the rules."""
    found: dict[str, list[Offer]] = {}
    for rules in used:
        for rule in rules.read.rules:
            for offer in _offers(rules.row, rule):
                found.setdefault(offer.action, []).append(offer)
    return {action: tuple(offers) for action, offers in found.items()}


def _offers(row: StatusRules, rule: StatusRule) -> Iterator[Offer]:
    named = [name for kind, name in rule.places if kind == "role"]
    roles = None if rule.roles is None else tuple(dict.fromkeys([*named, *sorted(rule.roles)]))
    for offered in rule.actions:
        if offered.action:
            yield Offer(
                action=offered.action,
                rules=row,
                statuses=rule.statuses,
                roles=roles,
                condition="" if rule.condition is None else rule.condition.text,
                is_disabled=offered.disabled,
            )
