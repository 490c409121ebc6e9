"""Tell two JSON values apart: each difference with its place, what was there and what is there now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from processes.domain.json_values import JSON, Path, canonical, pointer

__all__ = ["MISSING", "ChangeKind", "JsonChange", "json_changes", "whole_change"]

ChangeKind: TypeAlias = Literal["added", "removed", "changed"]


class Missing(Enum):
    """Stand for a value that isn't there; null is one that is."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonChange:
    """Hold one difference: `old` is MISSING for what was added, `new` for what was removed.

    A path leads to the same place in both documents. Elements of an array that were added are counted as in the new
    one, those that were removed as in the old one.
    """

    path: Path
    old: JSON = MISSING
    new: JSON = MISSING

    @property
    def kind(self) -> ChangeKind:
        """Tell what happened to the value."""
        if self.old is MISSING:
            return "added"
        return "removed" if self.new is MISSING else "changed"

    @property
    def pointer(self) -> str:
        """Give the path as a JSON Pointer."""
        return pointer(*self.path)

    @property
    def inverse(self) -> "JsonChange":
        """Give the difference seen from the other side."""
        return JsonChange(path=self.path, old=self.new, new=self.old)


def json_changes(old: JSON, new: JSON, path: Path = ()) -> Iterator[JsonChange]:
    """List every difference of two values below `path`, the other way round the same ones inverted.

    Values are equal where their canonical texts are: the order of keys doesn't count, and 1 isn't 1.0.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _object_changes(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _array_changes(old, new, path)
    else:
        yield from whole_change(old, new, path)


def whole_change(old: JSON, new: JSON, path: Path) -> Iterator[JsonChange]:
    """Tell the difference of two values, of which one at least is there, without looking into them."""
    if old is MISSING or new is MISSING or canonical(old) != canonical(new):
        yield JsonChange(path=path, old=old, new=new)


def _object_changes(old: Mapping[str, JSON], new: Mapping[str, JSON], path: Path) -> Iterator[JsonChange]:
    for key in dict.fromkeys((*old, *new)):
        if key in old and key in new:
            yield from json_changes(old[key], new[key], (*path, key))
        else:
            yield JsonChange(path=(*path, key), old=old.get(key, MISSING), new=new.get(key, MISSING))


def _array_changes(old: Sequence[JSON], new: Sequence[JSON], path: Path) -> Iterator[JsonChange]:
    """Compare what lies between the equal beginnings and the equal ends, element by element."""
    old_texts, new_texts = [canonical(item) for item in old], [canonical(item) for item in new]
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old_texts[start] == new_texts[start]:
        start += 1
    end = 0
    while end < shorter - start and old_texts[-1 - end] == new_texts[-1 - end]:
        end += 1
    old_stop, new_stop = len(old) - end, len(new) - end
    both = min(old_stop, new_stop)
    for index in range(start, both):
        yield from json_changes(old[index], new[index], (*path, index))
    for index in range(both, old_stop):
        yield JsonChange(path=(*path, index), old=old[index])
    for index in range(both, new_stop):
        yield JsonChange(path=(*path, index), new=new[index])
