"""Read delimited text files and check their rows: pure, streaming, in constant memory.

    table = open_table(binary_file, limits=Limits(max_rows=10_000))
    checker = RowChecker(table.header, [ColumnRule(name="iata", required=True, unique=True)])
    for row in table:
        checked = checker.check(row)      # .values when accepted, else .problems

Of any format (delimited text, Excel workbook, JSON Lines) `Record`s are read: values by column.

A fault of the whole file is a `TableError`; a fault of one row is a `RowProblem` with its line, and reading goes on.
"""

from processes.domain.tables.check import CheckedRow, RowChecker
from processes.domain.tables.delimiter import NAMES as DELIMITER_NAMES
from processes.domain.tables.errors import TableError
from processes.domain.tables.feed import Readable
from processes.domain.tables.formats import FORMATS, Format, format_of
from processes.domain.tables.json_lines import JsonLinesRecords
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem
from processes.domain.tables.reader import Row, Table, open_table
from processes.domain.tables.records import DelimitedRecords, Record, Records
from processes.domain.tables.rules import ColumnRule
from processes.domain.tables.values import Value, ValueType
from processes.domain.tables.workbook import WorkbookRecords

__all__ = [
    "DELIMITER_NAMES",
    "FORMATS",
    "CheckedRow",
    "ColumnRule",
    "DelimitedRecords",
    "Format",
    "JsonLinesRecords",
    "Limits",
    "Readable",
    "Record",
    "Records",
    "Row",
    "RowChecker",
    "RowProblem",
    "Table",
    "TableError",
    "Value",
    "ValueType",
    "WorkbookRecords",
    "format_of",
    "open_table",
]
