# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""The statements that number and write updates.

Numbers are taken by `UPDATE … SET last_seq = last_seq + n … RETURNING` of the head row, which stays locked until the
commit. On PostgreSQL the same statement writes the updates, since each trip to the server costs more than its work; the
number is then put into the text there. SQLite has no such statement, and no trips.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache

from tasks.domain.updates import Unnumbered
from tasks.models import TaskRoot, Update
from tasks.services.cursors import Cursor, is_postgresql
from tasks.services.sql import ROWS_PER_STATEMENT, Value, uuid_value

_ROOT = TaskRoot._meta.db_table
UPDATE_TABLE = Update._meta.db_table


def append(
    cursor: Cursor,
    *,
    root_id: uuid.UUID,
    updates: Sequence[Unnumbered],
    columns: dict[str, Value],
    fence: int | None,
    attempt: int,
) -> int | None:
    """Write updates with the next numbers, and `columns` of the root, and return the last number.

    None where the log is closed, or another claim has raised the fence. This locks the head, and must be the last lock
    of its transaction.
    """
    count, task_id = len(updates), str(root_id)
    parameters: list[Value] = [count, *columns.values(), uuid_value(root_id)]
    if fence is not None:
        parameters.append(fence)
    in_one = is_postgresql() and 0 < count <= ROWS_PER_STATEMENT
    if in_one:
        parameters += [attempt]
        for index, update in enumerate(updates):
            parameters += [index, update.before_seq, f"{update.before_task}{task_id}{update.after_task}"]
        cursor.execute(_append_statement(tuple(columns), fence is not None, count), parameters)
    else:
        cursor.execute(_head_statement(tuple(columns), fence is not None), parameters)
    row = cursor.fetchone()
    if row is None:
        return None
    last = int(row[0])
    if not in_one:
        insert_updates(cursor, root_id=root_id, first=last - count + 1, updates=updates, attempt=attempt)
    return last


def insert_updates(
    cursor: Cursor, *, root_id: uuid.UUID, first: int, updates: Sequence[Unnumbered], attempt: int
) -> None:
    """Write updates numbered from `first`."""
    root, task_id = uuid_value(root_id), str(root_id)
    for start in range(0, len(updates), ROWS_PER_STATEMENT):
        chunk = updates[start : start + ROWS_PER_STATEMENT]
        parameters: list[Value] = []
        for seq, update in enumerate(chunk, start=first + start):
            parameters += (root, seq, attempt, update.numbered(seq, task_id))
        cursor.execute(insert_statement(len(chunk)), parameters)


def head_update(columns: tuple[str, ...], *, fenced: bool) -> str:
    """Return the statement that takes numbers; parameters: how many, the columns, the root, and the fence."""
    changes = "".join(f", {name} = %s" for name in columns)
    fence = " AND fence = %s" if fenced else ""
    return f"UPDATE {_ROOT} SET last_seq = last_seq + %s{changes} WHERE id = %s AND NOT closed{fence}"


@lru_cache(maxsize=256)
def _head_statement(columns: tuple[str, ...], fenced: bool) -> str:
    return f"{head_update(columns, fenced=fenced)} RETURNING last_seq"


@lru_cache(maxsize=256)
def _append_statement(columns: tuple[str, ...], fenced: bool, count: int) -> str:
    return f"""
        WITH head AS ({head_update(columns, fenced=fenced)} RETURNING id, last_seq), log AS ({insert_from_head(count)})
        SELECT last_seq FROM head
    """


def insert_from_head(count: int) -> str:
    """Return the statement that writes `count` updates behind a `head` (id, last_seq) of the same statement.

    Parameters: the attempt, and for each update its index and the text before and after its number.
    """
    values = ", ".join(["(%s::int, %s::text, %s::text)"] * count)
    return f"""
        INSERT INTO {UPDATE_TABLE} (root_id, seq, attempt, body)
        SELECT id, seq, attempt, before || seq || after FROM (
            SELECT head.id, head.last_seq - {count - 1} + number AS seq, %s::int AS attempt, before, after
            FROM head, (VALUES {values}) AS told (number, before, after)
        ) AS numbered
    """


@lru_cache(maxsize=64)
def insert_statement(rows: int) -> str:
    """Return the statement that writes so many updates; parameters: of each the root, number, attempt and text."""
    values = ", ".join(["(%s, %s, %s, %s)"] * rows)
    return f"INSERT INTO {UPDATE_TABLE} (root_id, seq, attempt, body) VALUES {values}"
