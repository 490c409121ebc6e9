"""Whether a run in flight fits another plan, and where its cursor stands there."""

from typing import Any

import pytest

from processes.domain.entering import LEADS
from processes.domain.moving import Misfit, find_misfits, follow, move_cursor
from processes.domain.plan import Plan


def script(name: str) -> dict[str, Any]:
    return {"script": {"name": name, "version": 1, "effect": "idempotent"}}


def process(name: str, plan: Plan) -> dict[str, Any]:
    return {"process": {"name": name, "plan_hash": plan.hash}}


def plan(name: str, *actions: tuple[str, Any], **keys: dict[str, Any]) -> Plan:
    return Plan.from_json(
        {
            "format": 1,
            "name": name,
            "actions": [
                {"name": action, "target": target, "next": True, **keys.get(action, {})} for action, target in actions
            ],
            "bindings": {},
        }
    )


SUB = plan("sub", ("inner", script("a")))
SUB_2 = plan("sub", ("first", script("x")), ("inner", script("a")))
UNDONE = {"compensate": "undo"}
OLD = plan(
    "main", ("ask", script("wait")), ("call", process("sub", SUB)), ("undo", script("b")), ask={"compensate": "undo"}
)


class Plans:
    """Know plans by their hashes, and what becomes of `OLD`."""

    def __init__(self, new: Plan) -> None:
        self.known = {item.hash: item for item in (SUB, SUB_2, OLD, new)}
        self.moves = follow(OLD, new, find_plan=self.known.__getitem__)

    def misfits(self, cursor: dict[str, Any]) -> list[Misfit]:
        return find_misfits(cursor, moves=self.moves, find_plan=self.known.__getitem__)


def at(action: str, *, sub: bool = False, **parts: Any) -> dict[str, Any]:
    frames = [{"plan": OLD.hash, "phase": "main", "action": action, **parts.pop("frame", {})}]
    if sub:
        frames.append({"plan": SUB.hash, "phase": "main", "action": "inner"})
    return {"format": 1, "ordinal": 1, "frames": frames, **parts}


SAME = plan("main", ("new", script("n")), ("ask", script("wait")), ("call", process("sub", SUB_2)),
            ("undo", script("b")), ask=UNDONE)  # fmt: skip
WITHOUT = plan("main", ("other", script("wait")))
OTHER_SCRIPT = plan("main", ("ask", script("form")), ("call", script("c")))


def test_a_run_fits_where_all_that_it_names_is_still_there() -> None:
    plans = Plans(SAME)
    done = {"done": [{"plan": OLD.hash, "action": "ask", "ordinal": 1}]}
    assert plans.misfits(at("call", sub=True, compensation=done)) == []
    moved = move_cursor(at("call", sub=True, compensation=done), moves=plans.moves)
    assert [frame["plan"] for frame in moved["frames"]] == [SAME.hash, SUB_2.hash]
    assert moved["compensation"]["done"][0]["plan"] == SAME.hash


def test_the_stored_cursor_is_left_alone() -> None:
    cursor = at("ask")
    move_cursor(cursor, moves=Plans(SAME).moves)
    assert cursor == at("ask")


PARKED = {"reason": "wait", "at": 1}


def interrupted(action: str, waits_for: dict[str, Any] = PARKED) -> dict[str, Any]:
    """Write a cursor at an action that waits, and waits again after a branch that is at `call`, and waits too."""
    branch = {"plan": OLD.hash, "phase": "main", "action": "call", "entry": "call", "interrupted": [0, waits_for, {}]}
    cursor = at(action, parked={"reason": "wait", "at": 2})
    cursor["frames"].append(branch)
    return cursor


@pytest.mark.parametrize(
    ("new", "cursor", "expected"),
    [
        pytest.param(WITHOUT, at("ask"), Misfit("action", "ask", "main"), id="the action is gone"),
        pytest.param(OTHER_SCRIPT, at("call"), Misfit("kind", "call", "main"), id="a process has become a script"),
        pytest.param(OTHER_SCRIPT, at("ask", parked=PARKED), Misfit("script", "ask", "main"), id="it waits there"),
        pytest.param(OTHER_SCRIPT, interrupted("ask"), Misfit("script", "ask", "main"), id="it waits there once more"),
        pytest.param(
            plan("main", ("ask", script("wait")), ("call", process("sub", SUB))),
            interrupted("ask", {**PARKED, "private": {LEADS: {"go": "undo"}}}),
            Misfit("action", "undo", "main"),
            id="a form leads there that is open once more",
        ),
        pytest.param(
            OTHER_SCRIPT,
            at("call", frame={"anchors": {"c": "ask"}}),
            Misfit("script", "ask", "main"),
            id="reports lead on from there",
        ),
        pytest.param(
            WITHOUT, at("other", frame={"entry": "ask"}), Misfit("action", "ask", "main"), id="it is to begin there"
        ),
        pytest.param(
            OTHER_SCRIPT,
            at("ask", compensation={"done": [{"plan": OLD.hash, "action": "ask", "ordinal": 1}]}),
            Misfit("compensation", "ask", "main"),
            id="nothing undoes it any more",
        ),
        pytest.param(
            plan("main", ("call", process("another", SUB_2))),
            at("call", sub=True),
            Misfit("process", "sub", "sub"),
            id="the sub process is bound no more",
        ),
    ],
)
def test_a_run_does_not_fit_where(new: Plan, cursor: dict[str, Any], expected: Misfit) -> None:
    assert expected in Plans(new).misfits(cursor)


def test_an_action_that_is_yet_to_run_may_have_another_script() -> None:
    assert Plans(OTHER_SCRIPT).misfits(at("ask")) == []


def test_a_process_that_no_binding_names_stays_as_it_is() -> None:
    plans = Plans(plan("main", ("ask", script("wait"))))
    elsewhere = plan("elsewhere", ("inner", script("a")))
    plans.known[elsewhere.hash] = elsewhere
    cursor = at("ask")
    cursor["frames"].append({"plan": elsewhere.hash, "phase": "main", "action": "inner"})
    assert plans.misfits(cursor) == []
    assert move_cursor(cursor, moves=plans.moves)["frames"][1]["plan"] == elsewhere.hash


def test_one_plan_under_two_names_that_part_is_no_answer() -> None:
    old = plan("main", ("a", process("one", SUB)), ("b", process("two", SUB)))
    new = plan("main", ("a", process("one", SUB)), ("b", process("two", SUB_2)))
    known = {item.hash: item for item in (SUB, SUB_2, old, new)}
    assert follow(old, new, find_plan=known.__getitem__)[SUB.hash] is None
