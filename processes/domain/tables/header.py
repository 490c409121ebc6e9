"""Check the names of columns, whatever the format that they come from."""

from collections import Counter
from collections.abc import Sequence

from processes.domain.tables.errors import TableError
from processes.domain.tables.limits import Limits

__all__ = ["check_header", "check_lengths", "field_too_long"]


def check_header(names: Sequence[str], *, line: int, limits: Limits) -> tuple[str, ...]:
    """Return the names, once there is one for each column, none twice and none too long; raises TableError."""
    if len(names) > limits.max_columns:
        message = f"The header (line {line:,}) has {len(names):,} columns; at most {limits.max_columns:,} are read."
        raise TableError("too_many_columns", message, line=line)
    check_lengths(names, line=line, limits=limits)
    blank = [str(number) for number, name in enumerate(names, start=1) if not name]
    if blank:
        which = _listed(blank)
        message = f"The header (line {line:,}) has no name for column {which}. Name every column, or remove it."
        raise TableError("blank_columns", message, line=line)
    twice = [f"“{name[:60]}”" for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"The header (line {line:,}) has {_listed(twice)} more than once. Every column needs its own name."
        raise TableError("duplicate_columns", message, line=line)
    return tuple(names)


def check_lengths(fields: Sequence[str], *, line: int, limits: Limits) -> None:
    """Raise TableError where a field is longer than is read."""
    for number, text in enumerate(fields, start=1):
        if len(text) > limits.max_field_chars:
            raise field_too_long(line=line, limit=limits.max_field_chars, field=number)


def field_too_long(*, line: int, limit: int, field: int | None = None) -> TableError:
    which = "A field" if field is None else f"Field {field:,}"
    return TableError(
        "field_too_long",
        f"{which} of the row that begins at line {line:,} has more than {limit:,} characters. Shorten it; "
        "or close the quotation mark that makes the following rows part of it.",
        line=line,
    )


def _listed(names: list[str], *, most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
