"""JSON Schemas, as pydantic writes them, as types that any language can declare."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from tasks.domain.client_code.model import (
    ArrayOf,
    Declared,
    Field,
    LiteralOf,
    MapOf,
    Named,
    Simple,
    TupleOf,
    Type,
    UnionOf,
)
from tasks.domain.client_code.naming import pascal, unreserved
from tasks.domain.jsonvalue import JSONObject

__all__ = ["Schemas"]

Schema = Mapping[str, Any]
_PREFIX = "#/$defs/"


class Schemas:
    """Declare the types of one client: each schema once, under a name of its own."""

    def __init__(self, reserved: Collection[str]) -> None:
        self._reserved = reserved
        self._declared: dict[str, Declared] = {}
        #: By what a definition says, itself and whatever it refers to.
        self._known: dict[str, str] = {}
        self._taken: set[str] = set()

    @property
    def declared(self) -> list[Declared]:
        """The types, by name."""
        return [self._declared[name] for name in sorted(self._declared)]

    def add(self, name: str, schema: JSONObject, *, description: str = "") -> Declared:
        """Declare a schema under `name`, and return its declaration."""
        own = self._name(name, owner="")
        return self._declare(own, schema, _definitions(schema), owner=own, description=description)

    def alias(self, name: str, type: Type) -> Declared:
        """Declare another name for a type."""
        own = self._name(name, owner="")
        self._declared[own] = Declared(name=own, type=type)
        return self._declared[own]

    def _declare(
        self, name: str, schema: Schema, definitions: Schema, *, owner: str, description: str = ""
    ) -> Declared:
        told = description or str(schema.get("description") or "")
        is_closed = schema.get("type") == "object" and schema.get("additionalProperties") is False
        if schema.get("properties") or is_closed:
            required = schema.get("required", ())
            fields = tuple(
                Field(
                    name=key,
                    type=self._type(part, definitions, owner=owner, path=f"{name} {key}"),
                    is_required=key in required,
                    description=str(part.get("description") or "") if isinstance(part, Mapping) else "",
                )
                for key, part in schema.get("properties", {}).items()
            )
            is_open = schema.get("additionalProperties", False) is not False
            found = Declared(name=name, description=told, fields=fields, is_open=is_open)
        else:
            type_ = self._type(schema, definitions, owner=owner, path=name)
            found = Declared(name=name, description=told, type=type_)
        self._declared[name] = found
        return found

    def _type(self, schema: object, definitions: Schema, *, owner: str, path: str) -> Type:
        """Return the type that a schema says; whatever it doesn't say leaves open."""
        if schema is False:
            return Simple.NEVER
        if not isinstance(schema, Mapping):
            return Simple.ANY
        if isinstance(reference := schema.get("$ref"), str):
            return self._named(reference, definitions, owner=owner)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _union(self._type(part, definitions, owner=owner, path=path) for part in schema[key])
        if len(parts := schema.get("allOf", ())) == 1:
            return self._type(parts[0], definitions, owner=owner, path=path)
        if "const" in schema:
            return _literal([schema["const"]])
        if "enum" in schema:
            return _literal(schema["enum"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self._type({**schema, "type": one}, definitions, owner=owner, path=path) for one in kind)
        if kind == "array":
            return self._array(schema, definitions, owner=owner, path=path)
        if kind == "object":
            return self._object(schema, definitions, owner=owner, path=path)
        return Simple(kind) if kind in _SIMPLE else Simple.ANY

    def _array(self, schema: Schema, definitions: Schema, *, owner: str, path: str) -> Type:
        if items := schema.get("prefixItems"):
            if schema.get("maxItems") == len(items) and schema.get("minItems") == len(items):
                return TupleOf(tuple(self._type(one, definitions, owner=owner, path=path) for one in items))
            return ArrayOf(_union(self._type(one, definitions, owner=owner, path=path) for one in items))
        return ArrayOf(self._type(schema.get("items"), definitions, owner=owner, path=path))

    def _object(self, schema: Schema, definitions: Schema, *, owner: str, path: str) -> Type:
        if schema.get("properties"):
            name = self._name(path, owner=owner)
            self._declare(name, schema, definitions, owner=owner)
            return Named(name)
        values = [*schema.get("patternProperties", {}).values()]
        if isinstance(extra := schema.get("additionalProperties", not values), Mapping) or extra is True:
            values.append(extra)
        return MapOf(_union(self._type(one, definitions, owner=owner, path=path) for one in values))

    def _named(self, reference: str, definitions: Schema, *, owner: str) -> Type:
        key = reference.removeprefix(_PREFIX)
        definition = definitions.get(key)
        if definition is None or not definition.keys() - _ONLY_TOLD:
            return Simple.ANY
        content = json.dumps([definition, _reach(definition, definitions)], sort_keys=True)
        known = self._known.get(content)
        if known is None:
            # Known before it is declared: a type may refer to itself.
            known = self._known[content] = self._name(str(definition.get("title") or key), owner=owner)
            self._declare(known, definition, definitions, owner=owner)
        return Named(known)

    def _name(self, wanted: str, *, owner: str) -> str:
        """Return a name that no other type has: another type of the same name is its owner's."""
        name = unreserved(pascal(wanted), self._reserved)
        if name in self._taken and owner:
            name = pascal(f"{owner} {wanted}")
        free, count = name, 2
        while free in self._taken:
            free, count = f"{name}{count}", count + 1
        self._taken.add(free)
        return free


_SIMPLE = frozenset(map(str, Simple))
#: What says nothing about a value.
_ONLY_TOLD = frozenset({"default", "deprecated", "description", "examples", "title"})


def _definitions(schema: Schema) -> Schema:
    found = schema.get("$defs", {})
    return found if isinstance(found, Mapping) else {}


def _reach(definition: Schema, definitions: Schema) -> dict[str, Schema]:
    """Return the definitions that one refers to, whatever lies between."""
    found: dict[str, Schema] = {}
    todo: list[object] = [definition]
    while todo:
        part = todo.pop()
        if isinstance(part, Mapping):
            reference = part.get("$ref")
            key = reference.removeprefix(_PREFIX) if isinstance(reference, str) else ""
            if key in definitions and key not in found:
                found[key] = definitions[key]
                todo.append(definitions[key])
            todo.extend(part.values())
        elif isinstance(part, list | tuple):
            todo.extend(part)
    return found


def _literal(values: list[Any]) -> Type:
    if any(isinstance(value, list | dict) for value in values):
        return Simple.ANY
    return LiteralOf(tuple(values))


def _union(options: Any) -> Type:
    found: list[Type] = []
    for option in options:
        for one in option.options if isinstance(option, UnionOf) else (option,):
            # 1 and True are equal, but not the same type.
            if repr(one) not in map(repr, found) and one is not Simple.NEVER:
                found.append(one)
    if Simple.ANY in found:
        return Simple.ANY
    if not found:
        return Simple.NEVER
    return found[0] if len(found) == 1 else UnionOf(tuple(found))
