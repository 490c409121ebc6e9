"""Lay status rules out as a table: a row per status, a column per role, in each cell what is offered there."""

from collections.abc import Collection
from dataclasses import dataclass

from processes.domain.status_rules.rules import NO_STATUS, OfferedAction, StatusRule, StatusRules

__all__ = ["StatusTable", "TableEntry", "TableRow", "tabulate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """Hold one option of a cell: under which condition (`""`: always), and by which rule it is offered."""

    offered: OfferedAction
    condition: str = ""
    rule: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """Hold a status with its cells, one for each column; `status` is None for all that have no row of their own."""

    status: str | None
    cells: tuple[tuple[TableEntry, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """Hold the table; the role None is everyone, and its column comes first."""

    roles: tuple[str | None, ...]
    rows: tuple[TableRow, ...]


def tabulate(rules: StatusRules, *, statuses: Collection[str] = (), others: bool = True) -> StatusTable:
    """Give the table of rules: statuses and roles in the order in which they are named.

    `statuses` get rows besides those that are named. The row of no status is there where anything is offered at it;
    with `others` there is one for every other status, where anything is offered at one.
    """
    roles = _columns(rules)
    named = [
        status
        for rule in rules.rules
        for (kind, status) in rule.places
        if kind == "status" and status != NO_STATUS
    ]  # fmt: skip
    listed = list(dict.fromkeys([*named, *sorted(set(statuses) - {NO_STATUS, *named})]))
    rows = [TableRow(status=status, cells=_cells(rules, status, roles)) for status in listed]
    none = TableRow(status=NO_STATUS, cells=_cells(rules, NO_STATUS, roles))
    rest = TableRow(status=None, cells=_cells(rules, None, roles))
    rows = [*([none] if any(none.cells) else []), *rows, *([rest] if others and any(rest.cells) else [])]
    return StatusTable(roles=roles, rows=tuple(rows))


def _columns(rules: StatusRules) -> tuple[str | None, ...]:
    named = [role for rule in rules.rules for (kind, role) in rule.places if kind == "role"]
    everyone: list[str | None] = [None] if any(rule.roles is None for rule in rules.rules) else []
    return (*everyone, *dict.fromkeys(named))


def _cells(rules: StatusRules, status: str | None, roles: Collection[str | None]) -> tuple[tuple[TableEntry, ...], ...]:
    applying = [rule for rule in rules.rules if _applies(rule, status)]
    return tuple(
        tuple(
            TableEntry(
                offered=offered,
                condition="" if rule.condition is None else rule.condition.text,
                rule=rule.index,
            )
            for rule in applying
            if (rule.roles is None if role is None else role in (rule.roles or ()))
            for offered in rule.actions
        )
        for role in roles
    )


def _applies(rule: StatusRule, status: str | None) -> bool:
    """Tell whether a rule applies at a status; None is one that isn't named anywhere."""
    return rule.statuses.included is None if status is None else rule.statuses.matches(status)
