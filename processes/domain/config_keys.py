"""Which keys a place of a config may have, by the pydantic model that its script declares."""

from collections.abc import Iterator, Mapping, Sequence, Set
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from processes.domain.json_values import Path

__all__ = ["known_keys"]


def known_keys(model: type[BaseModel], location: Path) -> list[str]:
    """Return the keys of the objects that may stand at pydantic's location of an error, as they are written."""
    kinds: list[Any] = [model]
    for part in location:
        # The name of a union's member is a part too, and leads nowhere.
        kinds = [inside for kind in kinds for inside in _inside(kind, part)] or kinds
    models = [each for kind in kinds for each in _alternatives(kind) if _is_model(each)]
    return list(dict.fromkeys(field.alias or name for each in models for name, field in each.model_fields.items()))


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    """Give what may stand under a key, or at an index, of a value of that kind."""
    for each in _alternatives(kind):
        if _is_model(each):
            yield from (field.annotation for name, field in each.model_fields.items() if part in (name, field.alias))
            continue
        holder, parts = get_origin(each), get_args(each)
        if not isinstance(holder, type) or not parts:
            continue
        if issubclass(holder, Mapping):
            yield parts[-1]
        elif isinstance(part, int) and issubclass(holder, Sequence | Set):
            yield parts[0]


def _alternatives(kind: Any) -> Iterator[Any]:
    """Give the kinds that a union allows."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
