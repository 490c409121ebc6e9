"""Rows that are inserted along with a checkpoint, whichever database writes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.models import Node
from tasks.services.sql import NODE_CHECKPOINTED, NODE_COLUMNS, Value

__all__ = ["MOST_ROWS", "NODES", "Insertion", "Rows"]

#: Rows of each kind that one checkpoint writes whole; more are written by several statements, in a transaction.
MOST_ROWS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """Say which columns of a table are inserted, and what becomes of a row that is there already.

    `types` are PostgreSQL's names; `conflict` is what follows ON CONFLICT. There is one of each kind: they are compared
    by identity.
    """

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    conflict: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold rows that are to be inserted: their values, row after row."""

    insertion: Insertion
    values: Sequence[Value]

    @property
    def count(self) -> int:
        """Give how many rows there are."""
        return len(self.values) // len(self.insertion.columns)


NODES = Insertion(
    Node._meta.db_table,
    NODE_COLUMNS,
    (
        "uuid", "uuid", "uuid", "int", "text", "text", "text", "int", "text", "text", "float8", "float8", "text",
        "text", "jsonb",
    ),
    f"(id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in NODE_CHECKPOINTED)}",
)  # fmt: skip
