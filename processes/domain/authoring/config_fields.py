"""Describe the fields of a config from its JSON schema, in rows of a table."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from processes.domain.json_values import JSON
from processes.domain.scripts import ScriptSpec

__all__ = ["ConfigField", "config_fields"]

_MAX_DEPTH = 3
_TYPES = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null",
    "object": "object", "array": "list",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """Describe one key; `name` leads to it from the config, as in `fields[].label`."""

    name: str
    type: str
    required: bool
    default: JSON = None
    description: str = ""

    @property
    def default_text(self) -> str:
        """Give the default as JSON."""
        return json.dumps(self.default, ensure_ascii=False)


def config_fields(spec: ScriptSpec) -> list[ConfigField]:
    """Give the keys of a script's config, those of nested objects below their own; none where it declares no model."""
    return [] if spec.config is None else list(_fields(_schema(spec.config)))


def _schema(model: type[BaseModel]) -> Mapping[str, JSON]:
    try:
        return model.model_json_schema()
    except (PydanticUserError, TypeError, ValueError):
        # A team's model may hold what JSON Schema can't describe: then its keys stay untold.
        return {}


def _fields(schema: Mapping[str, JSON]) -> Iterator[ConfigField]:
    definitions = schema.get("$defs", {})

    def walk(part: Mapping[str, JSON], prefix: str, depth: int) -> Iterator[ConfigField]:
        required = part.get("required", ())
        for name, property_ in part.get("properties", {}).items():
            types, nested, listed = _read(property_, definitions)
            yield ConfigField(
                name=prefix + name,
                type=" or ".join(types) or "any JSON",
                required=name in required,
                default=property_.get("default"),
                description=property_.get("description", ""),
            )
            if nested is not None and depth < _MAX_DEPTH:
                yield from walk(nested, f"{prefix}{name}{'[]' if listed else ''}.", depth + 1)

    yield from walk(_resolved(schema, definitions), "", 1)


def _read(
    property_: Mapping[str, JSON], definitions: Mapping[str, JSON]
) -> tuple[list[str], Mapping[str, JSON] | None, bool]:
    """Give the names of a property's types, the object that it holds, and whether it holds a list of those."""
    types: list[str] = []
    nested, listed = None, False
    for option in property_.get("anyOf") or property_.get("oneOf") or [property_]:
        option = _resolved(option, definitions)
        if option.get("type") == "null":
            # That a key may be left out is told by its default.
            continue
        item = _resolved(option.get("items") or {}, definitions) if option.get("type") == "array" else None
        holder = option if item is None else item
        if "properties" in holder:
            nested, listed = holder, item is not None
        types.append(_type_of(option, item))
    return list(dict.fromkeys(types)), nested, listed


def _type_of(option: Mapping[str, JSON], item: Mapping[str, JSON] | None) -> str:
    if "enum" in option:
        return " | ".join(str(value) for value in option["enum"])
    if "const" in option:
        return str(option["const"])
    name = _TYPES.get(str(option.get("type")), "any JSON")
    if item is not None and (kind := _TYPES.get(str(item.get("type")))) is not None:
        return f"{name} of {'objects' if kind == 'object' else 'texts' if kind == 'text' else kind + 's'}"
    return name


def _resolved(part: Mapping[str, JSON], definitions: Mapping[str, JSON]) -> Mapping[str, JSON]:
    reference = part.get("$ref") or (part.get("allOf") or [{}])[0].get("$ref")
    if not isinstance(reference, str):
        return part
    found: Mapping[str, JSON] = definitions.get(reference.rpartition("/")[2], {})
    return found
