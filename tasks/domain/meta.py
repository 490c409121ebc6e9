"""The meta of nodes: JSON of any shape, or what a model class says."""

import json
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from tasks.domain.jsonvalue import JSON, storable_dumps
from tasks.errors import InvalidMeta

M = TypeVar("M", bound=type)

#: Mistakes that a message names at most.
_NAMED = 5


class MetaType:
    """Check meta against a class: a pydantic model, a dataclass or a TypedDict."""

    def __init__(self, model: type) -> None:
        self.model = model
        try:
            self.adapter: TypeAdapter[Any] = TypeAdapter(model)
        except PydanticUserError as error:
            raise TypeError(f"{model!r} can't describe meta: {error.message}") from error

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.model.__name__

    def to_json(self, meta: object) -> JSON:
        """Return meta as JSON; raises InvalidMeta, which says what is wrong where."""
        try:
            # A model of another class may say the same; what counts are its values.
            given = meta.model_dump() if isinstance(meta, BaseModel) and not isinstance(meta, self.model) else meta
            return self.adapter.dump_python(self.adapter.validate_python(given), mode="json", by_alias=True)  # type: ignore[no-any-return]
        except ValidationError as error:
            mistakes = [
                {"path": "/".join(str(part) for part in mistake["loc"]), "message": mistake["msg"]}
                for mistake in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            told = "; ".join(f"{mistake['path'] or 'meta'}: {mistake['message']}" for mistake in mistakes[:_NAMED])
            raise InvalidMeta(f"The meta is no {self.name}: {told}", model=self.name, mistakes=mistakes) from error


def meta_to_json(meta: object, meta_type: MetaType | None = None) -> JSON:
    """Return meta as JSON: what `meta_type` says where one is given, else a model's or dataclass's values, or JSON.

    It is a copy: its giver may change the original later. Raises InvalidMeta.
    """
    if meta is not None and meta_type is not None:
        meta = meta_type.to_json(meta)
    elif isinstance(meta, BaseModel) or (is_dataclass(meta) and not isinstance(meta, type)):
        meta = MetaType(type(meta)).to_json(meta)
    try:
        return json.loads(storable_dumps(meta))  # type: ignore[no-any-return]
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMeta(f"The meta is not JSON: {error}") from error


class MetaRegistry:
    """Know the classes of meta that a site uses, so that its API schema can name them."""

    def __init__(self) -> None:
        self._types: dict[type, MetaType] = {}
        self._default: MetaType | None = None

    def add(self, model: type, *, default: bool = False) -> MetaType:
        """Register a class, once; `default` checks the meta of every tree that names no class of its own."""
        found = self._types.get(model)
        if found is None:
            found = self._types[model] = MetaType(model)
        if default:
            if self._default is not None and self._default.model is not model:
                raise ValueError(f"{self._default.name} is the site's class of meta already.")
            self._default = found
        return found

    def remove(self, model: type) -> None:
        """Forget a class."""
        found = self._types.pop(model, None)
        if found is not None and self._default is found:
            self._default = None

    def type_for(self, model: type | None) -> MetaType | None:
        """Return what checks the meta of a tree that names `model`, or none."""
        return self._default if model is None else self.add(model)

    def schema(self, *, ref_template: str = "#/$defs/{model}") -> dict[str, JSON]:
        """Return the JSON Schema of all registered classes: `anyOf` them, with their `$defs`; empty without any."""
        types: Iterable[MetaType] = sorted(self._types.values(), key=lambda known: (known.model.__module__, known.name))
        inputs = [(known.model, "serialization", known.adapter) for known in types]
        if not inputs:
            return {}
        schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=ref_template)  # type: ignore[arg-type]
        return {"anyOf": list(schemas.values()), **definitions}


metas = MetaRegistry()


def register_meta(model: M | None = None, *, default: bool = False) -> Any:
    """Register a class of meta, for the API schema; usable as a decorator, bare or with `default=True`.

    `default` checks the meta of every tree that `start_task` begins without a `meta_model` of its own.
    """

    def register(model: M) -> M:
        metas.add(model, default=default)
        return model

    return register if model is None else register(model)


def meta_schema(*, ref_template: str = "#/$defs/{model}") -> dict[str, JSON]:
    """Return the JSON Schema of all registered classes of meta."""
    return metas.schema(ref_template=ref_template)


__all__ = ["MetaRegistry", "MetaType", "meta_schema", "meta_to_json", "metas", "register_meta"]
