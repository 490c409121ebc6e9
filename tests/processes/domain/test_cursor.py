"""Cursors: a run that is stored and restored after every action does what an undisturbed one does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished, Park, Suspended
from processes.domain.interpreter import Interpreter, TraceEntry
from processes.errors import CursorError, NotJsonError
from tests.processes.domain.support import FakeHost, action, begin, build_registry

NAMES = ["a", "b", "c"]
REGISTRY = build_registry()


@st.composite
def actions(draw: st.DrawFn, name: str, targets: list[str], scripts: list[str]) -> dict[str, Any]:
    destination = st.booleans() | st.sampled_from(targets)
    clause = draw(destination | st.dictionaries(st.sampled_from(["x", "y", "*"]), destination, max_size=3))
    config: dict[str, Any] = {"count": "steps"}
    if draw(st.booleans()):
        config["state"] = draw(st.sampled_from(["x", "y"]))
    if draw(st.integers(0, 3)) == 0:
        config["fail"] = draw(st.sampled_from(["e1", "e2"]))
    elif name == "@error" and draw(st.booleans()):
        config["reset"] = True
    if draw(st.booleans()):
        config["value"] = draw(st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2))
    script = draw(st.sampled_from(scripts))
    if script == "sub" and draw(st.booleans()):
        config = {"action": draw(st.sampled_from([*NAMES, "x", "x?", "%{data:entry}"]))}
    return {"name": name, "script": script, "next": clause, "config": config}


@st.composite
def definitions(draw: st.DrawFn, scripts: list[str]) -> list[dict[str, Any]]:
    lifecycle = draw(st.lists(st.sampled_from(["@start", "@end", "@default", "@unknown", "@error"]), unique=True))
    names = draw(st.permutations([*NAMES, *lifecycle]))
    return [draw(actions(name, NAMES, scripts)) for name in names]


def described(entry: TraceEntry) -> tuple[object, ...]:
    code = entry.error.code if entry.error else None
    return (entry.ordinal, entry.action, entry.script, entry.state, entry.process, code)


def ending(interpreter: Interpreter, app: Application) -> object:
    outcome = interpreter.outcome
    if isinstance(outcome, Failed):
        return ("failed", outcome.error.to_json(), app.data)
    if isinstance(outcome, Finished):
        return ("finished", outcome.state, outcome.value, app.state, app.data, app.error)
    return (str(outcome), app.data)


STEPS = 20


@given(
    main=definitions(["act", "act", "sub"]),
    sub=definitions(["act", "act", "park", "background"]),
    entry=st.sampled_from([None, "a", "x", "x?"]),
    durable=st.booleans(),
)
def test_storing_and_restoring_after_every_action_changes_nothing(
    main: list[Any], sub: list[Any], entry: str | None, durable: bool
) -> None:
    host = FakeHost(registry=REGISTRY, durable=durable)
    host.add("sub", sub)
    plan = host.add("main", main, {"sub": {"process": "sub"}})

    def carry_out(*, disturbed: bool) -> tuple[object, list[tuple[object, ...]]]:
        trace: list[TraceEntry] = []
        app = Application(data={"entry": "b"})
        interpreter = Interpreter.start(plan, app=app, host=host, entry=entry, trace=trace.append)
        for _ in range(STEPS):
            if disturbed:
                cursor = json.loads(json.dumps(interpreter.cursor_json()))
                app = Application(data=json.loads(json.dumps(app.data)))
                interpreter = Interpreter.restore(cursor, app=app, host=host, trace=trace.append)
                assert interpreter.cursor_json() == cursor
            outcome = interpreter.outcome
            if isinstance(outcome, Suspended) and isinstance(outcome.directive, Park):
                interpreter.resume("x", 1)
            else:
                interpreter.step()
        return ending(interpreter, app), [described(entry) for entry in trace]

    assert carry_out(disturbed=True) == carry_out(disturbed=False)


@given(main=definitions(["act", "sub"]), sub=definitions(["act"]), entry=st.sampled_from([None, "b", "x"]))
def test_steps_and_a_run_do_the_same(main: list[Any], sub: list[Any], entry: str | None) -> None:
    host = FakeHost(registry=REGISTRY)
    host.add("sub", sub)
    plan = host.add("main", main, {"sub": {"process": "sub"}})
    endings = []
    for single in (True, False):
        trace: list[TraceEntry] = []
        app = Application(data={"entry": "b"})
        interpreter = Interpreter.start(plan, app=app, host=host, entry=entry, trace=trace.append)
        if single:
            while interpreter.pending is not None and app.ordinal < STEPS:
                interpreter.step()
        interpreter.run(limit=STEPS - app.ordinal)
        endings.append((ending(interpreter, app), [described(entry) for entry in trace]))
    assert endings[0] == endings[1]


def test_a_cursor_is_small_and_names_what_it_holds() -> None:
    host = FakeHost()
    sub = host.add("sub", [action("@start"), action("s"), action("@end")])
    ran = begin([action("a", fail="x"), action("@error", script="sub", action="s")], host=host,
                bindings={"sub": {"process": "sub"}})  # fmt: skip
    for _ in range(2):
        ran.interpreter.step()
    error = {
        "code": "x", "message": "failed: x", "kind": "permanent", "action": "a", "process": "main",
    }  # fmt: skip
    assert ran.interpreter.cursor_json() == {
        "format": 1,
        "ordinal": 2,
        "frames": [
            {
                "plan": host.plans["main"].hash,
                "phase": "error",
                "action": "@error",
                "recovered": True,
                "ordinal": 2,
                "error": error,
            },
            {"plan": sub.hash, "phase": "start", "action": "@start", "entry": "s", "label": "sub", "ambient": error},
        ],
    }


def test_the_ends_of_a_run_are_stored_too() -> None:
    host = FakeHost()
    for definition, expected in (
        ([action("a", state="s", value=[1])], {"finished": {"state": "s", "value": [1]}}),
        ([action("a", crash="x")], {"failed"}),
    ):
        ran = begin(definition, host=host)
        ran.interpreter.run()
        cursor = ran.interpreter.cursor_json()
        assert set(expected) <= set(cursor)
        restored = Interpreter.restore(cursor, app=Application(), host=host)
        assert restored.pending is None
        assert type(restored.outcome) is type(ran.outcome)


DAMAGED: list[object] = [
    None,
    [],
    {},
    {"format": 1},
    {"format": 0},
    {"format": True},
    {"format": "1"},
    {"format": 2, "ordinal": 0, "frames": []},
    {"format": 1, "ordinal": 0, "frames": []},
    {"format": 1, "ordinal": "x", "frames": []},
    {"format": 1, "ordinal": 0, "frames": [{}]},
    {"format": 1, "ordinal": 0, "frames": 5},
    {"format": 1, "ordinal": 0, "frames": [{"plan": "HASH", "phase": "main"}]},
    {"format": 1, "ordinal": 0, "frames": [{"plan": "HASH", "phase": "main", "action": "gone"}]},
    {"format": 1, "ordinal": 0, "frames": [{"plan": "HASH", "phase": "dream", "action": "a"}]},
    {"format": 1, "ordinal": 0, "frames": [{"plan": "HASH", "phase": "main", "action": "a"}], "finished": {}},
    {"format": 1, "ordinal": 0, "frames": [{"plan": "HASH", "phase": "main", "action": "a"}], "parked": {}},
]


@pytest.mark.parametrize("cursor", DAMAGED)
def test_a_damaged_cursor_is_refused(cursor: object) -> None:
    host = FakeHost()
    plan = host.add("main", [action("a")])
    text = json.dumps(cursor).replace("HASH", plan.hash)
    with pytest.raises(CursorError):
        Interpreter.restore(json.loads(text), app=Application(), host=host)


def test_a_value_that_is_no_json_cannot_be_stored_once_it_is_the_result() -> None:
    host = FakeHost()

    @host.registry.task_script("odd")
    def odd(app: Application) -> object:
        return object()

    ran = begin([action("a", script="odd"), action("b", script="odd"), action("@end")], host=host)
    ran.interpreter.step()
    ran.interpreter.cursor_json()
    ran.interpreter.step()
    with pytest.raises(NotJsonError, match="can't be stored: Not JSON: object"):
        ran.interpreter.cursor_json()
