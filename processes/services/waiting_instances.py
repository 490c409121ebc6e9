"""The inbox: which instances wait for somebody, the most urgent first.

An instance waits for whoever it is assigned to; while nobody has it, for its candidates, and for those of whom the
status rules expect something at its status (an option of the group `expected`). Each way is a query with an index of
its own that ends after the rows that are shown, so that a hundred thousand instances cost no more than a hundred;
together they are one query, and how many there are depends on the rules and on the user's groups only.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from processes.domain.status_rules import OptionGroup
from processes.models import InstanceCandidate, ProcessInstance, StatusRules
from processes.services.access import User
from processes.services.instance_access import at_status, held_roles
from processes.services.instance_roles import OWNER, Roles
from processes.services.offers import Option, options_of_many
from processes.services.status_rules import parsed_rules

__all__ = ["FARTHEST", "Waiting", "list_waiting", "waiting_instances"]

#: The farthest that can be leafed, in rows: each page reads those before it.
FARTHEST: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Hold an instance that waits, and what is offered of it."""

    instance: ProcessInstance
    options: tuple[Option, ...]
    #: Whether it is assigned to the user; else they may claim it.
    is_mine: bool

    @property
    def expected(self) -> tuple[Option, ...]:
        """Return what is expected of the user."""
        return tuple(one for one in self.options if one.group is OptionGroup.EXPECTED)


def list_waiting(user: User, *, first: int = 0, count: int = 25) -> tuple[list[Waiting], bool]:
    """Return `count` instances that wait for a user, from row `first` on, and whether there are more.

    Where an instance is expected of somebody by a rule whose condition isn't fulfilled, it is left out; so a page may
    be shorter than `count`.
    """
    if first >= FARTHEST or not (user.is_authenticated and user.is_active):
        return [], False
    roles = Roles(user=user)
    ways = _ways(roles)
    upto = min(first + count + 1, FARTHEST)
    # Each way is cut off by itself, inside: SQLite takes no LIMIT in the parts of a UNION.
    parts = [ProcessInstance.objects.order_by().filter(pk__in=way[:upto]).values("pk") for way in ways]
    keys = parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]
    rows = list(_rows(ProcessInstance.objects.filter(pk__in=keys))[first : first + count + 1])
    shown = rows[:count]
    offered = options_of_many(shown, user=user, roles=roles)
    found = [
        Waiting(instance=instance, options=offered[instance.pk], is_mine=instance.assignee_id == user.pk)
        for instance in shown
    ]
    asked = roles.among([one.instance for one in found]) if found else roles
    return [one for one in found if _still_waits(one, asked)], len(rows) > count


def waiting_instances(user: User) -> QuerySet[ProcessInstance]:
    """Return all instances that wait for a user, as one query to filter further; conditions of rules aren't asked."""
    if not (user.is_authenticated and user.is_active):
        return ProcessInstance.objects.none()
    parts = [way.order_by() for way in _ways(Roles(user=user))]
    return _rows(ProcessInstance.objects.filter(pk__in=parts[0].union(*parts[1:])))


def _rows(rows: QuerySet[ProcessInstance]) -> QuerySet[ProcessInstance]:
    return rows.select_related("template", "status_rules", "type", "owner", "assignee").order_by("order_at", "id")


def _ways(roles: Roles) -> list[QuerySet[Any, Any]]:
    """Return the keys of what waits for somebody, a query for each way in which it may."""
    open_ones = ProcessInstance.objects.filter(assignee=None)
    candidates = InstanceCandidate.objects.filter(is_open=True).order_by("order_at", "instance")
    ways: list[QuerySet[Any, Any]] = [
        ProcessInstance.objects.filter(assignee=roles.user.pk).order_by("order_at", "id").values("pk")
    ]
    ways.append(candidates.filter(user=roles.user.pk).values(pk=F("instance_id")))
    ways.extend(candidates.filter(group=group).values(pk=F("instance_id")) for group in roles.groups.values())
    ways.extend(open_ones.filter(expected).order_by("order_at", "id").values("pk") for expected in _expected(roles))
    return ways


def _expected(roles: Roles) -> list[Q]:
    """Return what the status rules expect of somebody: for each set of rules, the statuses at which they do."""
    found: list[Q] = []
    for row in StatusRules.objects.only("pk", "rules"):
        rules = parsed_rules(row.rules)
        held = held_roles(roles, rules.roles)
        if OWNER in rules.roles:
            held[OWNER] = Q(owner=roles.user.pk)
        for name, towards in held.items():
            for rule in rules.rules_for([name], group=OptionGroup.EXPECTED):
                included, excluded = rule.statuses.included, rule.statuses.excluded
                # One query for each status, so that the index gives them in their order.
                wanted = (
                    [at_status(rule.statuses)]
                    if included is None
                    else [Q(status=one) for one in sorted(included - excluded)]
                )
                found.extend(Q(status_rules=row.pk) & one & towards for one in wanted)
    return list(dict.fromkeys(found))


def _still_waits(one: Waiting, roles: Roles) -> bool:
    """Tell whether an instance waits for somebody after the conditions of its rules were asked."""
    if one.is_mine or roles.is_candidate(one.instance):
        return True
    return any(option.group is OptionGroup.EXPECTED and not option.disabled for option in one.options)
