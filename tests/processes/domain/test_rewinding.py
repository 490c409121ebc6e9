"""Where a run can be taken up again, and what that would do a second time."""

from collections.abc import Sequence
from typing import Any

import pytest

from processes.domain.plan import Plan
from processes.domain.rewinding import Foresight, Obstacle, Place, begin_again, completes_at, foresee, newest_place
from tests.processes.domain.support import NOW

PLAN = Plan.from_json(
    {
        "format": 1,
        "name": "trip",
        "actions": [
            {
                "name": name,
                "target": {"script": {"name": name, "version": 1, "effect": effect}},
                "next": True,
                "timeout_seconds": 30,
            }
            for name, effect in [("look", "pure"), ("car", "idempotent"), ("pay", "once"), ("no_car", "idempotent")]
        ],
        "bindings": {},
    }
)


def find_plan(plan_hash: str) -> Plan:
    assert plan_hash == PLAN.hash
    return PLAN


def done(*steps: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"plan": PLAN.hash, "action": action, "ordinal": ordinal} for ordinal, action in steps]


def at(ordinal: int, action: str | None, *, undoable: Sequence[tuple[int, str]] = (), **parts: Any) -> Place:
    """Be the place after `ordinal` steps, at an action, or at the end."""
    frames = (
        [] if action is None else [{"plan": PLAN.hash, "phase": "main", "action": action, **parts.pop("frame", {})}]
    )
    cursor: dict[str, Any] = {"format": 1, "ordinal": ordinal, "frames": frames}
    if action is None:
        cursor["failed"] = {"code": "full", "message": "full"}
    compensation = {"done": done(*undoable)} if undoable else {}
    if "cause" in parts:
        compensation["cause"] = parts.pop("cause")
    return Place(ordinal, cursor | ({"compensation": compensation} if compensation else {}) | parts)


def looked(*places: Place, spent: dict[int, str] | None = None) -> Foresight:
    return foresee(places, spent={} if spent is None else spent, find_plan=find_plan)


def test_the_actions_of_all_later_places_run_again_with_their_effects() -> None:
    found = looked(at(0, "look"), at(1, "car"), at(2, "car"), at(3, None))
    assert [(again.action, again.effect, again.times) for again in found.again] == [
        ("look", "pure", 1),
        ("car", "idempotent", 2),
    ]
    assert (found.steps, found.obstacle) == (3, None)


def test_a_step_that_waited_counts_once() -> None:
    found = looked(at(0, "look"), at(1, "look", parked={"reason": "wait", "at": 1}), at(1, "car"))
    assert [again.times for again in found.again] == [1, 1]


def test_a_once_action_that_has_begun_stands_in_the_way() -> None:
    found = looked(at(1, "car"), at(2, "pay"), at(3, None), spent={3: "pay"})
    assert (found.obstacle, found.names) == (Obstacle.ONCE, ["pay"])


@pytest.mark.parametrize("spent", [{}, {1: "pay"}])
def test_one_that_has_done_nothing_or_lies_before_the_place_does_not(spent: dict[int, str]) -> None:
    assert looked(at(1, "car"), at(2, "pay"), at(3, None), spent=spent).obstacle is None


def test_without_a_record_every_once_action_is_taken_for_done() -> None:
    found = foresee([at(1, "car"), at(2, "pay")], spent=None, find_plan=find_plan)
    assert (found.obstacle, found.names) == (Obstacle.ONCE, ["pay"])


HANDLES: Any = {"frame": {"phase": "error"}}


def test_what_handled_the_error_does_not_stand_in_the_way_of_a_retry() -> None:
    history, spent = [at(1, "car"), at(2, "pay", **HANDLES), at(3, None)], {3: "pay"}
    assert looked(*history, spent=spent).names == ["pay"]
    for known in (spent, None):
        found = foresee(history, spent=known, find_plan=find_plan, retries=True)
        assert (found.obstacle, [again.action for again in found.again], found.steps) == (None, ["car"], 1)


def test_a_retry_of_what_handles_an_error_does_that_again() -> None:
    history = [at(1, "car", **HANDLES), at(2, "pay", **HANDLES), at(3, None)]
    found = foresee(history, spent={3: "pay"}, find_plan=find_plan, retries=True)
    assert (found.obstacle, found.names, found.steps) == (Obstacle.ONCE, ["pay"], 2)


def test_a_once_action_that_was_undone_may_run_again() -> None:
    cause = {"code": "full", "message": "full"}
    history = (
        at(0, "pay"),
        at(1, "car", undoable=[(1, "pay")]),
        at(2, "no_car", undoable=[(1, "pay")], cause=cause),
        at(3, None, cause=cause, compensated=True),
    )
    found = looked(*history, spent={1: "pay"})
    assert found.obstacle is None
    assert [(again.action, again.undone) for again in found.again] == [("pay", 1), ("car", 0), ("no_car", 0)]


def test_a_place_that_takes_for_done_what_was_undone_is_refused() -> None:
    cause = {"code": "full", "message": "full"}
    found = looked(
        at(1, "car", undoable=[(1, "pay")]), at(2, "no_car", undoable=[(1, "pay")], cause=cause), at(3, None)
    )
    assert (found.obstacle, found.names) == (Obstacle.UNDONE, ["pay"])


def test_undoing_may_go_on_where_it_has_stopped() -> None:
    stopped = at(2, "no_car", undoable=[(1, "car")], cause={"code": "full", "message": "full"})
    assert looked(stopped, at(3, None, undoable=[(1, "car")])).obstacle is None


def test_a_place_that_waits_for_callbacks_is_refused() -> None:
    found = looked(at(1, "car", frame={"anchors": {"c1": "look"}}), at(2, None))
    assert (found.obstacle, found.names) == (Obstacle.CALLBACKS, ["look"])


@pytest.mark.parametrize("place", [at(3, None), at(1, "car", parked={"reason": "wait", "at": 1})])
def test_where_nothing_is_to_run_is_no_place(place: Place) -> None:
    assert looked(place).obstacle is Obstacle.NO_PLACE


def test_the_action_that_failed_is_that_of_the_newest_place() -> None:
    waits = at(2, "car", parked={"reason": "wait", "at": 2})
    assert newest_place([at(3, None), waits, at(1, "car"), at(0, "look")]) == at(1, "car")
    assert newest_place([at(3, None)]) is None


def test_tries_and_time_limits_begin_anew() -> None:
    place = at(1, "car", frame={"tries": [2, 5], "deadline": "2026-11-20T11:00:00+00:00"})
    frame = begin_again(place.cursor, now=NOW, find_plan=find_plan)["frames"][-1]
    assert "tries" not in frame
    assert frame["deadline"] == "2026-11-20T12:00:30+00:00"
    assert "tries" in place.cursor["frames"][-1], "the stored one is left alone"


def test_an_action_that_is_done_is_waited_for_under_its_own_number() -> None:
    cursor = completes_at(at(4, "pay").cursor, reason="operator")
    assert (cursor["ordinal"], cursor["parked"]) == (5, {"reason": "operator", "at": 5})
