"""Find places in JSON text: where the value that a JSON Pointer names stands, and where text stops being JSON.

Positions are offsets into the text (`Span`), or line and column as an editor shows them (`Position`). Reading stops at
the first mistake; what came before it is still found.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Break", "Lines", "Place", "Places", "Position", "Span", "find_places", "pointer_parts"]

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_BLANK = re.compile(r"[ \t\r\n]*")
_TEXT = re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*"')
_SCALAR = re.compile(r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.+-])", re.ASCII)
_PART_OF_TEXT = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|[^"\\\x00-\x1f]+|.', re.DOTALL)
_WORD = re.compile(r"[^\s,:\[\]{}]{1,40}")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Span:
    """Hold a part of a text, as offsets: the first character, and the one after the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Position:
    """Hold a line and a column, both counted from 1; columns in UTF-16 code units, as browsers count."""

    line: int
    column: int

    def to_json(self) -> dict[str, int]:
        """Give the JSON form."""
        return {"line": self.line, "column": self.column}


@dataclass(frozen=True, slots=True)
class Place:
    """Say where a value stands, and its key if it is a member of an object.

    Where the text hasn't got what was asked for, `exact` is false and the place is that of what would hold it.
    """

    value: Span
    key: Span | None = None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Break:
    """Say where a text stops being JSON, what was expected there, what stands there, and a cure if one is known."""

    at: int
    expected: str
    found: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Hold the places of the pointers that were asked for, and where the text breaks, None if it is JSON."""

    by_pointer: Mapping[str, Place]
    broken: Break | None


@dataclass(slots=True, eq=False)
class _Wanted:
    """One step of the wanted pointers, and the place where it was found."""

    children: dict[str, "_Wanted"] = field(default_factory=dict)
    value: Span | None = None
    key: Span | None = None


@dataclass(slots=True)
class _Open:
    """A container whose end hasn't been reached."""

    closer: str
    wanted: _Wanted | None
    start: int
    items: int = 0


class _Broken(Exception):
    def __init__(self, at: int, expected: str, suggestion: str | None = None) -> None:
        super().__init__(expected)
        self.at, self.expected, self.suggestion = at, expected, suggestion


class Lines:
    """Turn offsets into lines and columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def position(self, offset: int) -> Position:
        """Give the line and column of an offset; one beyond the text gives its end."""
        offset = max(0, min(offset, len(self._text)))
        line = bisect_right(self._starts, offset)
        before = self._text[self._starts[line - 1] : offset]
        return Position(line, 1 + len(before) + sum(character > "\uffff" for character in before))


def pointer_parts(pointer: str) -> list[str]:
    """Split a JSON Pointer: `/a~1b/0` is `["a/b", "0"]`."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def find_places(text: str, pointers: Iterable[str]) -> Places:
    """Find what the pointers name, in one pass over the text; of a key that repeats, the last counts."""
    root = _Wanted()
    asked = {pointer: pointer_parts(pointer) for pointer in pointers}
    for parts in asked.values():
        step = root
        for part in parts:
            step = step.children.setdefault(part, _Wanted())
    broken = None
    try:
        _Scanner(text).scan(root)
    except _Broken as error:
        word = _WORD.match(text, error.at)
        found = word[0] if word else text[error.at : error.at + 1]
        broken = Break(error.at, error.expected, found or "the end of the text", error.suggestion)
    return Places({pointer: _place(root, parts) for pointer, parts in asked.items()}, broken)


def _place(root: _Wanted, parts: list[str]) -> Place:
    step, depth = root, 0
    for part in parts:
        deeper = step.children[part]
        if deeper.value is None:
            break
        step, depth = deeper, depth + 1
    return Place(step.value or Span(0, 0), step.key, exact=step.value is not None and depth == len(parts))


class _Scanner:
    """Read a text value by value, without recursion and without building what nobody asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []

    def scan(self, root: _Wanted) -> None:
        """Note in `root` and below where the wanted values stand; raises _Broken at the first mistake."""
        try:
            self._scan(root)
        except _Broken as error:
            # What is still open reaches as far as the text could be read.
            for container in self._open:
                _note(container.wanted, container.start, error.at)
            raise

    def _scan(self, root: _Wanted) -> None:
        at = self._skip(1 if self._text.startswith(_BOM) else 0)
        wanted: _Wanted | None = root
        while True:
            at, opened = self._value(at, wanted)
            if not opened:
                at = self._close(at)
                if not self._open:
                    break
            at, wanted = self._member(at)
        if at < len(self._text):
            raise _Broken(at, "nothing may follow here", self._after_the_end(at))

    def _value(self, at: int, wanted: _Wanted | None) -> tuple[int, bool]:
        """Read a scalar or an empty container, or enter a container; give where to go on, and if one was entered."""
        text = self._text
        character = text[at : at + 1]
        if character and character in "[{":
            closer = "]" if character == "[" else "}"
            after = self._skip(at + 1)
            if not text.startswith(closer, after):
                self._open.append(_Open(closer, wanted, at))
                return after, True
            end = after + 1
        else:
            match = (_TEXT if character == '"' else _SCALAR).match(text, at)
            if match is None:
                raise self._no_value(at, character)
            end = match.end()
        _note(wanted, at, end)
        return end, False

    def _close(self, at: int) -> int:
        """Go past the ends of containers, up to where the next member begins or the text ends."""
        text = self._text
        while True:
            at = self._skip(at)
            if not self._open:
                return at
            container = self._open[-1]
            if text.startswith(container.closer, at):
                at += 1
                _note(container.wanted, container.start, at)
                self._open.pop()
            elif text.startswith(",", at):
                after = self._skip(at + 1)
                if text.startswith(container.closer, after):
                    raise _Broken(at, "nothing more follows, so there is no comma", "Remove the comma")
                return after
            else:
                what = "a comma" if text[at : at + 1] in ('"', "{", "[") else f"a comma or {container.closer}"
                raise _Broken(at, f"{what} is expected here")

    def _member(self, at: int) -> tuple[int, _Wanted | None]:
        """Read the key of a member, if it has one; give where its value begins and what is wanted of it."""
        container = self._open[-1]
        children = container.wanted.children if container.wanted is not None else {}
        if container.closer == "]":
            container.items += 1
            return at, children.get(str(container.items - 1))
        match = _TEXT.match(self._text, at)
        if match is None:
            raise self._no_key(at)
        colon = self._skip(match.end())
        if not self._text.startswith(":", colon):
            raise _Broken(colon, "a colon is expected after the key")
        wanted = children.get(json.loads(match[0])) if children else None
        if wanted is not None:
            # Given before: what that one held doesn't count any more.
            _forget(wanted)
            wanted.key = Span(match.start(), match.end())
        return self._skip(colon + 1), wanted

    def _skip(self, at: int) -> int:
        match = _BLANK.match(self._text, at)
        return match.end() if match else at

    def _no_value(self, at: int, character: str) -> _Broken:
        if character == '"':
            return self._unclosed(at)
        if character == "'":
            return _Broken(at, "a value is expected here", "Write texts in double quotes")
        word = _WORD.match(self._text, at)
        known = word and word[0].lower() in ("true", "false", "null", "none")
        return _Broken(at, "a value is expected here", "Write true, false or null in small letters" if known else None)

    def _no_key(self, at: int) -> _Broken:
        if self._text.startswith('"', at):
            return self._unclosed(at)
        return _Broken(at, "a key in double quotes is expected here")

    def _unclosed(self, at: int) -> _Broken:
        """Say why no text could be read: an escape that doesn't exist, or no end on its line."""
        for match in _PART_OF_TEXT.finditer(self._text, at + 1):
            if match[0] == "\\":
                return _Broken(match.start(), "an escape like \\n or \\u00e9 is expected here", "Write \\\\ for \\")
            if match[0] < " ":
                break
        return _Broken(at, "this text has no closing quote on its line", 'Close it with ". A line break inside is \\n')

    def _after_the_end(self, at: int) -> str | None:
        return "Remove it, or the bracket before it" if self._text[at] in "]}," else None


def _note(wanted: _Wanted | None, start: int, end: int) -> None:
    if wanted is not None:
        wanted.value = Span(start, end)


def _forget(wanted: _Wanted) -> None:
    for step in _steps(wanted):
        step.value = step.key = None


def _steps(wanted: _Wanted) -> Iterator[_Wanted]:
    todo = [wanted]
    while todo:
        step = todo.pop()
        yield step
        # Below a value that wasn't found, nothing was.
        todo.extend(child for child in step.children.values() if child.value is not None)
