"""Change top-level keys of a run's data by hand, compared with what the editor saw of them."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from processes.domain.json_values import JSON, copy_json, json_problems

__all__ = ["MAX_KEY_CHARS", "DataEdit"]

MAX_KEY_CHARS: Final = 200
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEdit:
    """Hold which keys get which values, and which ones go.

    `seen` has what the editor saw of these keys; one that isn't in it wasn't there. An edit of a key that has changed
    since is refused.
    """

    values: Mapping[str, JSON] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    seen: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Give the keys that are changed, in order."""
        return sorted({*self.values, *self.removed})

    def conflicts(self, data: Mapping[str, JSON]) -> list[str]:
        """Give the keys that aren't as the editor saw them."""
        return [key for key in self.keys if not _alike(self.seen.get(key, _ABSENT), data.get(key, _ABSENT))]

    def apply(self, data: MutableMapping[str, JSON]) -> None:
        """Change data in place."""
        for key, value in self.values.items():
            data[key] = copy_json(value)
        for key in self.removed:
            data.pop(key, None)

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form."""
        return {"set": dict(self.values), "remove": sorted(self.removed), "seen": dict(self.seen)}

    @classmethod
    def between(cls, seen: Mapping[str, JSON], typed: Mapping[str, JSON]) -> "DataEdit | None":
        """Give what somebody who saw some keys has made of them; None where nothing is changed."""
        values = {key: value for key, value in typed.items() if not _alike(seen.get(key, _ABSENT), value)}
        removed = frozenset(seen.keys() - typed.keys())
        if not values and not removed:
            return None
        return cls(values=values, removed=removed, seen={key: seen[key] for key in {*values, *removed} & seen.keys()})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DataEdit":
        """Rebuild it, or read what somebody sent; raises ValueError, saying why, for what isn't an edit."""
        unknown = sorted(value.keys() - {"set", "remove", "seen"})
        if unknown:
            raise ValueError(f'An edit has "set", "remove" and "seen", and no "{unknown[0]}".')
        values, removed, seen = value.get("set", {}), value.get("remove", []), value.get("seen", {})
        if not isinstance(values, Mapping) or not isinstance(seen, Mapping):
            raise ValueError('"set" and "seen" are objects: keys of the data, and their values.')
        if not isinstance(removed, list) or not all(isinstance(key, str) for key in removed):
            raise ValueError('"remove" is a list of keys of the data.')
        if both := sorted(set(removed) & values.keys()):
            raise ValueError(f'"{both[0]}" can\'t be both set and removed.')
        if not values and not removed:
            raise ValueError("An edit sets or removes at least one key.")
        if long := [key for key in (*values, *removed) if not 0 < len(key) <= MAX_KEY_CHARS]:
            raise ValueError(f'A key has 1 to {MAX_KEY_CHARS} characters, unlike "{long[0][:MAX_KEY_CHARS]}".')
        if problems := json_problems(dict(value), limit=1):
            raise ValueError(f"{problems[0].path} can't be stored: {problems[0].message}")
        return cls(values=values, removed=frozenset(removed), seen=seen)


def _alike(left: object, right: object) -> bool:
    """Tell whether two JSON values are the same to every reader: 1 and 1.0 are, 1 and true aren't."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_alike(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_alike(*pair) for pair in zip(left, right, strict=True))
    return isinstance(left, bool) == isinstance(right, bool) and left == right
