"""Arrange rows: add, take away, move, rename. What may be entered follows from where a step stands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from processes.domain.authoring.rows.document import grouped
from processes.domain.authoring.rows.model import BuilderRows, FlowRule, Step
from processes.domain.entrances import Entrance
from processes.domain.json_values import JSON, copy_json

__all__ = ["FindEntered", "add_action", "add_step", "arrange", "move_action", "move_step", "remove", "renamed"]


#: Finds the actions that a step's config lets people enter.
FindEntered: TypeAlias = Callable[[Step], Iterable[Entrance]]


def _nothing(step: Step) -> Iterable[Entrance]:
    return ()


def arrange(groups: Iterable[tuple[bool, Sequence[Step]]], envelope: Mapping[str, JSON] | None) -> BuilderRows:
    """Give the rows that have these steps in this order, each group with whether it may be entered from outside.

    The first ordinary step of a group is its entrance, and the others aren't; lifecycle actions stay as they are.
    """
    steps: list[Step] = []
    for is_entrance, members in groups:
        first = True
        for step in members:
            if step.is_lifecycle:
                steps.append(step)
                continue
            steps.append(step.with_entry(is_entrance and first))
            first = False
    return BuilderRows(actions=tuple(grouped(steps)), envelope=envelope)


def renamed(rows: BuilderRows, names: Mapping[str, str], *, entered: FindEntered = _nothing) -> BuilderRows:
    """Give the rows with new names by old ones: of the steps, and wherever jumps and compensations name them.

    `entered` finds where a step's config leads to, by a form or link.
    """
    if not names:
        return rows
    steps = tuple(_renamed(_redirected_config(step, names, entered), names) for step in rows.steps)
    return BuilderRows(actions=tuple(grouped(steps)), envelope=rows.envelope)


def add_action(rows: BuilderRows) -> tuple[BuilderRows, str]:
    """Add an action of one step that runs nothing so far, as the last one of the sequence; also give its name."""
    step = Step({"name": _free_name(rows, "action"), "script": None})
    groups = _groups(rows)
    # Lifecycle actions at the end stay there.
    at = len(groups)
    while at and rows.actions[at - 1].is_lifecycle:
        at -= 1
    groups.insert(at if at else len(groups), (True, [step]))
    return arrange(groups, rows.envelope), step.name


def add_step(rows: BuilderRows, action: str) -> tuple[BuilderRows, str]:
    """Add a step that runs nothing so far to the action of that reference; also give its name.

    A lifecycle action can't have further steps: the new one begins an action after it.
    """
    step = Step({"name": _free_name(rows, "step"), "script": None, "entry": False})
    groups = _groups(rows)
    at = _action_at(rows, action)
    if rows.actions[at].is_lifecycle:
        groups.insert(at + 1, (True, [step]))
    else:
        groups[at][1].append(step)
    return arrange(groups, rows.envelope), step.name


def remove(rows: BuilderRows, names: Iterable[str]) -> BuilderRows:
    """Take steps away; what is left of an action keeps its entrance."""
    gone = set(names)
    groups = [(is_entrance, [step for step in steps if step.name not in gone]) for is_entrance, steps in _groups(rows)]
    return arrange(groups, rows.envelope)


def move_action(rows: BuilderRows, action: str, by: int) -> BuilderRows:
    """Move an action with its steps by one place, up (-1) or down (1); at the end of its way it stays."""
    groups = _groups(rows)
    at = _action_at(rows, action)
    to = at + by
    if not 0 <= to < len(groups):
        return rows
    groups.insert(to, groups.pop(at))
    return arrange(groups, rows.envelope)


def move_step(rows: BuilderRows, name: str, by: int) -> BuilderRows:
    """Move a step by one place, up (-1) or down (1), beyond its action into the next one that has steps.

    Upwards it becomes the last step there; downwards the second one, so that the entrance stays what it is.
    """
    at = next(index for index, action in enumerate(rows.actions) if any(step.name == name for step in action.steps))
    if rows.actions[at].is_lifecycle:
        return move_action(rows, name, by)
    groups = _groups(rows)
    steps = groups[at][1]
    place = next(index for index, step in enumerate(steps) if step.name == name)
    if 0 <= place + by < len(steps):
        steps.insert(place + by, steps.pop(place))
    else:
        to = at + by
        while 0 <= to < len(groups) and rows.actions[to].is_lifecycle:
            to += by
        if not 0 <= to < len(groups):
            return rows
        target = groups[to][1]
        target.insert(len(target) if by < 0 else 1, steps.pop(place))
    return arrange(groups, rows.envelope)


def _groups(rows: BuilderRows) -> list[tuple[bool, list[Step]]]:
    return [(action.is_entrance, list(action.steps)) for action in rows.actions]


def _action_at(rows: BuilderRows, reference: str) -> int:
    return next(index for index, action in enumerate(rows.actions) if action.reference == reference)


def _renamed(step: Step, names: Mapping[str, str]) -> Step:
    step = step.with_rules(tuple(_redirected(rule, names) for rule in step.rules))
    undone_by = step.rest.get("compensate")
    if isinstance(undone_by, str) and undone_by in names:
        step = step.put("compensate", names[undone_by])
    if step.name not in names:
        return step
    # What it runs was said by its name alone: it goes on running that.
    named = step if step.names_script else step.put("script", step.name)
    return named.put("name", names[step.name])


def _redirected_config(step: Step, names: Mapping[str, str], entered: FindEntered) -> Step:
    found = [entrance for entrance in entered(step) if entrance.path and entrance.action in names]
    if not found:
        return step
    config = copy_json(step.config)
    for entrance in found:
        holder = config
        for part in entrance.path[:-1]:
            holder = holder[part]
        holder[entrance.path[-1]] = names[entrance.action]
    return step.put("config", config)


def _redirected(rule: FlowRule, names: Mapping[str, str]) -> FlowRule:
    return FlowRule(rule.state, names.get(rule.to, rule.to) if isinstance(rule.to, str) else rule.to)


def _free_name(rows: BuilderRows, stem: str) -> str:
    taken = {step.name for step in rows.steps}
    number = next(number for number in range(1, len(taken) + 2) if _numbered(stem, number) not in taken)
    return _numbered(stem, number)


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number}"
