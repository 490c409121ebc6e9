"""Read definitions, and JSON in general, from text: mistakes are told with line and column."""

import json
from collections.abc import Collection

from processes.domain.definition import Definition, parse_definition
from processes.domain.json_values import JSON, RepeatingObject, json_problems, nests_absurdly
from processes.errors import DefinitionError, Problem

__all__ = ["parse_json_text", "parse_text"]

MAX_TEXT_CHARACTERS = 5_000_000


def parse_json_text(text: str | bytes) -> JSON:
    """Read JSON; raises DefinitionError with line and column, or with the pointers of what can't be stored."""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refused(f"Not UTF-8: byte {error.start + 1} can't be read") from None
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise _refused(f"Longer than {MAX_TEXT_CHARACTERS:,} characters")
    if nests_absurdly(text):
        raise _refused("Nested too deeply to be read")
    try:
        value = json.loads(text, object_pairs_hook=RepeatingObject.from_pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DefinitionError(
            [
                Problem(
                    path="",
                    message=f"Not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}",
                    value=_line_of(text, error.lineno),
                )
            ]
        ) from None
    except ValueError as error:
        # An absurdly long number, or NaN and its kin.
        raise _refused(f"Not valid JSON: {error}") from None
    if problems := json_problems(value):
        raise DefinitionError(problems)
    return value


def parse_text(text: str | bytes, *, inherited: Collection[str] = (), abstract: bool = False) -> Definition:
    """Read a definition from JSON text; see `parse_json_text` and `parse_definition`."""
    return parse_definition(parse_json_text(text), inherited=inherited, abstract=abstract)


def _refused(message: str) -> DefinitionError:
    return DefinitionError([Problem(path="", message=message)])


def _no_constant(name: str) -> JSON:
    raise ValueError(f"{name} isn't a JSON number")


def _line_of(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
