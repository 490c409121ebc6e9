"""Read the builder's form: rows as they were shown, and over them what somebody has typed, moved and renamed.

A step travels as the JSON that it was shown from; a field that is sent as it was shown changes nothing. Which step
stands where follows from the order in which the form names them, so that a browser may move rows by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.http import QueryDict
from django.utils.translation import gettext as _

from processes.admin.forms import describe
from processes.admin.tabs.builder.step_form import StepForm
from processes.domain.authoring.rows import BuilderRows, FindEntered, Step, renamed, step_problems
from processes.domain.authoring.rows.arranging import arrange
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError

__all__ = ["BrokenFormError", "FieldProblem", "Posted", "read_posted"]


class BrokenFormError(Exception):
    """Refuse what no page of ours has sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """Say what is wrong with one field of a step, and what was typed there."""

    field: str
    message: str
    typed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Hold what was sent: rows, the names of the steps that are open, and what can't be taken, by the step's name.

    `steps` and `actions` give the names to the numbers that the page had for them.
    """

    rows: BuilderRows
    open: frozenset[str] = frozenset()
    problems: Mapping[str, tuple[FieldProblem, ...]] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    """Collect the steps below one heading: its number, and the number of the step that it named."""

    number: str = ""
    head: str = ""
    steps: list[str] = field(default_factory=list)


def read_posted(data: QueryDict, *, entered: FindEntered, without_rule: tuple[str, str] | None = None) -> Posted:
    """Read the form; `without_rule` are the numbers of a step and of its rule that is taken away.

    `entered` finds where configs lead to, which follows new names.

    Raises BrokenFormError.
    """
    groups = _groups(data.getlist("row"))
    numbers = [number for group in groups for number in group.steps]
    if len(set(numbers)) != len(numbers):
        raise BrokenFormError("A step is sent twice")
    was = {number: _was(data.get(f"s{number}-was", "")) for number in numbers}
    if len({step.name for step in was.values()}) != len(numbers):
        raise BrokenFormError("Two steps have the same name")
    problems: dict[str, list[FieldProblem]] = {number: [] for number in numbers}
    opened = [number for number in numbers if f"s{number}-open" in data]
    read = dict(was)
    for number in opened:
        form = StepForm(number, was[number])
        skipped = without_rule[1] if without_rule is not None and without_rule[0] == number else None
        read[number], found = form.read(data, skipped=skipped)
        problems[number] += [FieldProblem(field=at, message=message, typed=typed) for at, message, typed in found]
    for group in groups:
        if group.head in read:
            read[group.head] = read[group.head].with_text("caption", data.get(f"a{group.number}-caption", "").strip())
    names = _new_names(data, groups, was, problems)
    envelope = _envelope(data.get("envelope", ""))
    arranged = arrange(
        [
            (f"a{group.number}-entrance" in data or not group.number, [read[number] for number in group.steps])
            for group in groups
        ],
        envelope,
    )
    now = {number: names.get(step.name, step.name) for number, step in was.items()}
    return Posted(
        rows=renamed(arranged, names, entered=entered),
        open=frozenset(now[number] for number in numbers if number in opened or problems[number]),
        problems={now[number]: tuple(found) for number, found in problems.items() if found},
        steps=now,
        actions={group.number: now[group.head] for group in groups if group.head in now},
    )


def _groups(markers: Iterable[str]) -> list[_Group]:
    groups: list[_Group] = []
    for marker in markers:
        kind, _colon, rest = marker.partition(":")
        if kind == "action":
            number, _colon, head = rest.partition(":")
            groups.append(_Group(number=number, head=head))
        elif kind == "step":
            if not groups:
                groups.append(_Group())
            groups[-1].steps.append(rest)
        else:
            raise BrokenFormError(f"Unknown row: {marker}")
    return groups


def _was(text: str) -> Step:
    try:
        value = parse_json_text(text)
    except DefinitionError as error:
        raise BrokenFormError(describe(error.problems[0])) from error
    if problems := step_problems(value, ""):
        raise BrokenFormError(describe(problems[0]))
    return Step(value)


def _envelope(text: str) -> Mapping[str, JSON] | None:
    if not text:
        return None
    try:
        value = parse_json_text(text)
    except DefinitionError as error:
        raise BrokenFormError(describe(error.problems[0])) from error
    if not isinstance(value, dict) or "actions" not in value:
        raise BrokenFormError("The actions have no place")
    return value


def _new_names(
    data: QueryDict, groups: Iterable[_Group], was: Mapping[str, Step], problems: Mapping[str, list[FieldProblem]]
) -> dict[str, str]:
    """Return the new names by old ones; a step that can't get its new one keeps the old one, and says so."""
    wanted: dict[str, str] = {}
    fields = {group.head: f"a{group.number}-reference" for group in groups}
    for number, step in was.items():
        typed = data.get(fields.get(number, f"s{number}-name"))
        if typed is None or (new := typed.strip()) == step.name:
            continue
        if new:
            wanted[number] = new
        else:
            message = _("A step needs a name: this one is still called “%(name)s”.") % {"name": step.name}
            problems[number].append(FieldProblem(field="name", message=message))
    while clashing := _clashing(wanted, was):
        for number in clashing:
            names = {"new": wanted.pop(number), "old": was[number].name}
            message = _("Two steps can't be called “%(new)s”: this one is still “%(old)s”.") % names
            problems[number].append(FieldProblem(field="name", message=message))
    return {was[number].name: new for number, new in wanted.items()}


def _clashing(wanted: Mapping[str, str], was: Mapping[str, Step]) -> list[str]:
    """Return the numbers of those whose new name another step has, or gets, too."""
    names = [wanted.get(number, step.name) for number, step in was.items()]
    return [number for number, new in wanted.items() if names.count(new) > 1]
