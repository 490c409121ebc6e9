"""Read the text of one field as a typed JSON value."""

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Final, Literal

ValueType = Literal["text", "integer", "number", "boolean", "date"]
Value = str | int | float | bool | None
"""A typed JSON value; a date is its ISO 8601 text."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"true", "yes", "y", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "0"})


class Unreadable(Exception):
    """Say, for people, what a text should have been."""


def read_text(text: str) -> str:
    """Take a text as it is."""
    return text


def read_integer(text: str) -> int:
    """Read a whole number of at most 18 digits (what a 64-bit database column holds)."""
    if not _INTEGER.fullmatch(text):
        raise Unreadable("isn't a whole number of at most 18 digits")
    return int(text)


def read_number(text: str) -> float:
    """Read a finite decimal number with a point."""
    if not _NUMBER.fullmatch(text):
        hint = " (write a decimal point, not a comma)" if _NUMBER.fullmatch(text.replace(",", ".", 1)) else ""
        raise Unreadable(f"isn't a number{hint}")
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable("is too large a number")
    return value


def read_boolean(text: str) -> bool:
    """Read true or false, yes or no, y or n, 1 or 0, in any case."""
    folded = text.casefold()
    if folded in _TRUE or folded in _FALSE:
        return folded in _TRUE
    raise Unreadable("isn't true or false (yes, no, 1 and 0 do as well)")


def read_date(text: str) -> str:
    """Read a date of the form 2026-11-20 that exists in the calendar."""
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
    raise Unreadable("isn't a date of the form 2026-11-20")


READERS: Final[dict[ValueType, Callable[[str], str | int | float | bool]]] = {
    "text": read_text,
    "integer": read_integer,
    "number": read_number,
    "boolean": read_boolean,
    "date": read_date,
}
NOUNS: Final[dict[ValueType, str]] = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "date": "date (2026-11-20)",
}
