"""Why a table can't be read as a whole. What is wrong with one row is a `RowProblem`, not an error."""

from processes.errors import PermanentError


class TableError(PermanentError):
    """Refuse a file that can't be read as a table.

    `code` is one of: empty, no_header, no_rows, bad_header, duplicate_columns, blank_columns, missing_columns,
    not_a_table, wrong_encoding, unclosed_quote, too_many_bytes, too_many_rows, too_many_columns, field_too_long,
    record_too_long. The message says what was found, where, and the cure.
    """

    code = "table"

    def __init__(self, code: str, message: str, *, line: int | None = None, byte: int | None = None) -> None:
        place = {name: number for name, number in (("line", line), ("byte", byte)) if number is not None}
        super().__init__(message, code=code, fields=place)

    @property
    def line(self) -> int | None:
        """Give the physical line of the file, counted from 1, where there is one to name."""
        return self.fields.get("line")

    @property
    def byte(self) -> int | None:
        """Give the byte of the file, counted from 1, where there is one to name."""
        return self.fields.get("byte")


def place(*, line: int, byte: int) -> str:
    """Name a place in a file for people."""
    return f"line {line:,}, byte {byte:,} of the file"
