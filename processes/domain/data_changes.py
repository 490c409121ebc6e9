"""Tell what has changed in some data, bounded: for a history that people read.

A change is `{"path": JSON Pointer, "before": value, "after": value}`; without `before` the value was added, without
`after` it was removed. A value whose JSON text is longer than `MAX_CHARS` is told by its length alone, as
`{"before_chars": 12034}`. Of more than `MAX_CHANGES` changes the last entry is `{"more": n}`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from processes.domain.json_changes import MISSING, JsonChange, json_changes
from processes.domain.json_values import JSON, canonical

__all__ = ["MAX_CHANGES", "MAX_CHARS", "data_changes"]

#: So many changes of one step are told, and values of so many characters.
MAX_CHANGES: Final = 50
MAX_CHARS: Final = 300
#: Values that are longer than this aren't looked into: to compare them takes longer than to save them.
_LOOKED_INTO_CHARS: Final = 100_000


def data_changes(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> list[JSON]:
    """Return the changes that lead from `before` to `after`, in the order of the keys."""
    told: list[JSON] = []
    more = 0
    for change in _changes(before, after):
        if len(told) < MAX_CHANGES:
            told.append(_told(change))
        else:
            more += 1
    return [*told, {"more": more}] if more else told


def _changes(before: Mapping[str, JSON], after: Mapping[str, JSON]) -> Iterator[JsonChange]:
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if old is new or (old == new and type(old) is type(new)):
            # Python's own comparison is a hundred times as quick. That 1 equals 1.0 and True is no change to people.
            continue
        if max(len(canonical(value)) for value in (old, new) if value is not MISSING) > _LOOKED_INTO_CHARS:
            yield JsonChange(path=(key,), old=old, new=new)
        else:
            yield from json_changes(old, new, (key,))


def _told(change: JsonChange) -> dict[str, JSON]:
    told: dict[str, JSON] = {"path": change.pointer}
    for name, value in (("before", change.old), ("after", change.new)):
        if value is MISSING:
            continue
        characters = len(canonical(value))
        if characters > MAX_CHARS:
            told[f"{name}_chars"] = characters
        else:
            told[name] = value
    return told
