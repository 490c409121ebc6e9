"""Errors: @error, resets, errors inside it, and what an error carries."""

from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import RUNNING, Failed, Finished
from processes.domain.interpreter import Interpreter
from processes.errors import ProcessError, ScriptError
from tests.processes.domain.support import FakeHost, action, run

RULES = [
    # (definition, the actions that run, the error's code or None, the code chained to it)
    ([action("a", fail="x"), action("b"), action("@end")], "a", "x", None),
    ([action("a", fail="x"), action("@error"), action("@end")], "a @error", "x", None),
    ([action("a", fail="x"), action("@error", next="b"), action("b")], "a @error", "x", None),
    ([action("a", fail="x"), action("b"), action("@error", reset=True), action("@end")], "a @error", None, None),
    ([action("a", fail="x"), action("b"), action("@error", reset=True, next=False)], "a @error", None, None),
    (
        [action("a", fail="x"), action("b"), action("c"), action("@error", reset=True, next="b"), action("@end")],
        "a @error b c",
        None,
        None,
    ),
    (
        [action("a", fail="x"), action("b"), action("@error", reset=True, state="s", next={"s": "b"})],
        "a @error b",
        None,
        None,
    ),
    ([action("a", fail="x"), action("@error", reset=True, next="@end"), action("@end")], "a @error", None, None),
    ([action("a", fail="x"), action("@error", fail="y"), action("@end")], "a @error", "y", "x"),
    ([action("a", fail="x"), action("@error", reset=True, crash="y")], "a @error", "script_error", "x"),
    ([action("a", fail="x"), action("@error", set_error="y")], "a @error", "y", "x"),
    ([action("a"), action("@start", fail="x"), action("@error"), action("@end")], "@start @error", "x", None),
    (
        [action("a"), action("@start", fail="x"), action("@error", reset=True), action("@end")],
        "@start @error",
        None,
        None,
    ),
    (
        [action("a"), action("@start", fail="x"), action("@error", reset=True, next="a"), action("@end")],
        "@start @error a",
        None,
        None,
    ),
    ([action("a"), action("@end", fail="x"), action("@error")], "a @end @error", "x", None),
    ([action("a"), action("@end", fail="x"), action("@error", reset=True)], "a @end @error", None, None),
    ([action("a"), action("@end", fail="x"), action("@error", reset=True, next="a")], "a @end @error a", None, None),
    ([action("@default", fail="x"), action("@error", reset=True), action("@end")], "@default @error", None, None),
    # An error after a reset is a new one.
    (
        [action("a", fail="x"), action("b", fail="y"), action("@error", reset=True, count="n", state_from="ways",
                                                               next={"on": "b", "*": True})],
        "a @error b @error",
        None,
        None,
    ),
    # A script may set or return its error instead of raising it.
    ([action("a", set_error="x"), action("b")], "a", "x", None),
    ([action("a", return_error="x"), action("b")], "a", "x", None),
    ([action("a", set_error="x"), action("@error", reset=True)], "a @error", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "names", "code", "cause"), RULES)
def test_what_follows_an_error(definition: list[object], names: str, code: str | None, cause: str | None) -> None:
    ran = run(definition, data={"ways": ["on"]})
    assert ran.names == names.split()
    if code is None:
        assert isinstance(ran.outcome, Finished)
        assert ran.app.error is None
    else:
        assert isinstance(ran.outcome, Failed)
        assert ran.error.code == code
        assert ran.app.error is ran.error
        assert (ran.error.cause.code if ran.error.cause else None) == cause


#: Where an error happens: the entry that leads there, and what has run by then.
PLACES: dict[str, tuple[str | None, str]] = {
    "@start": ("a", "@start"),
    "a": ("a", "@start a"),
    "@default": (None, "@start @default"),
    "@unknown": ("x", "@start @unknown"),
    "@end": ("b", "@start b @end"),
}

HANDLERS: list[tuple[dict[str, object], str, tuple[str, ...]]] = [
    # (how @error is written, what runs from there on, the codes of the error that the run ends with)
    ({"reset": True}, "@error", ()),
    ({"reset": True, "next": False}, "@error", ()),
    ({"reset": True, "next": "c"}, "@error c d", ()),
    ({"reset": True, "next": {"*": "c"}}, "@error c d", ()),
    ({"reset": True, "next": {"s": "c"}, "state": "s"}, "@error c d", ()),
    ({"reset": True, "next": {"s": "c", "*": False}, "state": "t"}, "@error", ()),
    ({"reset": True, "next": {"s": "c"}}, "@error", ()),
    ({"reset": True, "next": "@end"}, "@error", ()),
    ({"reset": True, "next": "@default"}, "@error @default", ()),
    ({"script": None}, "@error", ("x",)),
    ({"next": "c"}, "@error", ("x",)),
    ({"state": "s", "next": {"s": "c"}}, "@error", ("x",)),
    ({"fail": "y"}, "@error", ("y", "x")),
    ({"reset": True, "fail": "y", "next": "c"}, "@error", ("y", "x")),
    ({"set_error": "y", "next": "c"}, "@error", ("y", "x")),
    ({"return_error": "y"}, "@error", ("y", "x")),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("handler", "after", "codes"), HANDLERS)
def test_an_error_anywhere_goes_to_the_error_action_once(
    place: str, handler: dict[str, Any], after: str, codes: tuple[str, ...]
) -> None:
    """Wherever it happens: reset or not, going on by true, false, a name or a lookup; `@end` never follows."""
    entry, before = PLACES[place]
    if place == "@default" and handler.get("next") == "@default":
        handler, after = {**handler, "next": "@unknown"}, "@error @unknown"
    definition = [
        action(name) for name in ("a", "b", "c", "d", "@start", "@default", "@unknown", "@end") if name != place
    ]
    definition += [action(place, fail="x"), action("@error", **handler)]
    sequence = ["a", "b", "c", "d"]
    definition.sort(key=lambda written: sequence.index(written["name"]) if written["name"] in sequence else 9)
    if place == "@end":
        definition[1]["next"] = False
    ran = run(definition, entry=entry)
    assert ran.names == f"{before} {after}".split()
    chain: list[str] = []
    error = ran.outcome.error if isinstance(ran.outcome, Failed) else None
    while error is not None:
        chain.append(error.code)
        error = error.cause
    assert tuple(chain) == codes


@pytest.mark.parametrize("place", PLACES)
def test_without_an_error_action_the_run_ends_where_the_error_happened(place: str) -> None:
    entry, before = PLACES[place]
    names = ("a", "b", "@start", "@default", "@unknown", "@end")
    definition = [action(name, **({"fail": "x"} if name == place else {})) for name in names]
    ran = run(definition, entry=entry)
    assert ran.names == before.split()
    assert (ran.error.code, ran.error.action) == ("x", place)


def test_the_error_action_sees_the_error_and_where_it_happened() -> None:
    ran = run([action("a", fail="x"), action("@error", script="see")])
    assert ran.app.data["seen"][0]["error"] == "x"
    assert (ran.error.action, ran.error.process) == ("a", "main")


def test_a_crash_keeps_type_message_and_original() -> None:
    error = run([action("a", crash="boom")]).error
    assert isinstance(error, ScriptError)
    assert error.code == "script_error"
    assert error.message == "ValueError: boom"
    assert error.fields == {"type": "ValueError", "message": "boom"}
    assert isinstance(error.__cause__, ValueError)
    assert ProcessError.from_json(error.to_json()).to_json() == error.to_json()


def test_a_missing_script_fails_when_it_is_reached_and_not_before() -> None:
    host = FakeHost()
    plan = host.add("main", [action("a"), action("b", script="noop")])
    host.registry.unregister("noop")
    interpreter = Interpreter.start(plan, app=Application(), host=host)
    interpreter.step()
    assert interpreter.outcome == RUNNING
    outcome = interpreter.step()
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.action) == ("unknown_script", "b")


RESULTS = [
    # (definition, state, value) of a run whose error was reset
    ([action("a", state="x", value=1), action("b", fail="y"), action("@error", reset=True)], None),
    ([action("a", fail="y"), action("@error", reset=True, state="mended", value=2)], "mended"),
]


@pytest.mark.parametrize(("definition", "state"), RESULTS)
def test_a_reset_error_ends_the_run_with_the_state_of_the_error_action(
    definition: list[object], state: str | None
) -> None:
    assert run(definition).finished == Finished(state, None)


def test_the_trace_tells_which_action_failed() -> None:
    ran = run([action("a"), action("b", fail="x"), action("@error", reset=True)])
    assert [(entry.action, entry.error.code if entry.error else None) for entry in ran.trace] == [
        ("a", None),
        ("b", "x"),
        ("@error", None),
    ]
