"""Following next clauses through the phases of a process: @start, the sequence, @end."""

from enum import Enum

import pytest

from processes.domain.application import Application
from processes.domain.directives import Finished
from tests.processes.domain.support import FakeHost, action, run

NEXT = [
    # (next clause of "a", its state, the actions that run)
    (True, None, "a b c"),
    (False, None, "a"),
    ("c", None, "a c"),
    ({}, None, "a b c"),
    ({}, "x", "a b c"),
    ({"x": "c"}, "x", "a c"),
    ({"x": "c"}, "y", "a b c"),
    ({"x": "c"}, None, "a b c"),
    ({"x": "c", "*": False}, "y", "a"),
    ({"x": "c", "*": False}, None, "a"),
    ({"x": True, "*": False}, "x", "a b c"),
    ({"x": False, "*": "c"}, "x", "a"),
    ({"*": "c"}, "*", "a c"),
    ({"true": "c"}, True, "a c"),
    ({"3": "c"}, 3, "a c"),
    ({"": "c"}, "", "a c"),
    ({"": "c"}, None, "a b c"),
]


@pytest.mark.parametrize(("clause", "state", "expected"), NEXT)
def test_the_next_clause_decides_what_follows(clause: object, state: object, expected: str) -> None:
    first = action("a", next=clause, state=state)
    assert run([first, action("b"), action("c")]).names == expected.split()


PHASES = [
    # (what is special, the actions that run): a and b follow each other, @start and @end are declared.
    ({}, "@start a b @end"),
    ({"@start": False}, "@start @end"),
    ({"@start": "b"}, "@start b @end"),
    ({"@start": {"*": "b"}}, "@start b @end"),
    ({"a": False}, "@start a @end"),
    ({"a": "@end"}, "@start a @end"),
    ({"@start": "@end"}, "@start @end"),
    ({"@end": False}, "@start a b @end"),
    ({"@end": "@end"}, "@start a b @end"),
    ({"@end": "b"}, "@start a b @end b"),
    ({"@end": "a"}, "@start a b @end a b"),
    ({"@end": "a", "a": "@end"}, "@start a @end a"),
]


@pytest.mark.parametrize(("special", "expected"), PHASES)
def test_phases_follow_each_other(special: dict[str, object], expected: str) -> None:
    names = ["a", "b", "@start", "@end"]
    assert run([action(name, next=special.get(name, True)) for name in names]).names == expected.split()


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (True, "@start @default @end"),
        (False, "@start @default @end"),
        ("b", "@start @default b @end"),
        ("@unknown", "@start @default @unknown @end"),
    ],
)
@pytest.mark.parametrize(("name", "entry"), [("@default", None), ("@unknown", "missing")])
def test_default_and_unknown_are_the_main_phase(clause: object, expected: str, name: str, entry: str | None) -> None:
    other = "@unknown" if name == "@default" else "@default"
    if clause == "@unknown":
        clause = other
    definition = [action("a"), action("b"), action("@start"), action("@end"), action(name, next=clause), action(other)]
    swapped = [{"@default": name, "@unknown": other}.get(step, step) for step in expected.split()]
    assert run(definition, entry=entry).names == swapped


def test_falling_through_skips_lifecycle_actions() -> None:
    definition = [action("a"), *(action(n) for n in ("@start", "@default", "@unknown", "@error", "@end")), action("b")]
    assert run(definition, entry="a").names == ["@start", "a", "b", "@end"]


def test_an_action_without_a_script_only_leads_on() -> None:
    ran = run([action("a", script=None, next="c"), action("b"), action("c", value=3)])
    assert ran.names == ["a", "c"]
    assert [entry.script for entry in ran.trace] == [None, "act"]


RESULTS = [
    # (definition, state, value)
    ([action("a", state="x", value=1), action("b", state="y", value=2)], "y", 2),
    ([action("a", state="x", value=1), action("b")], None, None),
    ([action("a", state="x", value=1), action("@end")], "x", 1),
    ([action("a", state="x", value=1), action("@end", value=9)], "x", 1),
    ([action("a", state="x", value=1), action("@end", state="z", value=9)], "z", 1),
    ([action("a", state="x", value=1, next=False), action("b", state="y"), action("@end", next="b")], "y", None),
    ([action("a", state="x", value=1), action("@start", state="s", value=9)], "x", 1),
    ([action("a", state="x", value=1), action("@start", state="s", value=9, next=False)], "s", None),
    ([action("@default", state="d", value=5)], "d", 5),
    ([action("@default", state="d", value=5), action("@end", next="@unknown"), action("@unknown", value=6)], None, 6),
]


@pytest.mark.parametrize(("definition", "state", "value"), RESULTS)
def test_a_run_ends_with_the_state_and_value_of_its_last_ordinary_action(
    definition: list[object], state: str | None, value: object
) -> None:
    ran = run(definition)
    assert ran.finished == Finished(state, value)
    assert ran.app.state == state


def test_each_action_sees_its_own_config_action_and_process_and_no_state() -> None:
    definition = [
        action("a", state="left over"),
        action("b", script="see", x=1),
        {"name": "c", "script": "see"},
    ]
    assert run(definition).app.data["seen"] == [
        {"action": "b", "process": "main", "config": {"x": 1}, "state": None, "error": None},
        {"action": "c", "process": "main", "config": None, "state": None, "error": None},
    ]


class Colour(str, Enum):  # noqa: UP042 - the kind whose str() isn't its value
    RED = "red"


STATES: list[tuple[object, str | None]] = [
    # (what a script sets, what is looked up), None: it is refused
    ("x", "x"),
    ("", ""),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-7, "-7"),
    (1.5, "1.5"),
    (2.0, "2.0"),
    (Colour.RED, "red"),
    (["x"], None),
    ({"x": 1}, None),
    (b"x", None),
    (float("nan"), None),
    (float("inf"), None),
]


@pytest.mark.parametrize(("state", "text"), STATES)
def test_a_state_is_looked_up_as_json_writes_it_and_only_scalars_are_states(state: object, text: str | None) -> None:
    host = FakeHost()

    @host.registry.task_script("set")
    def set_it(app: Application) -> None:
        app.state = state  # type: ignore[assignment]

    ran = run([action("a", script="set", next={str(text): "c"}), action("b"), action("c", script=None)], host=host)
    if text is None:
        assert (ran.error.code, ran.error.action) == ("bad_state", "a")
    else:
        assert ran.names == ["a", "c"]
        assert (type(ran.trace[0].state), ran.trace[0].state) == (str, text)


def test_a_script_cannot_change_the_plan_through_its_config() -> None:
    host = FakeHost()

    @host.registry.task_script("spoil")
    def spoil(app: Application) -> object:
        app.get("config")["list"].append("spoilt")
        app.config["list"].append("again")
        return list(app.get("config")["list"])

    definition = [action("a", script="spoil", list=["clean"])]
    for _ in range(2):
        assert run(definition, host=host).finished.value == ["clean", "spoilt", "again"]
    assert host.plans["main"].actions[0].config == {"list": ["clean"]}
