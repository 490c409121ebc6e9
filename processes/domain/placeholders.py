"""Fill `%{param:x}`, `%{data:a.b}`, `%{attr:x}` and `%{now}` in a config, just before its action runs.

A text that is exactly one placeholder becomes the value itself, of whatever JSON type; inside a longer text a value is
written as text. What is filled in is never looked into again. Other `%{…}` texts stay as they are, except those that
look like a placeholder misspelt: they are refused.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from processes.domain.json_values import JSON, Path, canonical, copy_json, json_problems, pointer
from processes.domain.suggestions import nearest
from processes.errors import PlaceholderError, Problem

__all__ = ["Context", "Filler", "compile_fillers", "fill", "parameters_of", "scan_texts", "texts_of"]

_SOURCES = ("param", "data", "attr", "now")

_PLACEHOLDER = re.compile(r"%\{(?:(param|data|attr):([^{}]+)|(now))\}")
_LOOKS_LIKE = re.compile(r"%\{\s*([A-Za-z_]{1,20})\s*(?::[^{}]*)?\}")


@dataclass(frozen=True, slots=True)
class Context:
    """Hold where values come from when an action is about to run; `attribute` raises KeyError for what isn't set."""

    parameters: Mapping[str, JSON]
    data: Mapping[str, JSON]
    attribute: Callable[[str], object]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Part:
    source: str
    name: str

    @property
    def text(self) -> str:
        return "%{now}" if self.source == "now" else f"%{{{self.source}:{self.name}}}"


@dataclass(frozen=True, slots=True)
class Filler:
    """Hold one text of a config that has placeholders, compiled: where it is and what it is made of."""

    path: Path
    parts: tuple[str | _Part, ...]

    @property
    def pointer(self) -> str:
        """Give the JSON Pointer of the text in its config."""
        return pointer(*self.path)


def scan_texts(texts: Iterable[tuple[Path, str]]) -> tuple[tuple[Filler, ...], list[Problem]]:
    """Compile the texts of a config that have placeholders, and list those that look like a misspelt one."""
    fillers: list[Filler] = []
    problems: list[Problem] = []
    for path, text in texts:
        if parts := _parts(text):
            fillers.append(Filler(path, parts))
        problems.extend(_misspelt(path, text))
    return tuple(fillers), problems


def texts_of(config: JSON) -> Iterator[tuple[Path, str]]:
    """Give the texts in which placeholders may be, with their paths."""
    todo: list[tuple[JSON, Path]] = [(config, ())]
    while todo:
        item, path = todo.pop()
        if item.__class__ is str:
            if "%{" in item:
                yield path, item
        elif isinstance(item, dict):
            todo.extend((part, (*path, key)) for key, part in reversed(item.items()))
        elif isinstance(item, list):
            todo.extend((part, (*path, index)) for index, part in reversed(list(enumerate(item))))


def compile_fillers(config: JSON, pointers: Collection[str]) -> tuple[Filler, ...]:
    """Compile again the texts at these JSON Pointers, which a stored plan names."""
    if not pointers:
        return ()
    wanted = frozenset(pointers)
    return scan_texts((path, text) for path, text in texts_of(config) if pointer(*path) in wanted)[0]


def _misspelt(path: Path, text: str) -> Iterator[Problem]:
    for match in _LOOKS_LIKE.finditer(text):
        if _PLACEHOLDER.fullmatch(match[0]) is None and (source := nearest(match[1], _SOURCES)):
            name = match[0].partition(":")[2].removesuffix("}") or "name"
            example = "%{now}" if source == "now" else f"%{{{source}:{name}}}"
            yield Problem(
                path=pointer(*path),
                message=f"{match[0]} isn't a placeholder",
                value=text,
                suggestion=f"Write it like {example}",
            )


def parameters_of(fillers: Iterable[Filler]) -> Iterator[str]:
    """Give the names of the request's parameters that are filled in."""
    for filler in fillers:
        yield from (part.name for part in filler.parts if isinstance(part, _Part) and part.source == "param")


def fill(config: JSON, fillers: tuple[Filler, ...], context: Context) -> JSON:
    """Give a copy of the config with its placeholders filled; raises PlaceholderError for what is missing."""
    result = copy_json(config)
    for filler in fillers:
        value = _filled(filler, context)
        if not filler.path:
            return value
        holder = result
        for part in filler.path[:-1]:
            holder = holder[part]
        holder[filler.path[-1]] = value
    return result


def _parts(text: str) -> tuple[str | _Part, ...] | None:
    parts: list[str | _Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        source = match[3] or match[1]
        parts.append(_Part(source, match[2] or ""))
        end = match.end()
    if not end:
        return None
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


def _filled(filler: Filler, context: Context) -> JSON:
    only = filler.parts[0]
    if len(filler.parts) == 1 and isinstance(only, _Part):
        value = _value(only, filler, context)
        if problems := json_problems(value, limit=1):
            raise _missing(only, filler, f"gives something that isn't JSON ({problems[0].message})")
        # The script may change its config, which must not reach the data that it came from.
        return copy_json(value)
    return "".join(
        part if isinstance(part, str) else _as_text(_value(part, filler, context), part, filler)
        for part in filler.parts
    )


def _value(part: _Part, filler: Filler, context: Context) -> object:
    if part.source == "now":
        return context.now().isoformat()
    if part.source == "param":
        if part.name in context.parameters:
            return context.parameters[part.name]
        # A field of a form may have a dot in its name; what comes as JSON is looked into.
        first, *rest = part.name.split(".")
        if first not in context.parameters:
            raise _missing(part, filler, "isn't among the request's parameters")
        return _walk(context.parameters[first], rest, part, filler)
    if part.source == "data":
        return _walk(context.data, part.name.split("."), part, filler)
    first, *rest = part.name.split(".")
    try:
        value = context.attribute(first)
    except KeyError:
        raise _missing(part, filler, "isn't set") from None
    return _walk(value, rest, part, filler)


def _walk(value: object, keys: list[str], part: _Part, filler: Filler) -> object:
    for key in keys:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            raise _missing(part, filler, f'has no "{key}"' if len(keys) > 1 else "isn't there")
    return value


def _as_text(value: object, part: _Part, filler: Filler) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if json_problems(value, limit=1):
        raise _missing(part, filler, "gives something that isn't JSON")
    return canonical(value)


def _missing(part: _Part, filler: Filler, what: str) -> PlaceholderError:
    return PlaceholderError(
        f"{part.text} can't be filled: it {what}",
        path=f"/config{filler.pointer}",
        fields={"placeholder": part.text},
    )
