# ruff: noqa: S608 - names of tables and columns come from models and constants; values are always parameters
"""The statements that store something along with a log: alone, or as part of PostgreSQL's one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tasks.domain.along import MOST_ROWS, Along, Insertion, Rows, Shape
from tasks.models import Node
from tasks.services.cursors import Cursor
from tasks.services.sql import NODE_CHECKPOINTED, NODE_COLUMNS, ROWS_PER_STATEMENT

__all__ = ["NODES", "are_few", "part", "part_for_held", "statement", "values_of", "write"]

#: The nodes of a tree.
NODES = Insertion(
    Node._meta.db_table,
    NODE_COLUMNS,
    (
        "uuid", "uuid", "uuid", "int", "text", "text", "text", "int", "text", "text", "float8", "float8", "text",
        "text", "jsonb",
    ),
    f"(id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in NODE_CHECKPOINTED)}",
)  # fmt: skip


def are_few(along: Sequence[Along]) -> bool:
    """Tell whether one statement may hold all of it."""
    return all(each.count <= MOST_ROWS for each in along if isinstance(each, Rows))


def write(cursor: Cursor, along: Sequence[Along]) -> None:
    """Write one after the other, in the caller's transaction, however many rows there are."""
    for each in along:
        if isinstance(each, Rows) and each.count > ROWS_PER_STATEMENT:
            step = ROWS_PER_STATEMENT * len(each.insertion.columns)
            write(
                cursor, [Rows(each.insertion, each.values[at : at + step]) for at in range(0, len(each.values), step)]
            )
        else:
            cursor.execute(statement(each.shape), each.values)


def values_of(along: Sequence[Along]) -> list[Any]:
    """Return the parameters of the parts, in their order."""
    return [value for each in along for value in each.values]


@lru_cache(maxsize=512)
def statement(shape: Shape) -> str:
    """Return the statement that stands alone."""
    if len(shape) == 3:
        table, columns, condition = shape
        return f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in columns)} WHERE {condition}"
    insertion, rows = shape
    one = f"({', '.join(['%s'] * len(insertion.columns))})"
    names = ", ".join(insertion.columns)
    return f"INSERT INTO {insertion.table} ({names}) VALUES {', '.join([one] * rows)}{_on_conflict(insertion)}"


def part(number: int, shape: Shape) -> str:
    """Return the part of a WITH clause that writes in any case."""
    return f"part_{number} AS ({statement(shape)})"


def part_for_held(number: int, shape: Shape) -> str:
    """Return the part of a WITH clause that writes nothing where its part `held` has found no row."""
    if len(shape) == 3:
        return f"part_{number} AS ({statement(shape)} AND EXISTS (SELECT FROM held))"
    insertion, rows = shape
    one = ", ".join(f"%s::{kind}" for kind in insertion.types)
    names = ", ".join(insertion.columns)
    values = ", ".join([f"({one})"] * rows)
    return (
        f"part_{number} AS (INSERT INTO {insertion.table} ({names})"
        f" SELECT given.* FROM held, (VALUES {values}) AS given ({names}){_on_conflict(insertion)})"
    )


def _on_conflict(insertion: Insertion) -> str:
    return f" ON CONFLICT {insertion.conflict}" if insertion.conflict else ""
