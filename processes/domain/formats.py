"""Read stored documents of earlier formats: each has a number, and a chain of steps leads to the present one."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from processes.domain.json_values import JSON
from processes.errors import CursorError

__all__ = ["Upcaster", "upcast"]

#: Turns a document of one format into the next one.
Upcaster: TypeAlias = Callable[[dict[str, JSON]], dict[str, JSON]]


def upcast(value: object, *, current: int, chain: Mapping[int, Upcaster], what: str) -> dict[str, JSON]:
    """Bring a document to the current format; `chain` maps each format to the step out of it.

    A newer format is refused: the release that wrote it must read it.
    """
    if not isinstance(value, dict):
        raise CursorError(f"A stored {what} must be an object")
    number = value.get("format")
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise CursorError(f"A stored {what} without a format number", fields={"format": number})
    if number > current:
        raise CursorError(
            f"This {what} was stored by a newer release (format {number}, known up to {current})",
            fields={"format": number},
        )
    document = dict(value)
    while number < current:
        if number not in chain:
            raise CursorError(f"Nothing leads on from format {number} of a stored {what}", fields={"format": number})
        document = {**chain[number](document), "format": number + 1}
        number += 1
    return document
