"""Say what status rules offer: to whom, at which status, under which condition.

An offer is no permission: the action still checks for itself who may carry it out.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from processes.domain.conditions import Condition

__all__ = [
    "ANY_STATUS",
    "NO_STATUS",
    "RESERVED_ROLES",
    "OfferedAction",
    "OptionGroup",
    "StatusMatch",
    "StatusRule",
    "StatusRules",
]

#: The status of what has none.
NO_STATUS: Final = ""

#: Roles that follow from the instance itself: who owns it, who is at work on it, who may claim it, and staff.
RESERVED_ROLES: Final = ("owner", "assignee", "candidate", "staff")


class OptionGroup(StrEnum):
    """Say how an option stands beside the others: what is expected next comes first."""

    EXPECTED = "expected"
    OPTIONAL = "optional"
    ANYTIME = "anytime"
    EXCEPTIONAL = "exceptional"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMatch:
    """Hold the statuses to which a rule applies: those that are included (None: all), without those excluded."""

    included: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()

    def matches(self, status: str) -> bool:
        """Tell whether the rule applies at a status; `""` is no status."""
        return (self.included is None or status in self.included) and status not in self.excluded

    @property
    def named(self) -> frozenset[str]:
        """Give the statuses that it names, `""` among them where it speaks of no status."""
        return (self.included or frozenset()) | self.excluded


#: Applies at every status, and at none.
ANY_STATUS: Final = StatusMatch()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedAction:
    """Hold one option: an action (`""` where there is only a `url`), and how it is shown."""

    action: str = ""
    caption: str = ""
    popup: bool = False
    disabled: bool = False
    url: str = ""
    group: OptionGroup = OptionGroup.OPTIONAL

    @property
    def key(self) -> tuple[str, str]:
        """Give what makes it the same option as another: its action, or the address where it has none."""
        return self.action, "" if self.action else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRule:
    """Hold one rule; `index` is its place in the document, `roles` None where it is for everyone.

    `places` has, by kind (`role`, `status`, `action`) and name, the JSON Pointer of each name in the document.
    """

    index: int
    comment: str = ""
    roles: frozenset[str] | None = None
    statuses: StatusMatch = ANY_STATUS
    actions: tuple[OfferedAction, ...] = ()
    condition: Condition | None = None
    places: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)

    def is_for(self, roles: Collection[str]) -> bool:
        """Tell whether it is for somebody with these roles."""
        return self.roles is None or not self.roles.isdisjoint(roles)


@dataclass(frozen=True, kw_only=True)
class StatusRules:
    """Hold the rules of one document, in its order."""

    rules: tuple[StatusRule, ...] = ()

    @cached_property
    def statuses(self) -> frozenset[str]:
        """Give the statuses that are named anywhere; `""` is among them where a rule speaks of no status."""
        return frozenset(status for rule in self.rules for status in rule.statuses.named)

    @cached_property
    def roles(self) -> frozenset[str]:
        """Give the roles that are named anywhere."""
        return frozenset(role for rule in self.rules for role in rule.roles or ())

    @cached_property
    def actions(self) -> frozenset[str]:
        """Give the names of all actions that are offered; options that are only an address have none."""
        return frozenset(offered.action for rule in self.rules for offered in rule.actions if offered.action)

    @cached_property
    def needs_data(self) -> bool:
        """Tell whether any condition looks at the Data."""
        return any(rule.condition is not None and "data" in rule.condition.names for rule in self.rules)

    def offers(
        self, status: str, *, roles: Collection[str], ask: Callable[[Condition], bool]
    ) -> tuple[OfferedAction, ...]:
        """Give what is offered at a status to somebody with these roles, in the order of the rules.

        The same action is offered once: the first rule says how, but one that is enabled takes the place of a disabled
        one. `ask` evaluates conditions, each once, and only those of rules that apply otherwise.
        """
        answers: dict[str, bool] = {}
        found: dict[tuple[str, str], OfferedAction] = {}
        for rule in self.rules:
            if not (rule.statuses.matches(status) and rule.is_for(roles)):
                continue
            if rule.condition is not None:
                text = rule.condition.text
                if text not in answers:
                    answers[text] = ask(rule.condition)
                if not answers[text]:
                    continue
            for offered in rule.actions:
                before = found.get(offered.key)
                if before is None or (before.disabled and not offered.disabled):
                    found[offered.key] = offered
        return tuple(found.values())

    def rules_for(self, roles: Collection[str], *, group: OptionGroup | None = None) -> tuple[StatusRule, ...]:
        """Give the rules that name one of these roles (not those for everyone).

        With a `group` only those that have an action of it.
        """
        return tuple(
            rule
            for rule in self.rules
            if rule.roles is not None
            and rule.is_for(roles)
            and (group is None or any(offered.group is group for offered in rule.actions))
        )
