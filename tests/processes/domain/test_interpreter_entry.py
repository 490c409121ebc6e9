"""Entering a process: by name, by default, optionally, or not at all."""

import pytest

from processes.domain.directives import Failed, Finished
from tests.processes.domain.support import FakeHost, action, run

SEQUENCE = [action("a"), action("b"), action("c", next=False), action("@init")]


def with_lifecycle(*names: str) -> list[dict[str, object]]:
    return [*SEQUENCE, *(action(name) for name in names)]


ENTRIES = [
    # (lifecycle actions declared, entry, the actions that run)
    ((), None, "a b c"),
    ((), "", "a b c"),
    ((), "b", "b c"),
    ((), "@init", "@init"),
    ((), "b?", "b c"),
    ((), "x?", ""),
    ((), "?", ""),
    (("@default",), None, "@default"),
    (("@default",), "", "@default"),
    (("@default",), "b", "b c"),
    (("@unknown",), None, "a b c"),
    (("@unknown",), "x", "@unknown"),
    (("@unknown",), "x?", ""),
    (("@default", "@unknown"), "@default", "@unknown"),
    (("@unknown", "@start"), "@start", "@start @unknown"),
    (("@unknown", "@end"), "@end", "@unknown @end"),
    (("@unknown", "@error"), "@error", "@unknown"),
    (("@unknown",), "@unknown", "@unknown"),
    (("@start", "@end"), "c", "@start c @end"),
    (("@start", "@end"), "c?", "@start c @end"),
    (("@start", "@end", "@default", "@unknown", "@error"), "x?", ""),
    (("@start", "@end", "@default", "@unknown", "@error"), "@start?", ""),
    (("@start", "@end", "@default", "@unknown", "@error"), None, "@start @default @end"),
    (("@start", "@end", "@default", "@unknown", "@error"), "x", "@start @unknown @end"),
]


@pytest.mark.parametrize(("lifecycle", "entry", "expected"), ENTRIES)
def test_the_entry_decides_what_runs(lifecycle: tuple[str, ...], entry: str | None, expected: str) -> None:
    ran = run(with_lifecycle(*lifecycle), entry=entry)
    assert ran.names == expected.split()
    assert isinstance(ran.outcome, Finished)


@pytest.mark.parametrize(
    "entry", ["x", "@start", "@end", "@default", "@unknown", "@error", "A", " a", 5, ["a"], {"a": 1}, True]
)
def test_an_undeclared_entry_is_not_found(entry: object) -> None:
    ran = run(with_lifecycle("@start", "@end", "@default"), entry=entry)
    assert isinstance(ran.outcome, Failed)
    assert ran.error.code == "not_found"
    assert ran.names == []


def test_an_entry_that_is_not_found_goes_to_the_error_action_without_a_start() -> None:
    ran = run(with_lifecycle("@start", "@end", "@error"), entry="x")
    assert ran.names == ["@error"]
    assert ran.error.code == "not_found"


def test_a_misspelt_entry_gets_a_suggestion() -> None:
    ran = run([action("validate")], entry="valdate")
    assert ran.error.fields["suggestion"] == 'Did you mean "validate"?'


CLOSED = [action("open"), {"name": "closed", "script": "act", "entry": False, "next": False}]


@pytest.mark.parametrize(
    ("entry", "outside", "expected"),
    [("closed", True, None), ("closed?", True, []), ("closed", False, ["closed"]), (None, True, ["open", "closed"])],
)
def test_an_action_that_cannot_be_entered_looks_missing_from_outside(
    entry: str | None, outside: bool, expected: list[str] | None
) -> None:
    ran = run(CLOSED, entry=entry, outside=outside)
    if expected is None:
        assert ran.error.code == "not_found"
        assert ran.error.fields["suggestion"] is None
    else:
        assert ran.names == expected


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ([], ""),
        ([action("@start"), action("@end")], "@start @end"),
        ([action("@end")], "@end"),
        ([action("@error")], ""),
        ([action("@unknown")], ""),
    ],
)
def test_an_empty_sequence_ends_normally(definition: list[object], expected: str) -> None:
    ran = run(definition)
    assert ran.names == expected.split()
    assert ran.finished == Finished(None, None)


def test_a_run_begins_with_empty_data() -> None:
    assert run([action("a")]).app.data == {}


def test_entering_does_not_depend_on_where_lifecycle_actions_stand() -> None:
    definition = [action("@end"), action("@error"), action("a"), action("@start"), action("b")]
    assert run(definition).names == ["@start", "a", "b", "@end"]


def test_a_sub_process_enters_by_its_config() -> None:
    host = FakeHost()
    host.add("sub", SEQUENCE)
    assert run([action("call", script="sub", action="b")], host=host, bindings={"sub": {"process": "sub"}}).names == [
        "call",
        "sub.b",
        "sub.c",
    ]
