"""Tell which actions of a template are offered by status rules: at which statuses, to whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from processes.domain.status_rules import StatusMatch, StatusRule
from processes.errors import DefinitionError
from processes.models import ProcessTemplate, StatusRules
from processes.services.status_rules import parsed_rules

__all__ = ["Offer", "offers_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Hold one rule that offers an action; `rules` are those that it stands in, `roles` None for everyone."""

    action: str
    rules: StatusRules
    statuses: StatusMatch
    roles: tuple[str, ...] | None
    condition: str = ""
    is_disabled: bool = False


def offers_of(template: ProcessTemplate) -> dict[str, tuple[Offer, ...]]:
    """Return by action what the rules offer that instance types of this template use; rules with mistakes are left out.

    They are in the order of the rules' titles, and of the rules themselves.
    """
    found: dict[str, list[Offer]] = {}
    for row in StatusRules.objects.filter(instance_types__template=template).distinct().order_by("title", "pk"):
        try:
            rules = parsed_rules(row.rules)
        except DefinitionError:
            continue
        for rule in rules.rules:
            for offer in _offers(row, rule):
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
