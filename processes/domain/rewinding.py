"""Decide where a run that has ended can be taken up again, and tell what would be done a second time.

A *place* is a checkpoint with an action to run. What follows it in the run's history runs again: the action that each
later place was at. Work that was undone since counts as not done, so it may run again; and a place that takes it for
done is refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from processes.domain.cursor import CURSOR_FORMAT, UPCASTERS, Phase
from processes.domain.formats import upcast
from processes.domain.json_values import JSON, copy_json
from processes.domain.plan import Plan, PlanAction
from processes.domain.targets import ProcessTarget, ScriptTarget

__all__ = [
    "AGAIN_SHOWN", "Again", "Foresight", "Obstacle", "Place", "begin_again", "completes_at", "foresee", "is_place",
    "newest_place", "waiting_action",
]  # fmt: skip

#: How many actions a foresight names; all are counted.
AGAIN_SHOWN: Final = 200

FindPlan = Callable[[str], Plan]


class Obstacle(StrEnum):
    """Name why a run can't be taken up at a place."""

    #: There is no action to run: the run waited there, or had ended.
    NO_PLACE = "no_place"
    #: The callbacks that the place waits for have ended with the run.
    CALLBACKS = "callbacks"
    #: What had been done by then was undone since.
    UNDONE = "undone"
    #: A `once` action would run again, which was done and not undone, or of which nobody knows.
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Place:
    """Hold a checkpoint: how many steps were done, and the cursor as it is stored."""

    ordinal: int
    cursor: JSON


@dataclass(slots=True, kw_only=True)
class Again:
    """Say of an action that it would run again.

    `effect` is what its script declares (`process` for a sub process), `times` how often the history has it, `undone`
    how many of these were undone since, and `once` how many must not happen again.
    """

    action: str
    process: str
    effect: str
    times: int = 0
    undone: int = 0
    once: int = 0

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form."""
        return {
            "action": self.action, "process": self.process, "effect": self.effect, "times": self.times,
            "undone": self.undone, "refused": self.once > 0,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """Say what taking a run up at a place would do again, and what stands in the way, if anything does."""

    ordinal: int
    again: Sequence[Again] = ()
    #: How many steps that are in all, also of actions that aren't named.
    steps: int = 0
    obstacle: Obstacle | None = None
    #: The actions that the obstacle is about.
    names: Sequence[str] = field(default=())


def is_place(cursor: JSON) -> bool:
    """Tell whether a stored cursor is at an action to run."""
    return isinstance(cursor, Mapping) and bool(cursor.get("frames")) and cursor.get("parked") is None


def newest_place(places: Iterable[Place]) -> Place | None:
    """Give the first of `places` (the newest first) that has an action to run: the one that failed, or was cut off.

    What handles an error (`@error`) comes after the action that failed, and isn't it, unless nothing came before.
    """
    handling = None
    for place in places:
        if is_place(place.cursor):
            if not _handles_error(place.cursor):
                return place
            handling = handling or place
    return handling


def outer_plan(cursor: JSON) -> str | None:
    """Give the hash of the plan that a run at a place goes by; None where the place doesn't say.

    What undoes stands there alone, by the plan of the process that it is of: that may be a sub process.
    """
    frames = cursor["frames"]
    return frames[0]["plan"] if frames and frames[0].get("phase") != Phase.UNDO else None


def _handles_error(cursor: JSON, *, since: JSON = None) -> bool:
    """Tell whether a process handles an error at a place; with `since`, whether it didn't do so at that place yet."""
    before = _handling(since) if since is not None else set()
    return bool(_handling(cursor) - before)


def _handling(cursor: JSON) -> set[int]:
    """Give the frames, by number, that are at handling an error."""
    return {number for number, frame in enumerate(cursor["frames"]) if frame.get("phase") == Phase.ERROR}


def waiting_action(cursor: JSON, *, find_plan: FindPlan) -> tuple[Plan, PlanAction]:
    """Give the action that a place is at, and its plan; raises CursorError for a cursor that can't be read."""
    frame = _read(cursor)["frames"][-1]
    plan = find_plan(frame["plan"])
    return plan, plan.by_name[frame["action"]]


def foresee(
    places: Iterable[Place], *, spent: Mapping[int, str] | None, find_plan: FindPlan, retries: bool = False
) -> Foresight:
    """Tell what taking a run up at the first of `places` does again; the others are what followed, in order.

    `spent` names, by ordinal, the `once` actions that have begun and may have been done. Without it (a run of an older
    release) every one that the history has is taken for done. Where it `retries` the action that failed, what handled
    that error doesn't happen again: should the action fail once more, that is another error.
    """
    history = iter(places)
    start = next(history)
    cursor = _read(start.cursor)
    if not is_place(cursor):
        return Foresight(ordinal=start.ordinal, obstacle=Obstacle.NO_PLACE)
    steps: list[tuple[int, str, str]] = []
    handled: set[int] = set()
    done: dict[int, str] = {}
    last = cursor
    for place in (start, *history):
        last = _read(place.cursor)
        done |= {int(item["ordinal"]): str(item["action"]) for item in _done(last)}
        if is_place(last):
            frame = last["frames"][-1]
            if retries and _handles_error(last, since=cursor):
                handled.add(place.ordinal + 1)
            else:
                steps.append((place.ordinal + 1, frame["plan"], frame["action"]))
    if spent is not None:
        spent = {ordinal: name for ordinal, name in spent.items() if ordinal not in handled}
    undone = done.keys() - {int(item["ordinal"]) for item in _done(last)}
    again, refused = _again(steps, undone=undone, spent=spent, find_plan=find_plan)
    obstacle, names = _obstacle(cursor, undone=undone, refused=refused)
    return Foresight(ordinal=start.ordinal, again=again[:AGAIN_SHOWN], steps=len(steps), obstacle=obstacle, names=names)


def _obstacle(
    cursor: Mapping[str, Any], *, undone: set[int], refused: Sequence[str]
) -> tuple[Obstacle | None, Sequence[str]]:
    anchors = [action for frame in cursor["frames"] for action in frame.get("anchors", {}).values()]
    if anchors:
        return Obstacle.CALLBACKS, list(dict.fromkeys(anchors))
    if cursor.get("compensation", {}).get("cause") is None:
        gone = [str(item["action"]) for item in _done(cursor) if int(item["ordinal"]) in undone]
        if gone:
            return Obstacle.UNDONE, gone
    return (Obstacle.ONCE, refused) if refused else (None, ())


def _again(
    steps: Sequence[tuple[int, str, str]],
    *,
    undone: set[int],
    spent: Mapping[int, str] | None,
    find_plan: FindPlan,
) -> tuple[list[Again], list[str]]:
    found: dict[tuple[str, str], Again] = {}
    refused: dict[str, None] = {}
    for ordinal, plan_hash, name in steps:
        known = found.get((plan_hash, name))
        if known is None:
            plan = find_plan(plan_hash)
            known = Again(action=name, process=plan.name, effect=_effect(plan.by_name[name]))
            found[plan_hash, name] = known
        known.times += 1
        if ordinal in undone:
            known.undone += 1
        elif known.effect == "once" if spent is None else ordinal in spent:
            known.once += 1
            refused[name] = None
    for ordinal, name in (spent or {}).items():
        # One of a time that an older release has kept no places of.
        if steps and ordinal >= steps[0][0] and ordinal not in undone and ordinal not in {step[0] for step in steps}:
            refused[name] = None
    return list(found.values()), list(refused)


def _effect(action: PlanAction) -> str:
    target = action.target
    if isinstance(target, ScriptTarget):
        return target.effect
    return "process" if isinstance(target, ProcessTarget) else "pure"


def begin_again(cursor: JSON, *, now: datetime, find_plan: FindPlan) -> dict[str, JSON]:
    """Give the cursor with which a new execution begins: as it was, with tries and time limits that begin anew."""
    result: dict[str, Any] = copy_json(_read(cursor))
    for frame in result["frames"]:
        frame.pop("tries", None)
        if frame.pop("deadline", None) is not None:
            seconds = find_plan(frame["plan"]).by_name[frame["action"]].timeout_seconds
            if seconds is not None:
                frame["deadline"] = (now + timedelta(seconds=seconds)).isoformat()
    return result


def completes_at(cursor: JSON, *, reason: str) -> dict[str, JSON]:
    """Give the cursor of a run that waits to be told how the action ended that it is at."""
    result: dict[str, Any] = copy_json(_read(cursor))
    result["ordinal"] = int(result["ordinal"]) + 1
    result["parked"] = {"reason": reason, "at": result["ordinal"]}
    return result


def _done(cursor: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    done: Sequence[Mapping[str, Any]] = cursor.get("compensation", {}).get("done", ())
    return done


def _read(cursor: JSON) -> dict[str, Any]:
    return upcast(cursor, current=CURSOR_FORMAT, chain=UPCASTERS, what="cursor")
