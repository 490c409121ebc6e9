"""What is wrong with one row."""

from dataclasses import dataclass
from typing import Final

SHOWN_CHARS: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Say what is wrong with a row: the line where it starts; the column and its shortened text, if any."""

    line: int
    message: str
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        return self.message if self.column is None else f"{self.column}: {self.message}"

    def as_json(self) -> dict[str, int | str]:
        """Give the problem as JSON, without what is absent."""
        found: dict[str, int | str | None] = {
            "line": self.line,
            "column": self.column,
            "value": self.value,
            "message": self.message,
        }
        return {key: value for key, value in found.items() if value is not None}


def shorten(text: str) -> str:
    """Bound a text that is quoted in a message."""
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
