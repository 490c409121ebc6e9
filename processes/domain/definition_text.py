"""Read definitions, and JSON in general, from text: mistakes are told with line and column."""

from collections.abc import Collection

from processes.domain.definition import Definition, parse_definition
from processes.domain.json_values import JSON, RepeatingObject, json_problems
from processes.errors import DefinitionError, Problem
from tasks.domain.json_text import JsonFault, UnreadableJson, json_characters, read_json

__all__ = ["parse_json_text", "parse_text"]

MAX_TEXT_CHARACTERS = 5_000_000


def parse_json_text(text: str | bytes) -> JSON:
    """Read JSON; raises DefinitionError with line and column, or with the pointers of what can't be stored."""
    try:
        text = json_characters(text)
        if len(text) > MAX_TEXT_CHARACTERS:
            raise _refused(f"Longer than {MAX_TEXT_CHARACTERS:,} characters")
        value: JSON = read_json(text, make_object=RepeatingObject.from_pairs)
    except UnreadableJson as error:
        if error.fault is JsonFault.DEPTH:
            raise _refused("Nested too deeply to be read") from None
        line = str(text).split("\n")[error.line - 1].strip() if error.line else None
        raise _refused(f"Not valid JSON: {error}", value=line) from None
    if problems := json_problems(value):
        raise DefinitionError(problems)
    return value


def parse_text(text: str | bytes, *, inherited: Collection[str] = (), abstract: bool = False) -> Definition:
    """Read a definition from JSON text; see `parse_json_text` and `parse_definition`."""
    return parse_definition(parse_json_text(text), inherited=inherited, abstract=abstract)


def _refused(message: str, *, value: str | None = None) -> DefinitionError:
    return DefinitionError([Problem(path="", message=message, value=value)])
