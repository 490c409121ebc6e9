"""Read JSON Lines: one JSON object on each line, in UTF-8."""

from collections.abc import Iterator
from typing import Final

from processes.domain.json_values import JSON, json_problems
from processes.domain.tables.errors import TableError
from processes.domain.tables.feed import LineFeed, Source
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem, shorten
from processes.domain.tables.records import Record, check_rows
from tasks.domain.json_text import UnreadableJson, read_json

__all__ = ["JsonLinesRecords"]

#: Values nest so deep at most: a row of a table, not a document.
_MAX_DEPTH: Final = 20


class JsonLinesRecords:
    """Read the lines of a file as records. `columns` are the keys seen so far, in the order of their appearance.

    A line that isn't an object is a problem of that line alone. Raises TableError.
    """

    def __init__(self, source: Source, *, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._feed = LineFeed(source, limits=self._limits)
        self._columns: dict[str, None] = {}
        # The first line tells the columns before anybody asks for rows.
        self._first = self._next()
        if self._first is None:
            raise TableError("no_rows", "The file has no lines but blank ones. Upload a file with rows.", line=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns seen so far."""
        return tuple(self._columns)

    def __iter__(self) -> Iterator[Record]:
        record, rows = self._first, 0
        while record is not None:
            rows += 1
            check_rows(rows, limits=self._limits, line=record.line)
            yield record
            record = self._next()

    def _next(self) -> Record | None:
        while True:
            line = self._feed.begin_record()
            text = next(self._feed, None)
            if text is None:
                return None
            if text.strip():
                return self._read(text, line)

    def _read(self, text: str, line: int) -> Record:
        try:
            value: JSON = read_json(text, takes_constants=True)
        except UnreadableJson as error:
            # It is one line: its own number says nothing.
            fault = f"{error.detail} at character {error.column:,}" if error.line else str(error)
            return _bad(line, f"Not JSON: {fault}.", text)
        if not isinstance(value, dict):
            return _bad(line, "Not an object: a row is written like {…}.", text)
        if problems := json_problems(value, max_depth=_MAX_DEPTH, limit=1):
            return _bad(line, f"{problems[0].path or '/'}: {problems[0].message}.", text)
        for name in value:
            if name not in self._columns:
                self._columns[name] = None
        if len(self._columns) > self._limits.max_columns:
            message = f"The rows up to line {line:,} have more than {self._limits.max_columns:,} different keys."
            raise TableError("too_many_columns", message, line=line)
        return Record(line=line, values=value)


def _bad(line: int, message: str, text: str) -> Record:
    return Record(line=line, problem=RowProblem(line=line, message=message, value=shorten(text.strip())))
