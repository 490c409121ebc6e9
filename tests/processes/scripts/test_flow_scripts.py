"""The standard scripts that steer a process, run as actions of one."""

from typing import Any

import pytest

from processes.domain.directives import Failed, Finished
from processes.errors import DefinitionError
from processes.registry import scripts
from tests.processes.domain.support import FakeHost, Ran
from tests.processes.domain.support import run as run_definition


def run(*actions: dict[str, Any], host: FakeHost | None = None, **options: Any) -> Ran:
    return run_definition(list(actions), host=host or FakeHost(registry=scripts), **options)


def act(name: str, script: str | None, **keys: Any) -> dict[str, Any]:
    return {"name": name, "script": script, **keys}


def stop(name: str) -> dict[str, Any]:
    return act(name, None, next=False)


STATES = [("a", "a"), (True, "true"), (False, "false"), (3, "3"), ("%{data:ok}", "true"), ("%{data:n}", "7"), ("", "")]


@pytest.mark.parametrize(("state", "expected"), STATES)
@pytest.mark.parametrize("name", ["set_state", "setState"])
def test_set_state_sets_a_state(name: str, state: object, expected: str) -> None:
    ran = run(
        act("first", name, config={"state": state}, next={expected: "found"}), stop("missed"), stop("found"),
        data={"ok": True, "n": 7},
    )  # fmt: skip
    assert ran.names == ["first", "found"]
    assert ran.trace[0].state == expected


def test_noop_does_nothing_whatever_its_config() -> None:
    ran = run(act("a", "noop", config={"any": ["thing"]}), act("noop", "noop"))
    assert ran.finished == Finished(None, None)
    assert ran.app.data == {}


FAILURES: list[tuple[dict[str, Any] | None, dict[str, Any]]] = [
    (
        {"code": "user", "message": "No %{data:what}", "fields": {"row": "%{data:row}", "list": [1]}},
        {"code": "user", "message": "No name", "fields": {"row": 3, "list": [1]}},
    ),
    ({"code": "user"}, {"code": "user", "message": "The process has failed."}),
    ({"message": "Sorry"}, {"code": "failed", "message": "Sorry"}),
    ({}, {"code": "failed", "message": "The process has failed."}),
    (None, {"code": "failed", "message": "The process has failed."}),
]


@pytest.mark.parametrize(("config", "expected"), FAILURES)
def test_fail_ends_with_an_error_of_ones_own(config: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    ran = run(act("a", "fail", config=config), stop("b"), data={"what": "name", "row": 3})
    assert ran.error.to_json() == {**expected, "kind": "failed", "action": "a", "process": "main"}
    assert ran.error.permanent


RESETS: list[tuple[object, object, str]] = [
    # (config of @error, its next clause, the actions that run)
    (None, True, "a @error"),
    ({}, "b", "a @error b"),
    ({"state": "mended"}, {"mended": "b"}, "a @error b"),
    ({"state": True}, {"true": "b"}, "a @error b"),
    ({"state": "other"}, {"mended": "b", "*": False}, "a @error"),
]


@pytest.mark.parametrize(("config", "clause", "names"), RESETS)
@pytest.mark.parametrize("script", ["reset_error", "resetError"])
def test_reset_error_lets_the_error_action_go_on(script: str, config: object, clause: object, names: str) -> None:
    ran = run(
        act("a", "fail"), stop("b"), act("@error", script, config=config, next=clause), act("@end", "noop"),
    )  # fmt: skip
    assert ran.names == names.split()
    assert isinstance(ran.outcome, Finished)
    assert ran.app.error is None


def test_reset_error_is_harmless_where_there_is_no_error() -> None:
    ran = run(act("a", "reset_error", config={"state": "s"}), act("@end", "reset_error"))
    assert ran.finished == Finished("s", None)


def test_reset_error_works_from_a_sub_process_of_the_error_action() -> None:
    host = FakeHost(registry=scripts)
    host.add("mend", [act("log", "noop"), act("reset", "reset_error", config={"state": "mended"})])
    ran = run(
        act("a", "fail"), stop("b"), act("@error", "mend", next={"mended": "b"}),
        host=host, bindings={"mend": {"process": "mend"}},
    )  # fmt: skip
    assert ran.names == ["a", "@error", "mend.log", "mend.reset", "b"]


CHOICES: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    # (config, data, state)
    ({"cases": [{"if": "data.n > 1", "state": "many"}, {"if": "data.n == 1", "state": "one"}]}, {"n": 2}, "many"),
    ({"cases": [{"if": "data.n > 1", "state": "many"}, {"if": "data.n == 1", "state": "one"}]}, {"n": 1}, "one"),
    ({"cases": [{"if": "data.n > 1", "state": "many"}]}, {"n": 0}, None),
    ({"cases": [{"if": "data.n > 1", "state": "many"}], "else": "few"}, {"n": 0}, "few"),
    ({"cases": [{"if": "data.n > 1", "state": "many"}], "else": False}, {"n": 0}, "false"),
    ({"cases": [], "else": "x"}, {}, "x"),
    ({"cases": []}, {}, None),
    ({"cases": [{"if": "true", "state": 1}, {"if": "data.gone == 1", "state": "unasked"}]}, {}, "1"),
    ({"cases": [{"if": "has(data.n) && data.n > 0", "state": "a"}], "else": "none"}, {}, "none"),
    ({"cases": [{"if": "true", "state": "%{data:s}"}]}, {"s": "filled"}, "filled"),
    ({"cases": "%{data:cases}", "else": "b"}, {"cases": [{"if": "param.q == '7'", "state": "a"}]}, "a"),
    ({"cases": [{"if": "${rule}", "state": "a"}], "else": "b"}, {"n": 8}, "a"),
    ({"cases": [{"if": "user.username == 'ada' && error == null && state == null", "state": "a"}]}, {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("config", "data", "state"), CHOICES)
def test_choose_sets_the_state_of_the_first_case_that_is_true(
    config: dict[str, Any], data: dict[str, Any], state: str | None
) -> None:
    bindings = {"rule": {"value": "data.n == 8"}}
    ran = run(act("a", "choose", config=config), data=dict(data), parameters={"q": "7"}, bindings=bindings)
    assert ran.finished.state == state


UNDECIDED = [
    ("data.gone == 1", 'no key "gone"'),
    ("data.n", "true or false, not to a number"),
    ("data.n == 3 && error.code == 'x'", "error is null here"),
]


@pytest.mark.parametrize(("condition", "message"), UNDECIDED)
def test_a_condition_without_an_answer_is_an_error_of_its_action(condition: str, message: str) -> None:
    cases = [{"if": "false", "state": "x"}, {"if": condition, "state": "y"}]
    error = run(act("a", "choose", config={"cases": cases}), data={"n": 3}).error
    assert message in error.message
    assert (error.code, error.action, error.path) == ("condition", "a", "/config/cases/1/if")


def test_the_error_action_chooses_by_the_error() -> None:
    cases = [{"if": "error.code == 'busy' && error.action == 'a'", "state": "later"}]
    ran = run(act("a", "fail", config={"code": "busy"}), act("@error", "choose", config={"cases": cases}))
    assert [(entry.action, entry.state) for entry in ran.trace] == [("a", None), ("@error", "later")]
    assert isinstance(ran.outcome, Failed)


SUB = [act("first", "set_state", config={"state": "first"}), act("second", "set_data", config={"values": {"x": 1}})]
TARGETS: list[tuple[object, dict[str, Any]]] = [
    # (what call_process is given, bindings)
    ("${work}", {"work": {"process": "sub"}}),
    ("work", {"work": {"process": "sub"}}),
    ("sub", {}),
    ("%{data:slug}", {}),
]


@pytest.mark.parametrize(("target", "bindings"), TARGETS)
@pytest.mark.parametrize("script", ["call_process", "callProcess"])
def test_call_process_runs_what_a_reference_or_a_name_leads_to(
    script: str, target: object, bindings: dict[str, Any]
) -> None:
    host = FakeHost(registry=scripts)
    host.add("sub", SUB)
    ran = run(act("a", script, config={"process": target}), host=host, bindings=bindings, data={"slug": "sub"})
    assert ran.names == ["a", "sub.first", "sub.second"]
    assert ran.app.data["x"] == 1


ENTRIES = [(None, "a sub.first sub.second"), ("second", "a sub.second"), ("second?", "a sub.second"), ("x?", "a")]


@pytest.mark.parametrize(("entry", "names"), ENTRIES)
def test_call_process_enters_at_an_action(entry: str | None, names: str) -> None:
    host = FakeHost(registry=scripts)
    host.add("sub", SUB)
    config = {"process": "sub"} if entry is None else {"process": "sub", "action": entry}
    assert run(act("a", "call_process", config=config), host=host).names == names.split()


@pytest.mark.parametrize(
    ("config", "bindings"),
    [
        ({"process": "sub", "action": "gone"}, {}),
        ({"process": "nowhere"}, {}),
        ({"process": "work"}, {"work": "noop"}),
        ({"process": "work"}, {"work": {"value": "sub"}}),
        ({"process": "${work}"}, {"work": "noop"}),
        ({"process": "${work}"}, {"work": {"value": {"any": "thing"}}}),
    ],
)
def test_call_process_of_what_is_not_there_is_an_error_of_its_action(
    config: dict[str, Any], bindings: dict[str, Any]
) -> None:
    host = FakeHost(registry=scripts)
    host.add("sub", SUB)
    ran = run(act("a", "call_process", config=config), host=host, bindings=bindings)
    assert ran.error.code == "not_found"


def test_call_process_gives_the_last_state_to_the_next_clause() -> None:
    host = FakeHost(registry=scripts)
    host.add("sub", [act("s", "set_state", config={"state": "bad"})])
    ran = run(act("a", "call_process", config={"process": "sub"}, next={"bad": "c"}), stop("b"), stop("c"), host=host)
    assert ran.names == ["a", "sub.s", "c"]


MISTAKES: list[tuple[str, object, str, str]] = [
    # (script, config, JSON Pointer below the config, part of the message)
    ("set_state", None, "", '"state" is required'),
    ("set_state", {"state": ["a"]}, "/state", "Must be"),
    ("set_state", {"state": "a", "stat": "b"}, "/stat", "Unknown key"),
    ("fail", {"code": ""}, "/code", "not be empty"),
    ("fail", {"code": 5}, "/code", "be a text"),
    ("fail", {"msg": "x"}, "/msg", "Unknown key"),
    ("fail", {"fields": [1]}, "/fields", "be an object"),
    ("reset_error", {"sate": "x"}, "/sate", "Unknown key"),
    ("choose", None, "", '"cases" is required'),
    ("choose", {"cases": [{"if": "data.n = 1", "state": "a"}]}, "/cases/0/if", "can't be read at line 1, column 8"),
    ("choose", {"cases": [{"if": "dta.n == 1", "state": "a"}]}, "/cases/0/if", 'no variable "dta"'),
    ("choose", {"cases": [{"if": "data.n == %{data:n}", "state": "a"}]}, "/cases/0/if", "stays as it is"),
    ("choose", {"cases": [{"if": "true"}]}, "/cases/0", '"state" is required'),
    ("choose", {"cases": [{"state": "a"}]}, "/cases/0", '"if" is required'),
    ("choose", {"cases": [], "otherwise": "x"}, "/otherwise", "Unknown key"),
    ("call_process", {}, "", '"process" is required'),
    ("call_process", {"process": "x", "action": 5}, "/action", "be a text"),
    ("set_data", None, "", '"values" is required'),
    ("set_data", {"values": {}, "remove": []}, "/remove", "Unknown key"),
]


@pytest.mark.parametrize(("script", "config", "path", "message"), MISTAKES)
def test_a_mistake_in_a_config_is_found_at_derivation(script: str, config: object, path: str, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        FakeHost(registry=scripts).add("main", [{"name": "a", "script": script, "config": config}])
    problem = caught.value.problems[0]
    assert problem.path == f"/0/config{path}"
    assert message in problem.message


@pytest.mark.parametrize("name", ["set_state", "noop", "fail", "reset_error", "choose", "call_process", "set_data"])
def test_each_script_describes_itself(name: str) -> None:
    spec = scripts.get(name)
    assert spec.example is not None
    assert spec.documentation
    fields = {} if spec.config is None else spec.config.model_fields
    assert all(field.description for field in fields.values())
