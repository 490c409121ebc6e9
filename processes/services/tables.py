"""Read stored files as tables: CSV, Excel workbooks and JSON Lines, row by row, whatever their size.

with open_records(app.data["upload"], caller=caller_of(app)) as records:
    for record in records:
        record.values["iata"]        # a problem instead, where record.problem is set

for row in read_rows(app.data["upload"], caller=caller_of(app)):
    row["iata"]                      # raises TableError at the first row that can't be read
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from processes.domain.json_values import JSON
from processes.domain.tables import (
    DelimitedRecords,
    Format,
    JsonLinesRecords,
    Limits,
    Records,
    TableError,
    WorkbookRecords,
    format_of,
    open_table,
)
from processes.domain.tables.formats import HEAD_BYTES
from processes.services.access import Caller
from processes.services.files import FileInfo, extension_of, find_file, open_file

__all__ = ["DEFAULT_LIMITS", "open_records", "read_rows"]

#: A workbook's bytes are packed ones.
DEFAULT_LIMITS = Limits(max_bytes=1024 * 1024 * 1024, max_rows=5_000_000)


@contextmanager
def open_records(
    info: Mapping[str, JSON] | FileInfo,
    *,
    caller: Caller | None,
    format: Format | None = None,
    sheet: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Records]:
    """Open a stored file as a table; by default its format is found from its content and name.

    With `caller`, only that caller's own file is found. Raises FileMissingError and TableError.
    """
    stored = find_file(info, caller=caller)
    with open_file(info, caller=caller) as file:
        found = format
        if found is None:
            found = format_of(file.read(HEAD_BYTES), extension=extension_of(stored.name))
            file.seek(0)
        if found == "xlsx":
            if stored.size > limits.max_bytes:
                raise TableError("too_many_bytes", f"The workbook has more than {limits.max_bytes:,} bytes.")
            yield WorkbookRecords(file, sheet=sheet, limits=limits)
        elif found == "jsonl":
            yield JsonLinesRecords(file, limits=limits)
        else:
            yield DelimitedRecords(open_table(file, limits=limits))


def read_rows(
    info: Mapping[str, JSON] | FileInfo,
    *,
    caller: Caller | None,
    format: Format | None = None,
    sheet: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Mapping[str, JSON]]:
    """Give the rows of a stored file, values by column; raises TableError at the first row that can't be read."""
    with open_records(info, caller=caller, format=format, sheet=sheet, limits=limits) as records:
        for record in records:
            if record.problem is not None:
                raise TableError("bad_row", f"Line {record.line:,}: {record.problem}", line=record.line)
            yield record.values
