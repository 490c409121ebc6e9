# ruff: noqa: S608 - every name in these statements is one of this app's; values are always parameters
"""A checkpoint as PostgreSQL's one statement: nodes, updates, and what else is stored along with them.

A trip to the server costs more than its work, and so does a transaction's beginning. The statement locks the head first
and compares the fence; everything else is inserted for the row that it has found, so that nothing is written for a
claim which holds no more. (Elsewhere the head comes last. Nobody else writes the nodes of a claim that holds; where one
is being taken away at this very moment the database may have to end one of the two, which is tried again.)
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tasks.domain.updates import Unnumbered
from tasks.models import TaskRoot
from tasks.services import log_sql, sql
from tasks.services.insertion import Insertion, Rows
from tasks.services.sql import Value

__all__ = ["write_whole"]

_ROOT = TaskRoot._meta.db_table


def write_whole(
    *,
    root_id: uuid.UUID,
    fence: int,
    attempt: int,
    updates: Sequence[Unnumbered],
    columns: Mapping[str, Value],
    rows: Sequence[Rows],
) -> int | None:
    """Write a checkpoint, and return the last number; None, with nothing written, where the claim holds no more."""
    task_id = str(root_id)
    parameters: list[Value] = [sql.uuid_value(root_id), fence]
    for each in rows:
        parameters += each.values
    parameters += [len(updates), *columns.values()]
    if updates:
        parameters.append(attempt)
        for index, update in enumerate(updates):
            parameters += (index, update.before_seq, f"{update.before_task}{task_id}{update.after_task}")
    statement = _statement(tuple((each.insertion, each.count) for each in rows), tuple(columns), len(updates))
    with sql.fixed_cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return None if row is None else int(row[0])


@lru_cache(maxsize=256)
def _statement(insertions: tuple[tuple[Insertion, int], ...], columns: tuple[str, ...], count: int) -> str:
    parts = [f"SELECT id FROM {_ROOT} WHERE id = %s AND fence = %s AND NOT closed FOR NO KEY UPDATE"]
    parts += [_insert_for_held(insertion, rows) for insertion, rows in insertions]
    changes = "".join(f", {name} = %s" for name in columns)
    head = (
        f"UPDATE {_ROOT} SET last_seq = last_seq + %s{changes} FROM held WHERE {_ROOT}.id = held.id"
        f" RETURNING {_ROOT}.id, {_ROOT}.last_seq"
    )
    named = [f"{'held' if number == 0 else f'part_{number}'} AS ({part})" for number, part in enumerate(parts)]
    named.append(f"head AS ({head})")
    if count:
        named.append(f"log AS ({log_sql.insert_from_head(count)})")
    return f"WITH {', '.join(named)} SELECT last_seq FROM head"


def _insert_for_held(insertion: Insertion, rows: int) -> str:
    """Return an INSERT of so many rows that inserts nothing where the claim doesn't hold any more."""
    one = ", ".join(f"%s::{kind}" for kind in insertion.types)
    values = ", ".join([f"({one})"] * rows)
    names = ", ".join(insertion.columns)
    return (
        f"INSERT INTO {insertion.table} ({names}) SELECT given.* FROM held, (VALUES {values}) AS given ({names})"
        f" ON CONFLICT {insertion.conflict}"
    )
