"""Read tables of any kind as records: values by column, JSON all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from processes.domain.json_values import JSON
from processes.domain.tables.errors import TableError
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem
from processes.domain.tables.reader import Table

__all__ = ["DelimitedRecords", "Record", "Records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Hold one row: where it stands in the file, and its values by column; none of them where it has a problem."""

    line: int
    values: Mapping[str, JSON] = field(default_factory=dict)
    problem: RowProblem | None = None


class Records(Protocol):
    """Be an open table of some format: its columns, and its rows, once, in constant memory."""

    @property
    def columns(self) -> Sequence[str]:
        """Name the columns, as far as they are known before the first row."""
        ...

    def __iter__(self) -> Iterator[Record]: ...


class DelimitedRecords:
    """Read a delimited text (CSV) as records; every value is a text."""

    def __init__(self, table: Table) -> None:
        self.columns: tuple[str, ...] = table.header
        self._table = table

    def __iter__(self) -> Iterator[Record]:
        columns = self.columns
        for row in self._table:
            if row.problem is None:
                yield Record(line=row.line, values=dict(zip(columns, row.fields, strict=True)))
            else:
                yield Record(line=row.line, problem=row.problem)


def check_rows(count: int, *, limits: Limits, line: int) -> None:
    """Raise TableError where a file has more rows than are read."""
    if count > limits.max_rows:
        message = f"The file has more than {limits.max_rows:,} rows. Split it into smaller files."
        raise TableError("too_many_rows", message, line=line)
