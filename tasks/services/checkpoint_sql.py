# ruff: noqa: S608 - every name in these statements is one of this app's; values are always parameters
"""A checkpoint as PostgreSQL's one statement: nodes, updates, and what else is stored along with them.

A trip to the server costs more than its work, and so does a transaction's beginning. The statement locks the head first
and compares the fence; everything else is inserted for the row that it has found, so that nothing is written for a
claim which holds no more. (Elsewhere the head comes last. Nobody else writes the nodes of a claim that holds; where one
is being taken away at this very moment the database may have to end one of the two, which is tried again. Rows that are
changed may be locked by others, who have locked the job first; so does the statement then.)
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tasks.domain.along import Along, Shape, is_change
from tasks.domain.updates import Unnumbered
from tasks.models import Job, TaskRoot
from tasks.services import along_sql, log_sql, sql
from tasks.services.cursors import fixed_cursor
from tasks.services.sql import Value

__all__ = ["write_whole"]

_JOB = Job._meta.db_table
_ROOT = TaskRoot._meta.db_table


def write_whole(
    *,
    root_id: uuid.UUID,
    fence: int,
    attempt: int,
    updates: Sequence[Unnumbered],
    columns: Mapping[str, Value],
    along: Sequence[Along],
) -> int | None:
    """Write a checkpoint, and return the last number; None, with nothing written, where the claim holds no more."""
    task_id = str(root_id)
    shapes = tuple(each.shape for each in along)
    claim = [sql.uuid_value(root_id), fence]
    parameters: list[Any] = [*claim, *claim] if any(map(is_change, shapes)) else [*claim]
    parameters += [*along_sql.values_of(along), len(updates), *columns.values()]
    if updates:
        parameters.append(attempt)
        for index, update in enumerate(updates):
            parameters += (index, update.before_seq, f"{update.before_task}{task_id}{update.after_task}")
    statement = _statement(shapes, tuple(columns), len(updates))
    with fixed_cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return None if row is None else int(row[0])


@lru_cache(maxsize=256)
def _statement(shapes: tuple[Shape, ...], columns: tuple[str, ...], count: int) -> str:
    held = f"SELECT id FROM {_ROOT} WHERE id = %s AND fence = %s AND NOT closed"
    parts = list[str]()
    if any(is_change(shape) for shape in shapes):
        parts.append(f"locked AS (SELECT FROM {_JOB} WHERE root_id = %s AND fence = %s FOR NO KEY UPDATE)")
        held += " AND EXISTS (SELECT FROM locked)"
    parts.append(f"held AS ({held} FOR NO KEY UPDATE)")
    parts += [along_sql.part_for_held(number, shape) for number, shape in enumerate(shapes)]
    changes = "".join(f", {name} = %s" for name in columns)
    parts.append(
        f"head AS (UPDATE {_ROOT} SET last_seq = last_seq + %s{changes} FROM held WHERE {_ROOT}.id = held.id"
        f" RETURNING {_ROOT}.id, {_ROOT}.last_seq)"
    )
    if count:
        parts.append(f"log AS ({log_sql.insert_from_head(count)})")
    return f"WITH {', '.join(parts)} SELECT last_seq FROM head"
