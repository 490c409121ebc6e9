"""Write a config as people read it: JSON over several lines, what was bound and what is filled later marked.

A text is a sequence of pieces; put together, they are the JSON text (but for values that are too long to be repeated).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from processes.domain.bindings import reference_of
from processes.domain.json_values import JSON
from processes.domain.placeholders import scan_texts

__all__ = ["Piece", "config_pieces", "json_text"]

#: Longer values of bindings are told by their size: a page shows each of them once, among the bindings.
MAX_BOUND_CHARACTERS: Final = 200
#: A list or an object that fits is written on one line.
MAX_LINE_CHARACTERS: Final = 72


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a stretch of text; `reference` names the binding that gave it, or that is missing."""

    text: str
    kind: Literal["plain", "key", "bound", "unbound", "placeholder"] = "plain"
    reference: str | None = None


def json_text(value: JSON) -> str:
    """Give any JSON as readable text."""
    return "".join(piece.text for piece in config_pieces(value, {}, raw=True))


def config_pieces(config: JSON, bound: Mapping[str, JSON], *, raw: bool = False) -> list[Piece]:
    """Give the pieces of a config's text; `bound` maps references to what they become.

    A `raw` value is written as it is: nothing in it is a reference or a placeholder.
    """
    return list(_write(config, bound, 0, raw=raw))


def _write(value: JSON, bound: Mapping[str, JSON], depth: int, *, raw: bool) -> Iterator[Piece]:
    if isinstance(value, str) and not raw:
        yield from _text(value, bound)
    elif isinstance(value, dict | list) and value:
        line = _one_line(value)
        if len(line) + 2 * depth <= MAX_LINE_CHARACTERS and (raw or "{" not in line[1:]):
            # Without a brace there is neither a reference nor a placeholder in it.
            yield from _flat(value)
        else:
            yield from _container(value, bound, depth, raw=raw)
    else:
        yield Piece(_one_line(value))


def _container(value: JSON, bound: Mapping[str, JSON], depth: int, *, raw: bool) -> Iterator[Piece]:
    is_object = isinstance(value, dict)
    inner = "\n" + "  " * (depth + 1)
    yield Piece("{" if is_object else "[")
    for number, item in enumerate(value.items() if is_object else value):
        yield Piece(("," if number else "") + inner)
        if is_object:
            key, item = item
            yield Piece(_one_line(key), "key")
            yield Piece(": ")
        yield from _write(item, bound, depth + 1, raw=raw)
    yield Piece("\n" + "  " * depth + ("}" if is_object else "]"))


def _flat(value: JSON) -> Iterator[Piece]:
    if not isinstance(value, dict):
        yield Piece(_one_line(value))
        return
    for number, (key, item) in enumerate(value.items()):
        yield Piece(", " if number else "{")
        yield Piece(_one_line(key), "key")
        yield Piece(f": {_one_line(item)}")
    yield Piece("}")


def _text(value: str, bound: Mapping[str, JSON]) -> Iterator[Piece]:
    reference = reference_of(value)
    if reference is not None:
        if reference not in bound:
            yield Piece(_one_line(value), "unbound", reference)
            return
        text = _one_line(bound[reference])
        yield Piece(text if len(text) <= MAX_BOUND_CHARACTERS else _size(bound[reference]), "bound", reference)
        return
    fillers, _ = scan_texts([((), value)])
    if not fillers:
        yield Piece(_one_line(value))
        return
    yield Piece('"')
    for part in fillers[0].parts:
        if isinstance(part, str):
            yield Piece(_one_line(part)[1:-1])
        else:
            yield Piece(part.text, "placeholder")
    yield Piece('"')


def _size(value: JSON) -> str:
    if isinstance(value, dict):
        return f"{{… {len(value)} keys}}"
    if isinstance(value, list):
        return f"[… {len(value)} items]"
    return f"{_one_line(value)[: MAX_BOUND_CHARACTERS // 2]}…"


def _one_line(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)
