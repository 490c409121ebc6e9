"""Offer what may be chosen in a step: what it runs, and where it leads."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from processes.admin.tabs.builder.step_form import BY_NAME, NOTHING, script_value, target_value
from processes.domain.authoring.rows import BuilderRows, Step
from processes.domain.definition import JUMPABLE
from processes.services.authoring.building import Surroundings
from processes.services.catalogue import catalogue

__all__ = ["Choice", "ChoiceGroup", "scripts_of", "targets_of", "with_chosen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Offer one value of a list to choose from."""

    value: str
    label: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceGroup:
    """Hold choices under a heading; without one they stand for themselves."""

    label: str
    choices: tuple[Choice, ...]


def scripts_of(step: Step, around: Surroundings) -> tuple[ChoiceGroup, ...]:
    """Return what a step may run: nothing, what it is called like, what is bound, every script."""
    chosen = script_value(step)
    known = catalogue()
    names = sorted({spec.name for name in known.names() if (spec := known.find(name)) is not None})
    listed = [*names, *around.bound]
    reference = step.reference
    other = [] if not step.names_script or reference is None or reference in listed else [reference]
    alone = [(NOTHING, _("nothing")), (BY_NAME, _("the script that is called like the step"))]
    return (
        _group("", [*alone, *((f"r:{name}", name) for name in other)], chosen),
        _group(_("Bindings"), [(f"r:{name}", name) for name in around.bound], chosen),
        _group(_("Scripts"), [(f"r:{name}", name) for name in names if name not in around.bound], chosen),
    )


def targets_of(rows: BuilderRows, around: Surroundings) -> tuple[ChoiceGroup, ...]:
    """Return where a rule may lead: on, out, to a step of any action, to one that is inherited."""
    groups = [_group("", [("", "–"), (target_value(True), _("the next step")), (target_value(False), _("exit"))])]
    own: set[str] = set()
    for action in rows.actions:
        names = [step.name for step in action.steps if not step.is_lifecycle or step.name in JUMPABLE]
        own.update(names)
        label = action.caption or action.reference
        groups.append(_group(label, [(target_value(name), name) for name in names]))
    inherited = [entry.name for entry in around.inherited if entry.name not in own]
    groups.append(_group(_("Inherited"), [(target_value(name), name) for name in inherited]))
    return tuple(group for group in groups if group.choices)


def with_chosen(groups: tuple[ChoiceGroup, ...], value: str) -> tuple[ChoiceGroup, ...]:
    """Return the choices with one of them chosen; one that isn't offered is added."""
    if not any(choice.value == value for group in groups for choice in group.choices):
        name = value.removeprefix(target_value(""))
        groups = (*groups, _group(_("Not declared"), [(value, name)]))
    return tuple(
        ChoiceGroup(
            label=group.label,
            choices=tuple(
                Choice(value=choice.value, label=choice.label, is_chosen=choice.value == value)
                for choice in group.choices
            ),
        )
        for group in groups
    )


def _group(label: str, choices: Iterable[tuple[str, str]], chosen: str | None = None) -> ChoiceGroup:
    return ChoiceGroup(
        label=label,
        choices=tuple(Choice(value=value, label=text, is_chosen=value == chosen) for value, text in choices),
    )
