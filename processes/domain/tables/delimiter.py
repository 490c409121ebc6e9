"""Find out which character separates the fields."""

import csv
from collections.abc import Sequence
from typing import Final

DELIMITERS: Final = (",", ";", "\t", "|")
NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SAMPLE_LINES: Final = 40
SAMPLE_CHARS: Final = 64 * 1024


def find_delimiter(lines: Sequence[str], *, complete: bool) -> str:
    """Choose the delimiter under which most rows have as many fields as the header; then the one with more fields.

    `complete` says that the lines are the whole file; otherwise the last record, perhaps cut in two, doesn't count.
    A header without any of the delimiters is a table of one column, and the comma is as good as another.
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = _widths(lines, delimiter)
        if not complete and len(widths) > 1:
            widths.pop()
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    widths: list[int] = []
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return widths
        except csv.Error:
            widths.append(0)  # a delimiter under which the quotes don't fit is a poor one
        else:
            if fields:
                widths.append(len(fields))
