"""Turn a definition into rows, and rows into the definition that they show."""

import json
from collections.abc import Iterable, Iterator

from processes.domain.authoring.json_layout import lay_out
from processes.domain.authoring.rows.model import BuilderAction, BuilderRows, Step
from processes.domain.authoring.rows.shape import step_problems
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, copy_json
from processes.errors import DefinitionError, Problem

__all__ = ["grouped", "rows_text", "to_definition", "to_rows"]


def to_rows(document: JSON) -> BuilderRows:
    """Show a definition as rows; raises DefinitionError with what rows can't show.

    That is less than what is wrong with it: an unknown key or script, say, can be seen and mended in its row.
    """
    entries, prefix, envelope = _entries(document)
    problems = [problem for index, entry in enumerate(entries) for problem in step_problems(entry, f"{prefix}/{index}")]
    if not problems:
        problems.extend(_repeated(entries, prefix))
    if problems:
        raise DefinitionError(problems)
    return BuilderRows(actions=tuple(grouped(Step(copy_json(entry)) for entry in entries)), envelope=envelope)


def to_definition(rows: BuilderRows) -> JSON:
    """Give the definition that the rows show, each key where it was."""
    actions = [copy_json(dict(step.written)) for step in rows.steps]
    if rows.envelope is None:
        return actions
    return {key: actions if key == "actions" else value for key, value in rows.envelope.items()}


def rows_text(rows: BuilderRows, before: str) -> str:
    """Write the definition that the rows show; `before`, its text so far, stays as it is where it says the same."""
    definition = to_definition(rows)
    try:
        said = json.dumps(parse_json_text(before))
    except DefinitionError:
        said = ""
    return before if said == json.dumps(definition) else lay_out(definition)


def grouped(steps: Iterable[Step]) -> Iterator[BuilderAction]:
    """Give the actions that steps in a row make."""
    group: list[Step] = []
    for step in steps:
        if group and (step.entry or step.is_lifecycle or group[-1].is_lifecycle):
            yield BuilderAction(tuple(group))
            group = []
        group.append(step)
    if group:
        yield BuilderAction(tuple(group))


def _entries(document: JSON) -> tuple[list[JSON], str, dict[str, JSON] | None]:
    if isinstance(document, list):
        return document, "", None
    if isinstance(document, dict) and isinstance(actions := document.get("actions"), list):
        return actions, "/actions", {key: [] if key == "actions" else copy_json(document[key]) for key in document}
    message = 'A definition is an array of actions, or {"format": 1, "actions": [...]}'
    raise DefinitionError([Problem(path="", message=message, value=document)])


def _repeated(entries: Iterable[JSON], prefix: str) -> Iterator[Problem]:
    """List the names that are given twice: a row is known by its name."""
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        name = entry["name"]
        if name in seen:
            path = f"{prefix}/{index}/name"
            yield Problem(path=path, message=f'The name "{name}" is used twice', value=name)
        seen.add(name)
