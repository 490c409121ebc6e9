"""Decide whether a run in flight fits another plan than the one that it began with, and move its cursor there.

The cursor holds on to plans by their hashes and to actions by their names. So what it names must still be there: the
action of each frame with the same kind of target, what waits or anchors with the same script, where a phase or a branch
began, where a form leads that waits for an answer, and what undoes that which is done. Sub processes move along: to the
plan that the new one binds under the same name. Those that were found elsewhere stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from processes.domain.cursor import CURSOR_FORMAT, UPCASTERS
from processes.domain.entering import LEADS
from processes.domain.formats import upcast
from processes.domain.json_values import JSON, copy_json
from processes.domain.plan import Plan, PlanAction
from processes.domain.targets import ProcessTarget

__all__ = ["Misfit", "find_misfits", "follow", "move_cursor"]

FindPlan = Callable[[str], Plan]

#: What is missing, or other than it was.
_ACTION: Final = "action"
_KIND: Final = "kind"
_SCRIPT: Final = "script"
_COMPENSATION: Final = "compensation"
_PROCESS: Final = "process"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Say what of a run doesn't fit.

    `code`: `action` isn't declared any more; `kind`: it was a script and is a process, say; `script`: the run waits at
    it, and another script is there; `compensation`: what undoes it is gone; `process`: this sub process isn't bound any
    more, or stands for several now.
    """

    code: str
    name: str
    process: str

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form."""
        return {"code": self.code, "name": self.name, "process": self.process}


def follow(old: Plan, new: Plan, *, find_plan: FindPlan) -> dict[str, str | None]:
    """Give what each plan that `old` leads to becomes with `new`, by hash; None where there is no answer."""
    found: dict[str, str | None] = {old.hash: new.hash}
    todo = [(old, new)]
    while todo:
        was, now = todo.pop()
        bound = {target.name: target.plan_hash for target in now.processes if target.plan_hash is not None}
        for target in was.processes:
            if target.plan_hash is None:
                continue
            after = bound.get(target.name)
            if target.plan_hash in found:
                if found[target.plan_hash] != after:
                    # One plan under two names that have parted.
                    found[target.plan_hash] = None
                continue
            found[target.plan_hash] = after
            if after is not None and after != target.plan_hash:
                todo.append((find_plan(target.plan_hash), find_plan(after)))
    return found


def find_misfits(cursor: JSON, *, moves: Mapping[str, str | None], find_plan: FindPlan) -> list[Misfit]:
    """Give what of a stored cursor doesn't fit once its plans are moved (see `follow`); nothing where all fits."""
    document = _read(cursor)
    misfits: dict[Misfit, None] = {}
    reachable: list[tuple[Plan, Plan]] = []
    # A cursor at its end has no frames.
    for frame, parked in zip(document["frames"], _waits(document), strict=False):
        was, now = _plans(frame["plan"], moves, find_plan)
        if now is None:
            misfits[Misfit(_PROCESS, was.name, was.name)] = None
            continue
        reachable.append((was, now))
        waits = parked is not None and not frame.get("resting")
        misfits |= dict.fromkeys(_of_frame(frame, was, now, waits=waits))
        if parked is not None:
            misfits |= dict.fromkeys(_of_form(parked, reachable))
    for done in document.get("compensation", {}).get("done", ()):
        was, now = _plans(done["plan"], moves, find_plan)
        if now is None:
            misfits[Misfit(_PROCESS, was.name, was.name)] = None
        elif not _is_undone_by(now.by_name.get(done["action"]), now):
            misfits[Misfit(_COMPENSATION, done["action"], now.name)] = None
    return list(misfits)


def move_cursor(cursor: JSON, *, moves: Mapping[str, str | None]) -> dict[str, JSON]:
    """Give a cursor that fits with its plans moved."""
    result: dict[str, Any] = copy_json(_read(cursor))
    for item in (*result["frames"], *result.get("compensation", {}).get("done", ())):
        item["plan"] = moves.get(item["plan"]) or item["plan"]
    return result


def _waits(document: Mapping[str, Any]) -> list[Mapping[str, Any] | None]:
    """Give what each frame waits for: the last one, and those that a branch has interrupted, which wait again then."""
    frames = document["frames"]
    return [
        *(frame["interrupted"][1] if "interrupted" in frame else None for frame in frames[1:]),
        document.get("parked"),
    ]


def _of_frame(frame: Mapping[str, Any], was: Plan, now: Plan, *, waits: bool) -> Iterator[Misfit]:
    anchors = set(frame.get("anchors", {}).values())
    names = [frame.get("action"), frame.get("entry"), *sorted(anchors)]
    for name in dict.fromkeys(name for name in names if name is not None):
        before, after = was.by_name.get(name), now.by_name.get(name)
        if after is None:
            yield Misfit(_ACTION, name, now.name)
        elif before is None or _kind(before) != _kind(after):
            yield Misfit(_KIND, name, now.name)
        elif (name in anchors or (waits and name == frame.get("action"))) and before.script != after.script:
            yield Misfit(_SCRIPT, name, now.name)


def _of_form(parked: Mapping[str, Any], plans: list[tuple[Plan, Plan]]) -> Iterator[Misfit]:
    """Find the actions to which the buttons of a form lead at which a run waits, and that are gone from all `plans`."""
    for action in dict.fromkeys(parked.get("private", {}).get(LEADS, {}).values()):
        name = str(action).removesuffix("?")
        if any(name in was.ordinary for was, _ in plans) and not any(name in now.ordinary for _, now in plans):
            yield Misfit(_ACTION, name, plans[-1][1].name)


def _is_undone_by(action: PlanAction | None, plan: Plan) -> bool:
    return action is not None and action.compensate is not None and action.compensate in plan.by_name


def _plans(plan_hash: str, moves: Mapping[str, str | None], find_plan: FindPlan) -> tuple[Plan, Plan | None]:
    was = find_plan(plan_hash)
    after = moves.get(plan_hash, plan_hash)
    return was, None if after is None else find_plan(after)


def _kind(action: PlanAction) -> str:
    if action.target is None:
        return "nothing"
    return "process" if isinstance(action.target, ProcessTarget) else "script"


def _read(cursor: JSON) -> dict[str, Any]:
    return upcast(cursor, current=CURSOR_FORMAT, chain=UPCASTERS, what="cursor")
