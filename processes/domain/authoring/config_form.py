"""Show a config as a form made from its script's JSON schema, and read it back: what nobody changed stays as it is.

Each key of the model is a field with a text, whatever its type: a placeholder (`${…}`, `%{…}`) fits everywhere. An
empty text leaves the key out. What has no field is kept.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from processes.domain.authoring.json_layout import lay_out
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, pointer
from processes.errors import DefinitionError, Problem

__all__ = [
    "ConfigField",
    "FieldKind",
    "choice_text",
    "config_fields",
    "further_keys",
    "json_text_of",
    "read_config",
    "shown_text",
]

#: `mixed` takes a plain text as well as other JSON; `texts` is a list, a text a line; `json` is everything else.
FieldKind: TypeAlias = Literal["text", "mixed", "number", "integer", "boolean", "choice", "texts", "json"]

_KINDS: Mapping[str, FieldKind] = {
    "string": "text", "integer": "integer", "number": "number", "boolean": "boolean",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"[$%]\{[^{}]+\}")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """Describe the field of one key; `choices` are the values to choose from, as JSON."""

    key: str
    kind: FieldKind
    required: bool = False
    choices: tuple[JSON, ...] = ()
    description: str = ""


def config_fields(schema: Mapping[str, Any]) -> tuple[ConfigField, ...]:
    """Give the fields of a model, in its order; none for a model that JSON schema can't describe."""
    required = set(schema.get("required", ()))
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    fields: list[ConfigField] = []
    for key, part in schema.get("properties", {}).items():
        kind, choices = _kind_of(part, definitions)
        fields.append(
            ConfigField(
                key=key,
                kind=kind,
                required=key in required,
                choices=choices,
                description=str(part.get("description", "")),
            )
        )
    return tuple(fields)


def shown_text(field: ConfigField, config: Mapping[str, JSON]) -> tuple[FieldKind, str]:
    """Give the kind in which a key's value can be shown, `json` where it isn't of its field's, and its text."""
    value = config.get(field.key, _MISSING)
    if value is _MISSING:
        return field.kind, ""
    text = _as_text(field, value)
    return ("json", json_text_of(value)) if text is None else (field.kind, text)


def json_text_of(value: JSON) -> str:
    """Write a value for a field of JSON."""
    return lay_out(value, width=80)


def further_keys(fields: tuple[ConfigField, ...], config: Mapping[str, JSON]) -> dict[str, JSON]:
    """Give what a config holds besides its fields."""
    known = {field.key for field in fields}
    return {key: value for key, value in config.items() if key not in known}


def read_config(
    fields: tuple[ConfigField, ...], config: Mapping[str, JSON], texts: Mapping[str, str], further: Mapping[str, JSON]
) -> tuple[dict[str, JSON], list[Problem]]:
    """Give a config as its form says, over what it was, and what can't be read of the form.

    `texts` are the texts by key, `further` the keys without a field. A field whose text is as it was shown, one that
    is missing among the texts, and one that can't be read keep their value; paths are those of the keys.
    """
    by_key = {field.key: field for field in fields}
    problems = [
        Problem(path=pointer(key), message=f'"{key}" has a field of its own: fill that in')
        for key in further
        if key in by_key
    ]
    read: dict[str, JSON] = {key: value for key, value in further.items() if key not in by_key}
    for key, field in by_key.items():
        value = config.get(key, _MISSING)
        kind, before = shown_text(field, config)
        text = _lines(texts.get(key, before))
        if text != _lines(before):
            try:
                value = _MISSING if not text.strip() else _read(field, kind, text)
            except DefinitionError as error:
                problems.extend(Problem(path=pointer(key), message=problem.message) for problem in error.problems)
            except ValueError as error:
                problems.append(Problem(path=pointer(key), message=str(error), value=text))
        if value is not _MISSING:
            read[key] = value
    kept = {key: read[key] for key in config if key in read}
    new = {key: read[key] for key in (*by_key, *further) if key in read and key not in kept}
    return {**kept, **new}, problems


def _kind_of(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[FieldKind, tuple[JSON, ...]]:
    members = _members(part, definitions)
    choices = [value for member in members for value in _choices_of(member)]
    if choices and all("const" in member or "enum" in member for member in members):
        return "choice", tuple(choices)
    types = {member.get("type") for member in members}
    if len(members) == 1:
        kind = _KINDS.get(str(members[0].get("type")))
        if kind is not None:
            # A moment or a time span may be written in other ways than as text.
            return ("mixed" if kind == "text" and "format" in members[0] else kind), ()
        if _is_list_of_texts(members[0], definitions):
            return "texts", ()
    elif types == {"integer", "number"}:
        return "number", ()
    return ("mixed" if "string" in types else "json"), ()


def _members(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the types that a value may have, without null."""
    part = _resolved(part, definitions)
    for key in ("anyOf", "oneOf"):
        if key in part:
            return [
                member for item in part[key] for member in _members(item, definitions) if member.get("type") != "null"
            ]
    return [part]


def _resolved(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: set[str] = set()
    while (name := str(part.get("$ref", "")).removeprefix("#/$defs/")) in definitions and name not in seen:
        seen.add(name)
        part = definitions[name]
    return part


def _choices_of(member: Mapping[str, Any]) -> list[JSON]:
    return [member["const"]] if "const" in member else list(member.get("enum", ()))


def _is_list_of_texts(member: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    if member.get("type") != "array" or not isinstance(items := member.get("items"), Mapping):
        return False
    return all(item.get("type") == "string" and "enum" not in item for item in _members(items, definitions))


def _as_text(field: ConfigField, value: JSON) -> str | None:
    """Write a value in its field's manner; None where that can't be done, or would be read as something else."""
    if isinstance(value, str) and is_placeholder(value) and field.kind != "json":
        return value
    if field.kind == "json":
        return json_text_of(value)
    return next((text for text in _candidates(field, value) if _is_read_as(field, text, value)), None)


def _candidates(field: ConfigField, value: JSON) -> list[str]:
    """Give the texts that may say a value in its field's manner."""
    match field.kind:
        case "text":
            return [value] if isinstance(value, str) else []
        case "mixed":
            return [*([value] if isinstance(value, str) else []), json_text_of(value)]
        case "choice":
            return [choice_text(value)]
        case "texts":
            is_plain = isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
            return ["\n".join(value)] if is_plain else []
        case _:
            return [] if isinstance(value, str | dict | list) else [json.dumps(value)]


def _is_read_as(field: ConfigField, text: str, value: JSON) -> bool:
    """Tell whether a text says just this value; where it would say nothing, leaving it alone keeps the value."""
    if not text.strip():
        return value in ("", [])
    try:
        read = _read(field, field.kind, _lines(text))
    except (ValueError, DefinitionError):
        return False
    # 1, 1.0 and true are equal for Python, and not the same JSON.
    return json.dumps(read) == json.dumps(value if not isinstance(value, str) else _lines(value))


def choice_text(choice: JSON) -> str:
    """Write a choice as it is chosen."""
    return choice if isinstance(choice, str) else json.dumps(choice)


def is_placeholder(text: str) -> bool:
    """Tell whether a text is filled in, as a whole or in part, before a script sees it."""
    return _PLACEHOLDER.search(text) is not None


def _read(field: ConfigField, kind: FieldKind, text: str) -> JSON:
    """Read a text that isn't empty; raises ValueError or DefinitionError."""
    if kind == "text":
        return text
    if kind == "texts":
        lines = [line for line in text.split("\n") if line.strip()]
        # One placeholder alone stands for the whole list.
        return lines[0] if len(lines) == 1 and _PLACEHOLDER.fullmatch(lines[0]) else lines
    if kind == "choice" and (chosen := [item for item in field.choices if choice_text(item) == text]):
        return chosen[0]
    if kind != "mixed" and is_placeholder(text) and text.lstrip()[:1] not in ("[", "{", '"'):
        return text.strip()
    return _read_other(kind, text)


def _read_other(kind: FieldKind, text: str) -> JSON:
    if kind == "json":
        return parse_json_text(text)
    if kind == "mixed":
        # What looks like JSON, and isn't, is a slip and no text.
        try:
            return parse_json_text(text)
        except DefinitionError:
            if text.lstrip()[:1] in ("[", "{", '"'):
                raise
            return text
    value = _number(text)
    if kind == "boolean" and isinstance(value, bool):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (kind == "number" or (kind == "integer" and isinstance(value, int))):
        return value
    expected = {
        "integer": "a whole number", "number": "a number", "boolean": "true or false", "choice": "one of the choices",
    }  # fmt: skip
    raise ValueError(f"Must be {expected[kind]}, or a placeholder")


def _number(text: str) -> JSON:
    try:
        return parse_json_text(text.strip())
    except DefinitionError:
        return None


def _lines(text: str) -> str:
    """Write line ends as JSON texts usually have them: a browser sends them in a way of its own."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
