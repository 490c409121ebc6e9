"""Read, of many instances, the first that concern somebody: each way in which one may is a query with its own index.

A query with alternatives would have none, and sort a hundred thousand rows to show twenty-five. So each way is cut off
by itself, and together they are one UNION of keys, which is ordered and cut off once more; what is shown is read by
those. How many ways there are depends on the rules and on the user's groups, never on the number of instances. Rules
that mean all statuses but some are asked of the statuses that there are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet

from processes.domain.status_rules import OptionGroup, StatusMatch
from processes.models import InstanceCandidate, ProcessInstance, StatusRules
from processes.services.instance_roles import OWNER, Roles
from processes.services.status_rules import readable_rules

__all__ = [
    "NEWEST",
    "URGENT",
    "Way",
    "candidacies",
    "first_rows",
    "instance_way",
    "opened_at_once",
    "opened_by_rules",
    "united",
]

#: The orders of lists.
URGENT: Final = ("order_at", "id")
NEWEST: Final = ("-created_at", "-id")
#: What a list shows nothing of, however long it is.
_HEAVY: Final = (
    "bindings", "template__definition", "template__description", "template__published_source", "type__bindings",
    "type__description",
)  # fmt: skip

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


@dataclass(frozen=True, slots=True)
class Way:
    """Be one way in which instances may concern somebody: rows in an order that an index has."""

    rows: QuerySet[Any, Any]
    order: tuple[str, ...]
    #: The columns of the rows that hold what the whole list is ordered by, the instance's key last.
    columns: tuple[str, ...]

    @property
    def keys(self) -> QuerySet[Any, Any]:
        """Return the keys of all instances, in no order."""
        return self.rows.order_by().values(pk=F(self.columns[-1]))

    def first(self, upto: int, *, order: tuple[str, ...]) -> QuerySet[Any, Any]:
        """Return the first rows, each with what the whole list is ordered by."""
        rows = self.rows.order_by(*self.order)
        if connection.features.supports_slicing_ordering_in_compound:
            return rows.values_list(*self.columns)[:upto]
        # SQLite takes no LIMIT in the parts of a UNION, but inside of them.
        keys = rows.values(self.columns[-1])[:upto]
        return ProcessInstance.objects.order_by().filter(pk__in=keys).values_list(*map(_bare, order))


def united(parts: Sequence[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    """Return the keys that any of these querysets of `pk` has, as one query."""
    unions = [_union(parts[start : start + _PARTS]) for start in range(0, len(parts), _PARTS)]
    if len(unions) == 1:
        return unions[0]
    found = reduce(Q.__or__, (Q(pk__in=union) for union in unions))
    return ProcessInstance.objects.order_by().filter(found).values("pk")


def instance_way(rows: QuerySet[ProcessInstance], *, order: tuple[str, ...]) -> Way:
    """Return these instances as a way in the order of the whole list."""
    return Way(rows, order, tuple(map(_bare, order)))


def first_rows(
    ways: Sequence[Way], *, order: tuple[str, ...], first: int, count: int, related: Sequence[str]
) -> list[ProcessInstance]:
    """Return `count` instances of the ways together, from row `first` on."""
    places: list[Any] = []
    for begin in range(0, len(ways), _PARTS):
        places += _first_places(ways[begin : begin + _PARTS], order=order, upto=first + count)
    if len(ways) > _PARTS:
        places.sort(reverse=order[0].startswith("-"))
    # By two ways it may come twice only where its place in the order is being changed.
    keys = list(dict.fromkeys(place[-1] for place in places))[first : first + count]
    found = rows_with(related).in_bulk(keys)
    # One that has gone meanwhile isn't there.
    return [found[key] for key in keys if key in found]


def _first_places(ways: Sequence[Way], *, order: tuple[str, ...], upto: int) -> list[Any]:
    """Return, of ways that fit into one UNION, the first places: what they are ordered by, with the key last."""
    if len(ways) == 1:
        return list(ways[0].rows.order_by(*ways[0].order).values_list(*ways[0].columns)[:upto])
    head, *others = (way.first(upto, order=order) for way in ways)
    return list(head.union(*others).order_by(*order)[:upto])


def rows_with(related: Sequence[str]) -> QuerySet[ProcessInstance]:
    """Return the instances with what lists show of them."""
    names = [name for name in _HEAVY if "__" not in name or name.partition("__")[0] in related]
    return ProcessInstance.objects.select_related(*related).defer(*names)


def opened_by_rules(
    roles: Roles, *, group: OptionGroup | None = None, owned: bool = False, status: str | None = None
) -> list[Q]:
    """Return, of which instances the rules offer something to somebody, for each set of rules and each status.

    With a `group`, only what they offer in that one. With `owned`, to the owner too. With a `status`, only at that one.
    Roles of functions count where those give the database a filter (`processes.registry.role`).
    """
    return [
        Q(status_rules=rules, status=one) & towards
        for (rules, towards), statuses in _openings(roles, group=group, owned=owned, status=status).items()
        for one in sorted(statuses)
    ]


def opened_at_once(roles: Roles) -> list[Q]:
    """Return the same of all statuses together, for queries that need no order: a condition for each set of rules."""
    return [
        Q(status_rules=rules, status__in=sorted(statuses)) & towards
        for (rules, towards), statuses in _openings(roles, group=None, owned=False, status=None).items()
    ]


def candidacies(
    roles: Roles, *, rows: QuerySet[InstanceCandidate], order: tuple[str, ...], columns: tuple[str, ...]
) -> list[Way]:
    """Return the instances of which somebody was asked to take one, of these rows, by themselves and by each group."""
    held = [Q(user=roles.user.pk), *(Q(group=group) for group in roles.groups.values())]
    return [Way(rows.filter(one), order, columns) for one in held]


def _openings(
    roles: Roles, *, group: OptionGroup | None, owned: bool, status: str | None
) -> Mapping[tuple[int, Q], set[str]]:
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
                if status is not None:
                    wanted = frozenset([status] if rule.statuses.matches(status) else [])
                else:
                    if rule.statuses.included is None and known is None:
                        known = _statuses()
                    there = frozenset[str]() if known is None else known.get(row.pk, frozenset())
                    wanted = _named(rule.statuses, there)
                if wanted:
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


def _union(parts: Sequence[QuerySet[Any, Any]]) -> QuerySet[Any, Any]:
    return parts[0].union(*parts[1:]) if len(parts) > 1 else parts[0]


def _statuses() -> Mapping[int, frozenset[str]]:
    """Return which statuses the instances of each set of rules have."""
    found: dict[int, set[str]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(_STATUSES)
        for rules, status in cursor.fetchall():
            found[rules].add(status)
    return {rules: frozenset(statuses) for rules, statuses in found.items()}


def _bare(name: str) -> str:
    """Return the column that an order names."""
    return name.removeprefix("-")
