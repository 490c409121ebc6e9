"""Edit a template's draft as rows: what they stand among, what is wrong with them, and saving them."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from processes.domain.authoring.json_positions import pointer_parts
from processes.domain.authoring.rows import (
    ABSENT,
    BuilderAction,
    BuilderRows,
    FindEntered,
    Step,
    rows_text,
    to_definition,
    to_rows,
)
from processes.domain.definition import parse_definition
from processes.domain.definition_text import parse_json_text
from processes.domain.entrances import Entrance
from processes.domain.merge import Merged
from processes.domain.scripts import ScriptSpec
from processes.errors import DefinitionError, Problem
from processes.models import ProcessTemplate
from processes.services.authoring.checking import BaseRow, BindingRow, Draft, DraftProblem, find_problems
from processes.services.authoring.documentation import ActionEntry, Documentation, describe_reading
from processes.services.authoring.reading import read_source
from processes.services.authoring.templates import draft_of, save_draft
from processes.services.catalogue import catalogue
from processes.services.library import Source, read_library

__all__ = ["PlacedProblem", "Surroundings", "draft_rows", "entrance_finder", "look_around", "save_rows"]

#: In a definition's problems: the action that they are about, and where in it.
_STEP_PATH = re.compile(r"(?:/actions)?/(\d+)(?P<inside>/.*)?$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedProblem:
    """Hold a problem with the name of the step that it is about, None for the draft as a whole.

    `inside` is the JSON Pointer of the place in that step. A warning keeps nobody from saving.
    """

    problem: Problem
    step: str | None = None
    inside: str = ""
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Hold what rows stand among: the template as it would be with them, and what is wrong with it.

    `bound` leads from the references of bindings to the kind and name of what they lead to, for those that can run.
    """

    documentation: Documentation
    problems: tuple[PlacedProblem, ...]
    bound: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def inherited(self) -> tuple[ActionEntry, ...]:
        """Return the actions that come from extended templates, in the order in which they run."""
        return tuple(entry for entry in self.documentation.actions if not entry.is_own)

    def script_of(self, reference: str | None) -> ScriptSpec | None:
        """Return the script that a reference leads to, None where it leads to something else."""
        return _script_of(reference, self.bound)


def draft_rows(template: ProcessTemplate) -> BuilderRows:
    """Return the rows of a template's draft; raises DefinitionError where it can't be shown as rows."""
    return to_rows(parse_json_text(template.definition))


def entrance_finder(template: ProcessTemplate) -> FindEntered:
    """Return what finds the actions that a step's config lets people enter, by what runs it in this template."""
    bound: list[Mapping[str, tuple[str, str]]] = []

    def find(step: Step) -> Iterable[Entrance]:
        if not isinstance(step.config, dict):
            return ()
        if not bound:
            bound.append(_bound(read_source(read_library(), draft_of(template)).merged))
        spec = _script_of(step.reference, bound[0])
        if spec is None or spec.entrances is None:
            return ()
        try:
            return list(spec.entrances(step.config))
        except Exception:  # noqa: BLE001 - a script's own function may raise anything; checking the draft tells of it
            return ()

    return find


def look_around(template: ProcessTemplate, rows: BuilderRows) -> Surroundings:
    """Return what rows would stand among if they were the template's draft; nothing is saved or raised."""
    stored = draft_of(template)
    source = replace(stored, definition=rows_text(rows, stored.definition))
    told = replace(source, definition=rows_text(_readable(rows), source.definition))
    reading = read_source(read_library(), told)
    return Surroundings(
        documentation=describe_reading(template, told, reading),
        problems=tuple(_placed(found, rows) for found in find_problems(_as_draft(source))),
        bound=_bound(reading.merged),
    )


def save_rows(
    *, template: ProcessTemplate, rows: BuilderRows, expected_revision: int | None, user: object = None
) -> bool:
    """Save the definition that the rows show; return whether it is another one than before.

    Bindings and what is extended stay as they are. Raises what `save_draft` does.
    """
    text = rows_text(rows, template.definition)
    if text == template.definition:
        return False
    save_draft(
        template=template,
        definition=text,
        bindings=draft_of(template).bindings,
        extends=[extension.base for extension in template.extensions.all()],
        expected_revision=expected_revision,
        user=user,
    )
    return True


def _readable(rows: BuilderRows) -> BuilderRows:
    """Return the rows without what keeps their definition from being read: one slip must not empty the diagram."""
    try:
        parse_definition(to_definition(rows), abstract=True)
    except DefinitionError as error:
        steps = list(rows.steps)
        for problem in error.problems:
            match = _STEP_PATH.match(problem.path)
            parts = [] if match is None else pointer_parts(match["inside"] or "")
            if match is not None and parts and parts[0] != "name":
                steps[int(match[1])] = steps[int(match[1])].put(parts[0], ABSENT)
        # Only read: how the steps are grouped makes no difference.
        return BuilderRows(actions=tuple(BuilderAction((step,)) for step in steps), envelope=rows.envelope)
    return rows


def _as_draft(source: Source) -> Draft:
    return Draft(
        slug=source.slug,
        text=source.definition,
        bindings=[
            BindingRow(row=reference, reference=reference, target=json.dumps(target))
            for reference, target in source.bindings.items()
        ],
        extends=[BaseRow(row=slug, slug=slug) for slug in source.extends],
        abstract=source.abstract,
    )


def _placed(found: DraftProblem, rows: BuilderRows) -> PlacedProblem:
    is_warning = found.severity == "warning"
    match = _STEP_PATH.match(found.problem.path) if found.part == "definition" else None
    if match is None or int(match[1]) >= len(rows.steps):
        return PlacedProblem(problem=found.problem, is_warning=is_warning)
    step = rows.steps[int(match[1])].name
    return PlacedProblem(problem=found.problem, step=step, inside=match["inside"] or "", is_warning=is_warning)


def _script_of(reference: str | None, bound: Mapping[str, tuple[str, str]]) -> ScriptSpec | None:
    if reference is None:
        return None
    kind, name = bound.get(reference, ("script", reference))
    return catalogue().find(name) if kind == "script" else None


def _bound(merged: Merged) -> dict[str, tuple[str, str]]:
    return {
        reference: (item.binding.kind, item.binding.target if isinstance(item.binding.target, str) else reference)
        for reference, item in merged.bindings.items()
        if item.binding.kind in ("script", "process")
    }
