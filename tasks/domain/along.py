"""What is stored along with a log, as plain values: rows that are inserted, and rows that are changed.

Whoever writes it puts all of it into one statement, where the database has such statements, or sends one after the
other (tasks.services.along_sql).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MOST_ROWS", "Along", "Change", "Insertion", "Rows", "Shape", "is_change"]

#: Rows of each kind that are written whole; more are written by several statements, in a transaction.
MOST_ROWS: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """Say which columns of a table are inserted, and what becomes of a row that is there already.

    `types` are PostgreSQL's names; `conflict` is what follows ON CONFLICT, empty where that is an error. There is one
    of each kind: they are compared by identity.
    """

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    conflict: str = ""


@dataclass(slots=True)
class Rows:
    """Hold rows that are to be inserted: their values, row after row."""

    insertion: Insertion
    values: Sequence[Any]

    @property
    def count(self) -> int:
        """Give how many rows there are."""
        return len(self.values) // len(self.insertion.columns)

    @property
    def shape(self) -> "Shape":
        """Give what decides how the statement reads."""
        return self.insertion, self.count


@dataclass(slots=True)
class Change:
    """Hold new values of columns, and the condition (SQL) that says of which rows; its own values come last."""

    table: str
    columns: tuple[str, ...]
    condition: str
    values: Sequence[Any]

    @property
    def shape(self) -> "Shape":
        """Give what decides how the statement reads."""
        return self.table, self.columns, self.condition


#: How a statement reads, without its values.
Shape = tuple[Insertion, int] | tuple[str, tuple[str, ...], str]
Along = Rows | Change


def is_change(shape: Shape) -> bool:
    """Tell whether a shape is that of a change of rows which are there already."""
    return len(shape) == 3
