"""Check the rows of a table against the rules of its columns."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b

from processes.domain.tables.errors import TableError
from processes.domain.tables.problems import RowProblem, shorten
from processes.domain.tables.reader import Row
from processes.domain.tables.rules import ColumnRule
from processes.domain.tables.values import Unreadable, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """Hold what came of a row: its typed values by column when it is accepted, or its problems."""

    line: int
    values: dict[str, Value]
    problems: tuple[RowProblem, ...]

    @property
    def accepted(self) -> bool:
        """Say whether the row has no problem."""
        return not self.problems


class RowChecker:
    """Check rows in the order of the file: of rows that share a unique value the first accepted one keeps it.

    Columns without a rule are not taken over. For each unique column an accepted row costs about 130 bytes (the first
    64 bits of a hash of its value, and its line), so that the limit on rows bounds the memory, however long they are.
    Raises `TableError` (missing_columns) when the header lacks a required column.
    """

    def __init__(self, header: Sequence[str], rules: Iterable[ColumnRule]) -> None:
        self.rules = tuple(rules)
        twice = [name for name, count in Counter(rule.name for rule in self.rules).items() if count > 1]
        if twice:
            raise ValueError(f"more than one rule for the column {twice[0]}")
        places = {name: place for place, name in enumerate(header)}
        self._refuse_missing(header)
        self._columns = [(rule, places.get(rule.name)) for rule in self.rules]
        self._seen: dict[str, dict[int, int]] = {rule.name: {} for rule in self.rules if rule.unique}

    def check(self, row: Row) -> CheckedRow:
        """Check one row: every column is looked at, so that all of its problems are told at once."""
        if row.problem is not None:
            return CheckedRow(line=row.line, values={}, problems=(row.problem,))
        values: dict[str, Value] = {}
        problems: list[RowProblem] = []
        keys: list[tuple[dict[int, int], int]] = []
        for rule, place in self._columns:
            text = "" if place is None else row.fields[place]
            try:
                value = values[rule.name] = rule.read(text)
                if rule.unique and value is not None:
                    keys.append(self._unused(rule, value))
            except Unreadable as error:
                shown = shorten(text.strip())
                message = f"“{shown}” {error}." if text.strip() else f"{str(error).capitalize()}."
                problems.append(RowProblem(line=row.line, column=rule.name, value=shown, message=message))
        if problems:
            return CheckedRow(line=row.line, values={}, problems=tuple(problems))
        for seen, key in keys:
            seen[key] = row.line
        return CheckedRow(line=row.line, values=values, problems=())

    def _unused(self, rule: ColumnRule, value: Value) -> tuple[dict[int, int], int]:
        seen = self._seen[rule.name]
        key = int.from_bytes(blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest())
        if key in seen:
            raise Unreadable(f"is already used in line {seen[key]:,}")
        return seen, key

    def _refuse_missing(self, header: Sequence[str]) -> None:
        missing = [rule.name for rule in self.rules if rule.required and rule.name not in header]
        if not missing:
            return
        hints = [
            f" Is “{close[0]}” meant to be “{name}”?"
            for name in missing
            if (close := [other for other in header if other.casefold() == name.casefold()])
            or (close := get_close_matches(name, header, n=1))
        ]
        found = ", ".join(map(shorten, header[:10])) + (" …" if len(header) > 10 else "")
        plural = "s" if len(missing) > 1 else ""
        lacking = f"The file lacks the required column{plural} {', '.join(missing)}."
        message = f"{lacking} Its columns are: {found}.{''.join(hints)}"
        raise TableError("missing_columns", message, line=1)
