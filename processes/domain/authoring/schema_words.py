"""Say in words what a script's config model takes: its JSON schema as tables of keys.

Written for the subset of JSON schema that pydantic makes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from processes.domain.json_values import JSON
from processes.domain.scripts import config_schema

__all__ = ["ConfigKey", "ConfigTable", "config_tables"]

_DEFINITIONS: Final = "#/$defs/"
_TYPES: Final = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null",
    "object": "object", "array": "list",
}  # fmt: skip
#: Plural forms of the types, for the items of a list.
_MANY: Final = {
    "text": "texts", "whole number": "whole numbers", "number": "numbers", "true or false": "true or false",
    "object": "objects", "list": "lists", "any JSON": "any JSON",
}  # fmt: skip
#: What a schema may demand of a value, in words.
_LIMITS: Final = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "less than {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} of them"),
    ("maxItems", "at most {} of them"),
    ("pattern", "matching `{}`"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigKey:
    """Describe one key: its type in words, and its default as JSON where there is one worth telling."""

    name: str
    type: str
    required: bool
    default: str | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigTable:
    """Describe an object: the config itself, or the objects at `place` inside it (`fields[].choices[]`)."""

    place: str
    keys: tuple[ConfigKey, ...]

    @property
    def about(self) -> str:
        """Say what it describes, with the place in backticks; empty for the config itself."""
        if not self.place:
            return ""
        return f"Each of `{self.place}`" if self.place.endswith(("[]", "*")) else f"`{self.place}`"


def config_tables(model: type[BaseModel]) -> list[ConfigTable]:
    """Give the table of a model, then those of the objects inside it, each kind of object once.

    There are none where JSON schema can't describe the model.
    """
    schema = config_schema(model)
    return list(_Tables(schema).read("", schema)) if schema else []


class _Tables:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        #: The definitions that have been looked into.
        self._told: set[str] = set()
        #: Those that are being told: a type may contain itself.
        self._open: set[str] = set()

    def read(self, place: str, schema: Mapping[str, Any]) -> Iterator[ConfigTable]:
        required = set(schema.get("required", ()))
        properties: Mapping[str, Any] = schema.get("properties", {})
        yield ConfigTable(
            place=place,
            keys=tuple(
                ConfigKey(
                    name=name,
                    type=self.words(part),
                    required=name in required,
                    default=_default_of(part),
                    description=str(part.get("description", "")),
                )
                for name, part in properties.items()
            ),
        )
        for name, part in properties.items():
            yield from self._inside(f"{place}.{name}" if place else name, part)

    def words(self, schema: Mapping[str, Any]) -> str:
        """Give a value's type in words, with what is demanded of it."""
        limits = [
            "not empty" if key in ("minLength", "minItems") and schema[key] == 1 else words.format(schema[key])
            for key, words in _LIMITS
            if key in schema and "prefixItems" not in schema
        ]
        return ", ".join([self._type(schema), *limits])

    def _type(self, schema: Mapping[str, Any]) -> str:
        if (name := schema.get("$ref")) is not None:
            return self._named(name, schema)
        if "const" in schema:
            return f"`{json.dumps(schema['const'])}`"
        if "enum" in schema:
            return _either([f"`{json.dumps(value)}`" for value in schema["enum"]])
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _either([self.words(part) for part in schema[key] if part.get("type") != "null"])
        kind = schema.get("type")
        if kind == "array":
            return self._list(schema)
        if kind == "object" and isinstance(values := schema.get("additionalProperties"), Mapping) and values:
            return f"object of {_many(self._type(values))}"
        return "any JSON" if kind is None else _TYPES[kind]

    def _named(self, name: str, schema: Mapping[str, Any]) -> str:
        found = self._definition(schema)
        if "properties" in found:
            return "object"
        if name in self._open:
            return "the same"
        self._open.add(name)
        try:
            return self.words(found)
        finally:
            self._open.discard(name)

    def _list(self, schema: Mapping[str, Any]) -> str:
        if "prefixItems" in schema:
            return f"list of {', '.join(self._type(part) for part in schema['prefixItems'])}"
        items = schema.get("items")
        return f"list of {_many(self.words(items))}" if items else "list"

    def _inside(self, place: str, schema: Mapping[str, Any]) -> Iterator[ConfigTable]:
        """Give the tables of the objects that a value may hold."""
        if "$ref" in schema:
            name, found = schema["$ref"], self._definition(schema)
            if name not in self._told:
                self._told.add(name)
                yield from (self.read if "properties" in found else self._inside)(place, found)
        for key in ("anyOf", "oneOf"):
            for part in schema.get(key, ()):
                yield from self._inside(place, part)
        if isinstance(items := schema.get("items"), Mapping):
            yield from self._inside(f"{place}[]", items)
        if isinstance(values := schema.get("additionalProperties"), Mapping):
            yield from self._inside(f"{place}.*", values)

    def _definition(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._definitions[schema["$ref"].removeprefix(_DEFINITIONS)]
        return found


def _default_of(schema: Mapping[str, JSON]) -> str | None:
    default = schema.get("default")
    return None if default is None or default in ("", [], {}) else json.dumps(default, ensure_ascii=False)


def _either(words: list[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} or {distinct[-1]}"


def _many(words: str) -> str:
    return _MANY.get(words, words)
