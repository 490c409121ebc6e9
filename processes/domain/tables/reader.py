"""Read a delimited text file as a header and a stream of rows."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from processes.domain.tables.delimiter import SAMPLE_CHARS, SAMPLE_LINES, find_delimiter
from processes.domain.tables.errors import TableError
from processes.domain.tables.feed import LineFeed, Source
from processes.domain.tables.header import check_header, check_lengths, field_too_long
from processes.domain.tables.limits import Limits
from processes.domain.tables.problems import RowProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one record: the line of the file where it starts, and its fields as they stand there.

    Where `problem` is set the fields don't fit the header: too few, too many, or the line as one text where its
    quotation marks couldn't be understood.
    """

    line: int
    fields: tuple[str, ...]
    problem: RowProblem | None = None


class Table:
    """Be an open table: its header is known, its rows come as they are read, once, in constant memory.

    `encoding` is what has been used so far: utf-8, utf-16-le, utf-16-be or latin-1. It is final after the last row,
    since a file that begins in ASCII may go on in Latin-1.
    """

    def __init__(self, source: Source, *, limits: Limits | None = None, delimiter: str | None = None) -> None:
        self._limits = limits or Limits()
        self._feed = LineFeed(source, limits=self._limits)
        if delimiter is None:
            lines, complete = self._feed.peek(lines=SAMPLE_LINES, chars=SAMPLE_CHARS)
            delimiter = find_delimiter(lines, complete=complete)
        self.delimiter = delimiter
        self._reader = csv.reader(self._feed, delimiter=delimiter, strict=True)
        self.header_line, self.header = self._read_header()
        self._rows = self._read_rows()

    @property
    def encoding(self) -> str:
        """Name the encoding used so far."""
        return self._feed.encoding

    @property
    def bytes_read(self) -> int:
        """Count the bytes taken from the source so far (it is read in pieces, ahead of the rows)."""
        return self._feed.bytes_read

    @property
    def lines_read(self) -> int:
        """Count the physical lines up to the end of the last row."""
        return self._feed.lines

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def _read_header(self) -> tuple[int, tuple[str, ...]]:
        fields: list[str] = []
        line = 0
        while not any(name.strip() for name in fields):
            line = self._feed.begin_record()
            try:
                fields = next(self._reader)
            except StopIteration:
                message = "The file has no header: all of its lines are blank. The first line must name the columns."
                raise TableError("no_header", message, line=1) from None
            except csv.Error as error:
                raise self._unreadable(error, line=line) or TableError(
                    "bad_header",
                    f"The quotation marks in the header (line {line:,}) don't fit together: {_why(error)}",
                    line=line,
                ) from None
        return line, check_header([name.strip() for name in fields], line=line, limits=self._limits)

    def _read_rows(self) -> Iterator[Row]:
        rows = 0
        while True:
            line = self._feed.begin_record()
            problem: RowProblem | None = None
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                fatal = self._unreadable(error, line=line)
                if fatal is not None:
                    raise fatal from None
                fields = [self._feed.last_line.rstrip("\r\n")]
                problem = RowProblem(line=line, message=f"The quotation marks don't fit together: {_why(error)}")
            if not fields:
                continue  # a blank line
            rows += 1
            if rows > self._limits.max_rows:
                message = f"The file has more than {self._limits.max_rows:,} rows. Split it into smaller files."
                raise TableError("too_many_rows", message, line=line)
            if problem is None:
                check_lengths(fields, line=line, limits=self._limits)
                problem = self._count_problem(len(fields), line=line)
            yield Row(line=line, fields=tuple(fields), problem=problem)

    def _count_problem(self, found: int, *, line: int) -> RowProblem | None:
        expected = len(self.header)
        if found == expected:
            return None
        few = "few" if found < expected else "many"
        return RowProblem(
            line=line, message=f"Too {few} fields: this row has {found:,}, the header names {expected:,} columns."
        )

    def _unreadable(self, error: csv.Error, *, line: int) -> TableError | None:
        """Tell the faults that make the rest of the file doubtful from those of a single line."""
        if "field limit" in str(error):
            return field_too_long(line=line, limit=self._limits.max_field_chars)
        if self._feed.at_end or self._feed.lines > line:
            return TableError(
                "unclosed_quote",
                f"A quotation mark in the row that begins at line {line:,} is never closed, or not where a field ends. "
                "Close it there, and double the marks inside of a quoted field.",
                line=line,
            )
        return None


def open_table(source: Source, *, limits: Limits | None = None, delimiter: str | None = None) -> Table:
    """Open a table from a binary file or an iterable of bytes; read its header; raise `TableError`.

    UTF-8 and UTF-16 (with a byte order mark, or without where it is recognisable) and Latin-1 are read. The delimiter
    is a comma, semicolon, tab or pipe, found from the first lines unless it is given. Blank lines are passed over.
    Iterating over the result raises `TableError` too, where the fault lies further on.
    """
    return Table(source, limits=limits, delimiter=delimiter)


def _why(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "a closing mark must be followed by a delimiter; marks inside of a quoted field are doubled."
    return f"{error}."
