"""How a message travels in PostgreSQL's notifications, each of which is shorter than 8,000 bytes.

A message that fits is one payload: `=` and its JSON. A longer one is several, `index/count=` and a piece of the JSON
each, in order. Every payload of a message differs from the others, since PostgreSQL drops repetitions.
"""

import json
from collections.abc import Iterator
from typing import Any

#: PostgreSQL's limit, less the mark in front.
MOST_BYTES = 7_900


def split(text: str, *, most_bytes: int = MOST_BYTES) -> Iterator[str]:
    """Yield the payloads of the message whose JSON is `text`."""
    data = text.encode()
    if len(data) <= most_bytes:
        yield f"={text}"
        return
    pieces = []
    start = 0
    while start < len(data):
        end = min(start + most_bytes, len(data))
        # Not inside a character: those bytes begin with the bits 10.
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    for index, piece in enumerate(pieces):
        yield f"{index}/{len(pieces)}={piece}"


class Joiner:
    """Put messages together that come in pieces. A message whose pieces don't all come, in order, is dropped."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def take(self, payload: str) -> dict[str, Any] | None:
        """Take the next payload; return the message that it completes."""
        mark, _, text = payload.partition("=")
        if mark:
            index, _, count = mark.partition("/")
            if not (index.isdecimal() and count.isdecimal()):
                return None
            if index == "0":
                self._pieces.clear()
            if int(index) != len(self._pieces):
                self._pieces.clear()
                return None
            self._pieces.append(text)
            if len(self._pieces) < int(count):
                return None
            text = "".join(self._pieces)
        self._pieces.clear()
        try:
            message = json.loads(text)
        except ValueError:
            return None
        return message if isinstance(message, dict) else None
