"""Check a draft as it stands in an editor, unsaved: every problem with its place in the text that it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from processes.domain.authoring.json_positions import Break, Lines, Place, Position, find_places, pointer_parts
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, pointer
from processes.errors import DefinitionError, Problem, ProcessError
from processes.services.authoring.templates import check_draft

__all__ = ["BaseRow", "BindingRow", "Draft", "DraftProblem", "Part", "find_problems", "place_problems"]

#: What a problem is about: the definition, the target of a binding, a template in the list of extends, or none of them.
Part: TypeAlias = Literal["definition", "binding", "base", "other"]

Severity: TypeAlias = Literal["error", "warning"]

_SYNTAX = "Not valid JSON"
#: These are about a key that is there, and not about its value.
_ABOUT_KEYS = ("Unknown key", "Unknown kind", "The key ")


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingRow:
    """Hold one binding as its row in the editor: the row's name, the reference, the target's JSON text."""

    row: str
    reference: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRow:
    """Hold one extended template as its row in the editor: the row's name, and the template's slug."""

    row: str
    slug: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Hold a draft as it stands in an editor; what its rows extend is in order."""

    slug: str
    text: str
    bindings: Sequence[BindingRow] = ()
    extends: Sequence[BaseRow] = ()
    abstract: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftProblem:
    """Hold a problem with the part of the draft that it is about, the row, and where it stands in that text.

    The problem's path goes from the draft as a whole; `start` and `end` are None where no text can be pointed at. A
    warning keeps nobody from saving and publishing.
    """

    problem: Problem
    part: Part
    row: str | None = None
    start: Position | None = None
    end: Position | None = None
    severity: Severity = "error"

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form."""
        return {
            **self.problem.to_json(),
            "part": self.part,
            "row": self.row,
            "severity": self.severity,
            "source": self.problem.source,
            "start": None if self.start is None else self.start.to_json(),
            "end": None if self.end is None else self.end.to_json(),
        }


def find_problems(draft: Draft) -> list[DraftProblem]:
    """Return all problems of a draft; whatever its texts hold, nothing is raised."""
    found: list[DraftProblem] = []
    bindings, unreadable = _read_bindings(draft, found)
    try:
        warnings = check_draft(
            slug=draft.slug,
            definition=draft.text,
            bindings=bindings,
            extends=list(dict.fromkeys(base.slug for base in draft.extends)),
            abstract=draft.abstract,
        )
        found.extend(replace(warning, severity="warning") for warning in _placed(warnings, draft))
    except DefinitionError as error:
        # What can't be found only because its own row can't be read has been told there.
        problems = [problem for problem in error.problems if problem.value not in unreadable]
        found.extend(_placed(problems, draft))
    except ProcessError as error:
        found.append(DraftProblem(problem=Problem(path=error.path or "", message=error.message), part="other"))
    return found


def place_problems(text: str, problems: Sequence[Problem], *, severity: Severity = "error") -> list[DraftProblem]:
    """Return problems of any JSON text with their places in it, in its order."""
    return [replace(found, severity=severity) for found in _in_text(problems, text, part="definition")]


def _read_bindings(draft: Draft, found: list[DraftProblem]) -> tuple[dict[str, JSON], list[str]]:
    """Read the targets that are JSON; also return what the definition may write of those that aren't."""
    bindings: dict[str, JSON] = {}
    unreadable: list[str] = []
    for row in draft.bindings:
        if not row.reference:
            continue
        try:
            target = parse_json_text(row.target)
        except DefinitionError as error:
            unreadable += [row.reference, f"${{{row.reference}}}"]
            # An empty field is told by the form; here it would only be a mistake before anything was typed.
            if row.target.strip():
                found.extend(_in_text(error.problems, row.target, part="binding", row=row.row, above=_above(row)))
            continue
        bindings[row.reference] = target
    return bindings, unreadable


def _placed(problems: Sequence[Problem], draft: Draft) -> list[DraftProblem]:
    """Give each problem to the part and row that it is about, and find its place there."""
    bindings = {row.reference: row for row in draft.bindings}
    bases = {base.slug: base.row for base in draft.extends}
    own: list[Problem] = []
    others: list[DraftProblem] = []
    for problem in problems:
        parts = pointer_parts(problem.path)
        row = bindings.get(parts[1]) if parts[:1] == ["bindings"] and len(parts) > 1 else None
        if problem.source is not None:
            # It is about another template: the row that brings that one in is the nearest place.
            others.append(DraftProblem(problem=problem, part="base", row=bases.get(problem.source)))
        elif row is not None:
            inner = replace(problem, path=pointer(*parts[2:]))
            others.extend(_in_text([inner], row.target, part="binding", row=row.row, above=_above(row)))
        elif problem.path == "/extends" and not _is_about_key(problem):
            others.append(DraftProblem(problem=problem, part="base", row=bases.get(str(problem.value))))
        elif parts[:1] == ["bindings"] and not _is_about_key(problem):
            others.append(DraftProblem(problem=problem, part="other"))
        else:
            own.append(problem)
    return [*_in_text(own, draft.text, part="definition"), *others]


def _in_text(
    problems: Sequence[Problem], text: str, *, part: Part, row: str | None = None, above: str = ""
) -> list[DraftProblem]:
    """Find the problems' places in one text, in its order; `above` is the JSON Pointer of the text in the draft."""
    places = find_places(text, [problem.path for problem in problems])
    lines = Lines(text)
    found: list[tuple[int, DraftProblem]] = []
    for problem in problems:
        if places.broken is not None and not problem.path and problem.message.startswith(_SYNTAX):
            problem = _explained(places.broken)
            start, end = places.broken.at, places.broken.at + 1
        else:
            about_key = _is_about_key(problem)
            start, end = _range(places.by_pointer[problem.path], text, about_key=about_key)
            # What stands under a key that shouldn't be there explains nothing.
            problem = replace(problem, value=None) if about_key else problem
        placed = DraftProblem(
            problem=problem.under(above), part=part, row=row, start=lines.position(start), end=lines.position(end)
        )
        found.append((start, placed))
    return [placed for _, placed in sorted(found, key=lambda one: one[0])]


def _range(place: Place, text: str, *, about_key: bool) -> tuple[int, int]:
    """Return what is marked: the key, the value, or just the bracket where a container begins."""
    span = place.key if about_key and place.exact and place.key is not None else place.value
    is_container = text[span.start : span.start + 1] in ("[", "{")
    return span.start, span.start + 1 if is_container else span.end


def _explained(broken: Break) -> Problem:
    message = f"{_SYNTAX}: {broken.expected}"
    return Problem(path="", message=message, value=broken.found, suggestion=broken.suggestion)


def _is_about_key(problem: Problem) -> bool:
    return problem.message.startswith(_ABOUT_KEYS) and not problem.message.endswith("is required")


def _above(row: BindingRow) -> str:
    return pointer("bindings", row.reference)
