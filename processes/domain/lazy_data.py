"""A run's data, each key of which is parsed when somebody first reads it.

To scripts it is the dict that it says it is. What nobody has read can't have changed either: so a checkpoint looks only
at the keys that were read or written since the last one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic_core import SchemaSerializer, core_schema

from processes.domain.json_values import JSON

__all__ = ["LazyData"]

_UNREAD: Final = object()


class LazyData(dict[str, JSON]):
    """Hold data whose values are read from JSON texts, which `text_of` gives for one key."""

    __slots__ = ("_text_of",)

    #: What a model holds as Any pydantic reads in C, past all that is said here; unless it is told how to.
    __pydantic_serializer__ = SchemaSerializer(
        core_schema.any_schema(serialization=core_schema.plain_serializer_function_ser_schema(dict))
    )

    def __init__(self, keys: Mapping[str, object], text_of: Callable[[str], str]) -> None:
        super().__init__(dict.fromkeys(keys, _UNREAD))
        self._text_of = text_of

    def looked_at(self) -> dict[str, JSON]:
        """Return what was read or written: whatever may have changed."""
        return {key: value for key, value in super().items() if value is not _UNREAD}

    def put_away(self, key: str) -> None:
        """Forget the value of a key, whose text `text_of` gives: it is read anew when somebody asks for it.

        Whoever still has the value holds a copy from then on.
        """
        if key in self:
            super().__setitem__(key, _UNREAD)

    def __getitem__(self, key: str) -> JSON:
        value = super().__getitem__(key)
        return self._read(key) if value is _UNREAD else value

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        return self._read(key) if value is _UNREAD else value

    def setdefault(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else super().setdefault(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        if key in self:
            self[key]
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, JSON]:
        key, value = super().popitem()
        return key, json.loads(self._text_of(key)) if value is _UNREAD else value

    def __iter__(self) -> Iterator[str]:
        # Not for nothing: where a subclass has no __iter__ of its own, `dict(data)` and `{**data}` take the values in
        # C, past all that is said here.
        return super().__iter__()

    def items(self) -> Any:
        self._read_all()
        return super().items()

    def values(self) -> Any:
        self._read_all()
        return super().values()

    def copy(self) -> dict[str, JSON]:
        return dict(self)

    def __eq__(self, other: object) -> bool:
        self._read_all()
        if isinstance(other, LazyData):
            other._read_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    def _read(self, key: str) -> JSON:
        value = json.loads(self._text_of(key))
        super().__setitem__(key, value)
        return value

    def _read_all(self) -> None:
        for key in [key for key, value in super().items() if value is _UNREAD]:
            self._read(key)
