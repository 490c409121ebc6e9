"""What a tree takes of the texts and numbers that are reported: how long, and in which form."""

import re
from collections.abc import Iterable
from math import isfinite

TITLE_CHARS = 200
TYPE_CHARS = 32
MESSAGE_CHARS = 500
ERROR_CHARS = 2_000
#: Nodes that stand below one another; deeper ones are shown beside those above them. Trees are walked recursively.
NODE_DEPTH = 100
#: Streamed text kept on a node for snapshots; the log has more.
OUTPUT_TAIL_CHARS = 65_536
#: Text of one node that waits to be written; where more comes than can be written, the oldest is left out.
OUTPUT_WAITING_CHARS = 4_194_304
#: Text of one nodeOutput update; longer output is split.
OUTPUT_UPDATE_CHARS = 16_384

#: Beyond it a float no longer tells neighbouring integers apart, and 64-bit columns end.
_MAX_INTEGER = 2**53
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Return `text` with U+FFFD for what no database stores: NUL and halves of surrogate pairs.

    What is no text yet becomes one: a translation that waits for its language, an exception.
    """
    text = str(text)
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


def measure(value: object) -> int | float | None:
    """Return a reported number as JSON and databases take it; None for what isn't finite or no number at all.

    Whatever has a `float()` counts: decimals, NumPy's numbers. A report must never stop the work that it tells of.
    """
    if value is None:
        return None
    if type(value) is int and -_MAX_INTEGER <= value <= _MAX_INTEGER:
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def counted(value: float | None, steps: Iterable[float]) -> float:
    """Return a reported value and the steps that came after it, together.

    Numbers that Python doesn't add to each other, as a decimal and a float, are added as `measure` has them; what is no
    number then counts as nothing.
    """
    steps = list(steps)
    try:
        return (value or 0) + sum(steps)
    except Exception:  # noqa: BLE001 - whatever adds itself up may raise whatever it likes
        return sum(measure(each) or 0 for each in (value, *steps))


def shorten(text: str, limit: int) -> str:
    """Return `text`, storable, and cut to `limit` characters with a closing ellipsis where it was longer."""
    text = storable_text(text)
    if len(text) <= limit:
        return text
    return text[: limit - 1] + "…"


def tail(text: str, limit: int = OUTPUT_TAIL_CHARS) -> str:
    """Return the last `limit` characters of `text`, starting at a line where one begins among them."""
    if len(text) <= limit:
        return text
    kept = text[-limit:]
    newline = kept.find("\n")
    return kept[newline + 1 :] if 0 <= newline < limit // 2 else kept


def pieces(text: str, limit: int = OUTPUT_UPDATE_CHARS) -> list[str]:
    """Return `text` in pieces of at most `limit` characters, in order; none for no text."""
    return [text[start : start + limit] for start in range(0, len(text), limit)]
