"""Read, of many instances, the first that concern somebody: each way in which one may is a query with its own index.

A query with alternatives would have none, and sort a hundred thousand rows to show twenty-five. So each way is cut off
by itself, and together they are one UNION. How many ways there are depends on the rules and on the user's groups, never
on the number of instances. Rules that mean all statuses but some are asked of the statuses that there are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet

from processes.domain.status_rules import OptionGroup, StatusMatch
from processes.models import InstanceCandidate, ProcessInstance, StatusRules
from processes.services.instance_roles import OWNER, Roles
from processes.services.status_rules import readable_rules

__all__ = ["Ways", "candidacies", "first_of", "opened_at_once", "opened_by_rules", "united"]

Ways = Sequence[QuerySet[Any, Any]]

_INSTANCES, _RULES = ProcessInstance._meta.db_table, StatusRules._meta.db_table
#: So many SELECTs stand in one UNION: SQLite takes 500.
_PARTS: Final = 400
#: Each set of rules with each status that its instances have: a step from one to the next along the index.
_STATUSES: Final = f"""
    WITH RECURSIVE found(rules, status) AS (
        SELECT r.id, (SELECT MIN(i.status) FROM {_INSTANCES} i WHERE i.status_rules_id = r.id) FROM {_RULES} r
        UNION ALL
        SELECT f.rules, (
            SELECT MIN(i.status) FROM {_INSTANCES} i WHERE i.status_rules_id = f.rules AND i.status > f.status
        )
        FROM found f WHERE f.status IS NOT NULL
    )
    SELECT rules, status FROM found WHERE status IS NOT NULL
"""  # noqa: S608 - names of our own


def first_of(ways: Ways, *, upto: int) -> QuerySet[Any, Any]:
    """Return the keys of the first `upto` instances of each way: querysets of `pk`, each in its order."""
    if connection.features.supports_slicing_ordering_in_compound:
        parts = [way[:upto] for way in ways]
    else:
        # SQLite takes no LIMIT in the parts of a UNION, but inside of them.
        parts = [ProcessInstance.objects.order_by().filter(pk__in=way[:upto]).values("pk") for way in ways]
    return united(parts)


def united(parts: Ways) -> QuerySet[Any, Any]:
    """Return the keys that any of these querysets of `pk` has, as one query."""
    unions = [_union(parts[start : start + _PARTS]) for start in range(0, len(parts), _PARTS)]
    if len(unions) == 1:
        return unions[0]
    found = reduce(Q.__or__, (Q(pk__in=union) for union in unions))
    return ProcessInstance.objects.order_by().filter(found).values("pk")


def opened_by_rules(roles: Roles, *, group: OptionGroup | None = None, owned: bool = False) -> list[Q]:
    """Return, of which instances the rules offer something to somebody, for each set of rules and each status.

    With a `group`, only what they offer in that one. With `owned`, to the owner too. Roles of functions count where
    those give the database a filter (`processes.registry.role`).
    """
    return [
        Q(status_rules=rules, status=status) & towards
        for (rules, towards), statuses in _openings(roles, group=group, owned=owned).items()
        for status in sorted(statuses)
    ]


def opened_at_once(roles: Roles) -> list[Q]:
    """Return the same of all statuses together, for queries that need no order: a condition for each set of rules."""
    return [
        Q(status_rules=rules, status__in=sorted(statuses)) & towards
        for (rules, towards), statuses in _openings(roles, group=None, owned=False).items()
    ]


def candidacies(roles: Roles, *, only_open: bool, order: Sequence[str]) -> list[QuerySet[Any, Any]]:
    """Return the keys of the instances of which somebody was asked to take one, by themselves and by each group."""
    rows = InstanceCandidate.objects.filter(is_open=True) if only_open else InstanceCandidate.objects.all()
    rows = rows.order_by(*order)
    by_group = [rows.filter(group=group).values(pk=F("instance_id")) for group in roles.groups.values()]
    return [rows.filter(user=roles.user.pk).values(pk=F("instance_id")), *by_group]


def _openings(roles: Roles, *, group: OptionGroup | None, owned: bool) -> Mapping[tuple[int, Q], set[str]]:
    """Return at which statuses each set of rules offers something, and towards which instances."""
    found: dict[tuple[int, Q], set[str]] = {}
    known: Mapping[int, frozenset[str]] | None = None
    for row in StatusRules.objects.order_by().only("pk", "rules"):
        rules = readable_rules(row)
        held = _held_roles(roles, rules.roles)
        if owned and OWNER in rules.roles:
            held[OWNER] = Q(owner=roles.user.pk)
        for name, towards in held.items():
            for rule in rules.rules_for([name], group=group):
                if rule.statuses.included is None and known is None:
                    known = _statuses()
                there = frozenset[str]() if known is None else known.get(row.pk, frozenset())
                if wanted := _named(rule.statuses, there):
                    found.setdefault((row.pk, towards), set()).update(wanted)
    return found


def _held_roles(roles: Roles, names: frozenset[str]) -> dict[str, Q]:
    """Return which of these roles somebody has, and towards which instances, as far as the database can tell."""
    held: dict[str, Q] = {name: Q() for name in names & roles.lasting}
    for name in names - held.keys():
        if (towards := roles.filter_of(name)) is not None:
            held[name] = towards
    return held


def _named(match: StatusMatch, known: frozenset[str]) -> frozenset[str]:
    """Return the statuses that a rule means, of those that are `known` where it names only exceptions."""
    return (known if match.included is None else match.included) - match.excluded


def _union(parts: Ways) -> QuerySet[Any, Any]:
    return parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]


def _statuses() -> Mapping[int, frozenset[str]]:
    """Return which statuses the instances of each set of rules have."""
    found: dict[int, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_STATUSES)
        for rules, status in cursor.fetchall():
            found[rules].add(status)
    return {rules: frozenset(statuses) for rules, statuses in found.items()}
