"""Handle JSON values: find what isn't JSON, point at places, write the one canonical text that is hashed."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from processes.errors import Problem

__all__ = [
    "JSON",
    "MAX_DEPTH",
    "Path",
    "canonical",
    "content_hash",
    "copy_json",
    "json_problems",
    "key_problem",
    "lost_in_text",
    "pointer",
]

#: Any JSON value. Scripts calculate with what they find in their data, so the alias doesn't force casts on them.
JSON: TypeAlias = Any

#: Leads to a place in a JSON value: keys and indexes.
Path: TypeAlias = tuple[str | int, ...]

#: Deeper nesting is refused everywhere, so that recursive code below is safe.
MAX_DEPTH = 100


def pointer(*parts: str | int) -> str:
    """Give the JSON Pointer (RFC 6901) of a path: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def copy_json(value: JSON) -> JSON:
    """Copy containers deeply; scalars are shared. The value nests at most `MAX_DEPTH` levels."""
    kind = value.__class__
    if kind is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if kind is list:
        return [copy_json(item) for item in value]
    return value


def canonical(value: JSON) -> str:
    """Write JSON with sorted keys and no spaces: equal values give equal texts."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def content_hash(value: JSON) -> str:
    """Give the SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class RepeatingObject(dict[str, Any]):
    """Hold an object whose text named some keys twice, so that the checker can say where."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """Build a plain dict, or this class where keys repeat (an `object_pairs_hook`)."""
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        seen: set[str] = set()
        marked = cls(result)
        marked.repeated = tuple(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return marked


def json_problems(value: object, *, max_depth: int = MAX_DEPTH, limit: int = 20) -> list[Problem]:
    """List what keeps a value from being storable JSON, walking without recursion.

    Besides Python objects these are NaN and infinities, texts that UTF-8 or PostgreSQL's jsonb can't hold (lone
    surrogates, NUL), keys that aren't text or repeat, and nesting beyond `max_depth`.
    """
    problems: list[Problem] = []
    if _is_clean(value, max_depth):
        return problems
    todo: list[tuple[object, Path]] = [(value, ())]
    while todo and len(problems) < limit:
        item, path = todo.pop()
        if isinstance(item, dict | list):
            if len(path) >= max_depth:
                problems.append(Problem(path=pointer(*path), message=f"Nested more than {max_depth} levels deep"))
            elif isinstance(item, list):
                todo.extend((part, (*path, index)) for index, part in reversed(list(enumerate(item))))
            else:
                problems.extend(_key_problems(item, path))
                todo.extend((part, (*path, str(key))) for key, part in reversed(item.items()))
        elif (message := _scalar_problem(item)) is not None:
            problems.append(Problem(path=pointer(*path), message=message, value=item))
    return problems


def _is_clean(value: object, max_depth: int) -> bool:
    """Tell quickly, level by level and without keeping paths, whether there is nothing to list."""
    level: list[object] = [value]
    for _ in range(max_depth + 1):
        deeper: list[object] = []
        for item in level:
            kind = item.__class__
            if kind is str:
                if _text_problem(item) is not None:  # type: ignore[arg-type]
                    return False
            elif kind is dict:
                for key in item:  # type: ignore[attr-defined]
                    if key.__class__ is not str or _text_problem(key) is not None:
                        return False
                deeper.extend(item.values())  # type: ignore[attr-defined]
            elif kind is list:
                deeper.extend(item)  # type: ignore[arg-type]
            elif _scalar_problem(item) is not None:
                return False
        if not deeper:
            return True
        level = deeper
    return False


def key_problem(key: object, *, most_chars: int) -> str | None:
    """Say why a key can't be one of the data, where it can't."""
    if not isinstance(key, str):
        return f"A key must be text, and {key!r} is {type(key).__name__}"
    if len(key) > most_chars:
        return f"A key has at most {most_chars} characters"
    problem = _text_problem(key)
    return None if problem is None else f"The key {problem}"


def lost_in_text(value: object) -> Problem | None:
    """Find what the JSON writer would change without a word: a key that isn't text. Too deep nesting is found too.

    Tuples are taken for lists, as the writer does.
    """
    level: list[tuple[object, Path]] = [(value, ())]
    for _ in range(MAX_DEPTH + 1):
        deeper: list[tuple[object, Path]] = []
        for item, path in level:
            if isinstance(item, dict):
                for key, part in item.items():
                    if not isinstance(key, str):
                        return Problem(path=pointer(*path), message=f"Keys must be text, unlike {key!r}", value=key)
                    if isinstance(part, dict | list | tuple):
                        deeper.append((part, (*path, key)))
            elif isinstance(item, list | tuple):
                deeper += [
                    (part, (*path, index)) for index, part in enumerate(item) if isinstance(part, dict | list | tuple)
                ]
        if not deeper:
            return None
        level = deeper
    return Problem(path=pointer(*level[0][1]), message=f"Nested more than {MAX_DEPTH} levels deep")


def _key_problems(item: dict[Any, Any], path: Path) -> Iterable[Problem]:
    for key in item:
        if not isinstance(key, str):
            yield Problem(path=pointer(*path), message="Keys must be text", value=key)
        elif (message := _text_problem(key)) is not None:
            yield Problem(path=pointer(*path), message=f"A key {message}", value=key)
    if isinstance(item, RepeatingObject):
        for key in item.repeated:
            yield Problem(
                path=pointer(*path, key), message=f'The key "{key}" is given more than once', value=item[key],
                suggestion="Keep one of them",
            )  # fmt: skip


def _scalar_problem(item: object) -> str | None:
    if item is None or isinstance(item, bool):
        return None
    if isinstance(item, int):
        # Python refuses to write longer integers as text (and no database column holds them).
        return None if item.bit_length() <= 4096 else "The number is too large"
    if isinstance(item, float):
        return None if math.isfinite(item) else "Not a JSON number"
    if isinstance(item, str):
        message = _text_problem(item)
        return f"The text {message}" if message else None
    return f"Not JSON: {type(item).__name__}"


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "contains half of a surrogate pair"
    return None
