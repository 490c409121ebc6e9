"""Find out which statuses a process sets, and where each of its actions leads.

Only what a plan says can be read here: the scripts `set_status` and `create_instance` with a literal `status`. What
scripts of a team set in Python, and what is filled in when an action runs, nobody knows before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeAlias

from processes.domain.bindings import REF
from processes.domain.json_values import JSON
from processes.domain.plan import EXIT, ONWARD, Plan, PlanAction
from processes.domain.status_rules.rules import NO_STATUS
from processes.domain.targets import ProcessTarget, ScriptTarget

__all__ = ["NOWHERE", "FindPlan", "LaterActions", "Moves", "moves_from", "reachable_statuses"]

SET_STATUS: Final = "set_status"
CREATE_INSTANCE: Final = "create_instance"

#: Sub processes that call each other are followed so far.
_MAX_PROCESSES: Final = 50
#: Beyond so many steps nothing is said: a plan has up to 20,000 actions, each at each status.
_MAX_STEPS: Final = 5_000

#: Gives the plan of a sub process, None where it isn't known before it is called.
FindPlan: TypeAlias = Callable[[ProcessTarget], Plan | None]
#: Names the actions that an action's form, buttons or links enter later.
LaterActions: TypeAlias = Callable[[PlanAction], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Hold the statuses that something may get; `is_open` where it may get others, too, that nobody can tell."""

    statuses: frozenset[str] = frozenset()
    is_open: bool = False

    def __or__(self, other: "Moves") -> "Moves":
        return Moves(statuses=self.statuses | other.statuses, is_open=self.is_open or other.is_open)


NOWHERE: Final = Moves()
_ANYWHERE: Final = Moves(is_open=True)


def reachable_statuses(plan: Plan, *, find_plan: FindPlan | None = None) -> frozenset[str] | None:
    """Give the statuses that a plan's actions can set; None where that can't be known.

    It can't where a status is filled in when the action runs, and where a sub process isn't found.
    """
    found = _set_in(plan, find_plan, seen=set(), creating=True)
    return None if found.is_open else found.statuses


def moves_from(
    plan: Plan,
    action: str,
    *,
    at: str | None = None,
    later: LaterActions | None = None,
    find_plan: FindPlan | None = None,
) -> Moves:
    """Give the statuses at which an instance may stand after an action has been carried out.

    The plan's flow is followed from the action on, through the forms and buttons that `later` names, and `@end`; not
    into `@error`. Of several statuses that are set on one way, the last before its end counts. `at` is the status at
    which it is carried out, None where that makes no difference: a `set_status` that expects others (`from`) fails.
    """
    if (start := plan.ordinary.get(action)) is None:
        return NOWHERE
    return _Walk(plan, later or _nothing_later, find_plan, at=at).from_action(start)


class _Walk:
    """Follow the flow of a plan, with the status that was set last on the way."""

    def __init__(self, plan: Plan, later: LaterActions, find_plan: FindPlan | None, *, at: str | None) -> None:
        self._plan = plan
        self._start = at
        self._later = later
        self._find_plan = find_plan
        self._sets: dict[int, Moves] = {}

    def from_action(self, start: PlanAction) -> Moves:
        begin = self._after("@start", None)
        found = reduce(
            Moves.__or__, [Moves(is_open=True) if self._at(name).is_open else NOWHERE for name in ("@start",)]
        )
        todo: list[tuple[int, str | None]] = [(start.index, status) for status in begin]
        seen = set(todo)
        while todo:
            if len(seen) > _MAX_STEPS:
                return found | _ANYWHERE
            index, status = todo.pop()
            action = self._plan.actions[index]
            if not _is_expected(action, self._start if status is None else status):
                continue
            moves = self._of(action)
            found |= Moves(is_open=moves.is_open)
            # A sub process may set a status; the script is sure to.
            kept = {status} if not moves.statuses or isinstance(action.target, ProcessTarget) else set()
            for after in moves.statuses | kept:
                for place in self._leads_to(action):
                    if place is None:
                        ends = {one for one in self._after("@end", after) if one is not None}
                        found |= Moves(statuses=frozenset(ends))
                    elif (place, after) not in seen:
                        seen.add((place, after))
                        todo.append((place, after))
        return found

    def _leads_to(self, action: PlanAction) -> Iterator[int | None]:
        """Give the indexes of what may follow; None is the end."""
        for place in {action.after, *(action.routes or {}).values()}:
            yield None if place in (EXIT, ONWARD) else place
        for name in self._later(action):
            if (entered := self._plan.ordinary.get(name.removesuffix("?"))) is not None:
                yield entered.index

    def _after(self, lifecycle: str, status: str | None) -> set[str | None]:
        """Give the statuses after a lifecycle action that runs where this one was set before."""
        return set(self._at(lifecycle).statuses) or {status}

    def _at(self, lifecycle: str) -> Moves:
        action = self._plan.lifecycle.get(lifecycle)
        return NOWHERE if action is None else self._of(action)

    def _of(self, action: PlanAction) -> Moves:
        if action.index not in self._sets:
            self._sets[action.index] = _set_by(action, self._find_plan, seen={self._plan.hash}, creating=False)
        return self._sets[action.index]


def _set_in(plan: Plan, find_plan: FindPlan | None, *, seen: set[str], creating: bool) -> Moves:
    if plan.hash in seen:
        return NOWHERE
    if len(seen) >= _MAX_PROCESSES:
        return _ANYWHERE
    seen.add(plan.hash)
    parts = (_set_by(action, find_plan, seen=seen, creating=creating) for action in plan.actions)
    return reduce(Moves.__or__, parts, NOWHERE)


def _set_by(action: PlanAction, find_plan: FindPlan | None, *, seen: set[str], creating: bool) -> Moves:
    """Give the statuses that one action sets; with `creating` also those with which it creates instances."""
    found = NOWHERE
    target = action.target
    if isinstance(target, ScriptTarget) and target.name in (
        (SET_STATUS, CREATE_INSTANCE) if creating else (SET_STATUS,)
    ):
        config = action.config if isinstance(action.config, dict) else {}
        status = config.get("status", NO_STATUS)
        filled = any(filler.path == ("status",) for filler in action.fillers)
        found |= Moves(statuses=frozenset({status})) if isinstance(status, str) and not filled else _ANYWHERE
    called = [target] if isinstance(target, ProcessTarget) else []
    for reference in _references(action.config):
        if reference.get(REF) == "process" and "name" in reference:
            called.append(ProcessTarget.from_fields(reference))
        elif reference.get(REF) == "script" and reference.get("name") == SET_STATUS:
            # Wrapped by another script, which alone knows what it gives it.
            found |= _ANYWHERE
    for process in called:
        plan = None if find_plan is None else find_plan(process)
        found |= _ANYWHERE if plan is None else _set_in(plan, find_plan, seen=seen, creating=creating)
    return found


def _is_expected(action: PlanAction, status: str | None) -> bool:
    """Tell whether an action may set a status where this one stands: it may say from which ones alone it does."""
    if status is None or action.script != SET_STATUS or not isinstance(action.config, dict):
        return True
    expected = action.config.get("from")
    listed = expected if isinstance(expected, list) else [expected]
    if any(filler.path[:1] == ("from",) for filler in action.fillers) or not all(
        isinstance(one, str) for one in listed
    ):
        return True
    # What has the new status already stays as it is.
    return not listed or status in listed or status == action.config.get("status")


def _references(config: JSON) -> Iterator[Mapping[str, JSON]]:
    """Give the typed references in a config."""
    todo = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if REF in item:
                yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def _nothing_later(action: PlanAction) -> Iterable[str]:
    return ()
