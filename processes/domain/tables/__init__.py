"""Read delimited text files and check their rows: pure, streaming, in constant memory.

    table = open_table(binary_file, limits=Limits(max_rows=10_000))
    checker = RowChecker(table.header, [ColumnRule(name="iata", required=True, unique=True)])
    for row in table:
        checked = checker.check(row)      # .values when accepted, else .problems

A fault of the whole file is a `TableError`; a fault of one row is a `RowProblem` with its line, and reading goes on.
"""

from processes.domain.tables.check import CheckedRow, RowChecker
from processes.domain.tables.delimiter import NAMES as DELIMITER_NAMES
from processes.domain.tables.errors import TableError
from processes.domain.tables.feed import Readable
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem
from processes.domain.tables.reader import Row, Table, open_table
from processes.domain.tables.rules import ColumnRule
from processes.domain.tables.values import Value, ValueType

__all__ = [
    "DELIMITER_NAMES",
    "CheckedRow",
    "ColumnRule",
    "Limits",
    "Readable",
    "Row",
    "RowChecker",
    "RowProblem",
    "Table",
    "TableError",
    "Value",
    "ValueType",
    "open_table",
]
