"""Sub processes: bound to an action, returned as a directive, or called from Python code."""

from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import CallProcess, Failed, Finished
from processes.errors import DurableInCallError, PermanentError, ProcessError
from tests.processes.domain.support import FakeHost, Ran, action, begin, run

SUB = {"sub": {"process": "sub"}}


def run_over(sub: list[Any], main: list[Any], host: FakeHost | None = None, **options: Any) -> Ran:
    """Run `main`, in which the reference "sub" leads to a process of that name."""
    host = host or FakeHost()
    host.add("sub", sub)
    return run(main, host=host, bindings=SUB, **options)


def scripted(host: FakeHost, name: str, **declared: Any) -> Any:
    return host.registry.task_script(name, **declared)


RETURNED = [
    # (sub process, the caller's state and value)
    ([action("s", state="x", value=1)], "x", 1),
    ([action("s", state="x", value=1), action("t")], None, None),
    ([action("s", state="x", value=1), action("@end", state="y", value=2)], "y", 1),
    ([action("s", fail="oops"), action("@error", reset=True, state="mended")], "mended", None),
    ([], None, None),
]


@pytest.mark.parametrize(("sub", "state", "value"), RETURNED)
def test_state_and_value_of_the_last_ordinary_action_become_the_callers(
    sub: list[Any], state: str | None, value: object
) -> None:
    ran = run_over(sub, [action("call", script="sub")])
    assert ran.finished == Finished(state, value)


def test_the_callers_next_clause_looks_up_the_state_of_the_sub_process() -> None:
    main = [action("call", script="sub", next={"bad": "b"}), action("a", next=False), action("b")]
    assert run_over([action("s", state="bad")], main).names == ["call", "sub.s", "b"]


def test_a_sub_process_shares_data_request_response_and_user() -> None:
    host = FakeHost()

    @scripted(host, "answer")
    def answer(app: Application) -> None:
        app.response.title = f"{app.request.parameters['who']} {app.data['n']}"
        app.data["n"] += 1
        app.set("left", "behind")

    ran = run_over([action("s", script="answer")], [action("call", script="sub")], host, data={"n": 1},
                   parameters={"who": "me"})  # fmt: skip
    assert (ran.app.response.title, ran.app.data, ran.app.get("left")) == ("me 1", {"n": 2}, "behind")


def test_a_sub_process_runs_its_own_lifecycle_actions() -> None:
    sub = [action("@start"), action("s"), action("@end"), action("@error")]
    main = [action("@start"), action("call", script="sub"), action("@end")]
    assert run_over(sub, main).names == ["@start", "call", "sub.@start", "sub.s", "sub.@end", "@end"]


def test_an_optional_entry_that_is_missing_runs_nothing_of_the_sub_process() -> None:
    sub = [action("@start"), action("s", state="x"), action("@end")]
    main = [action("call", script="sub", action="gone?", next={"x": False}), action("after")]
    assert run_over(sub, main).names == ["call", "after"]


def test_an_error_of_a_sub_process_fails_the_action_that_called_it() -> None:
    ran = run_over([action("s", fail="x")], [action("call", script="sub"), action("@error", reset=True, next="b"),
                                             action("a"), action("b")])  # fmt: skip
    assert ran.names == ["call", "sub.s", "@error", "b"]
    failed = [(entry.action, entry.error.action) for entry in ran.trace if entry.error]
    assert failed == [("s", "s"), ("call", "s")]


def test_a_sub_process_that_is_entered_wrongly_is_an_error_of_the_action_that_called_it() -> None:
    ran = run_over([action("s")], [action("call", script="sub", action="x")])
    assert (ran.error.code, ran.error.process, ran.error.action) == ("not_found", "main", "call")
    assert ran.error.fields["process"] == "sub"


@pytest.mark.parametrize("ask", [lambda app: app.invoke("x"), lambda app: app.call("sub", config={"action": "x"})])
def test_an_entry_that_a_script_asks_for_and_that_is_not_there_is_an_error_of_its_action(ask: Any) -> None:
    host = FakeHost()
    scripted(host, "ask")(ask)
    ran = run_over([action("s")], [action("call", script="ask")], host)
    assert (ran.error.code, ran.error.process, ran.error.action) == ("not_found", "main", "call")


OWN_HANDLERS = [
    # (the sub process, how it goes on in the caller)
    ([action("s", fail="x"), action("t"), action("@error", reset=True)], "call sub.s sub.@error after"),
    ([action("s", fail="x"), action("t"), action("@error", reset=True, next="t")], "call sub.s sub.@error sub.t after"),
    ([action("s", fail="x"), action("@error", reset=True, next=False), action("@end")], "call sub.s sub.@error after"),
    ([action("s", fail="x"), action("@error")], "call sub.s sub.@error @error mend"),
    ([action("s", fail="x"), action("@error", fail="y")], "call sub.s sub.@error @error mend"),
    ([action("@start", fail="x"), action("s"), action("@error")], "call sub.@start sub.@error @error mend"),
    ([action("s"), action("@end", fail="x"), action("@error")], "call sub.s sub.@end sub.@error @error mend"),
    ([action("s", fail="x")], "call sub.s @error mend"),
]


@pytest.mark.parametrize(("sub", "names"), OWN_HANDLERS)
def test_a_sub_process_deals_with_its_errors_first_and_then_its_caller(sub: list[Any], names: str) -> None:
    main = [
        action("call", script="sub"), action("after", next=False), action("mend"),
        action("@error", reset=True, next="mend"),
    ]  # fmt: skip
    assert run_over(sub, main).names == names.split()


def test_an_error_of_a_sub_process_keeps_its_chain_through_every_handler() -> None:
    sub = [action("s", fail="x"), action("@error", fail="y")]
    error: ProcessError | None = run_over(sub, [action("call", script="sub"), action("@error", fail="z")]).error
    chain = []
    while error is not None:
        chain.append((error.code, error.action, error.process))
        error = error.cause
    assert chain == [("z", "@error", "main"), ("y", "@error", "sub"), ("x", "s", "sub")]


def test_a_sub_process_does_not_look_at_the_request_for_its_entry() -> None:
    sub = [action("s", next=False), action("b")]
    ran = run_over(sub, [action("call", script="sub", next=False), action("b")], parameters={"action": "b"})
    assert ran.names == ["call", "sub.s"]


def test_a_sub_process_may_be_entered_where_nobody_else_may() -> None:
    sub = [action("s"), {"name": "closed", "script": "act", "entry": False}]
    assert run_over(sub, [action("call", script="sub", action="closed")]).names == ["call", "sub.closed"]


def test_named_attributes_go_both_ways_and_config_action_and_process_come_back() -> None:
    host = FakeHost()
    seen: list[object] = []

    @scripted(host, "look")
    def look(app: Application) -> None:
        assert app.action is not None
        assert app.process is not None
        seen.append((app.process.name, app.action.name, app.get("config"), app.get("mark"), app.data.get("n")))
        app.set("mark", app.action.name)
        app.data["n"] = len(seen)

    sub = [action("s", script="look", in_sub=1)]
    main = [action("a", script="look", x=1), action("call", script="sub"), action("b", script="look")]
    run_over(sub, main, host)
    assert seen == [
        ("main", "a", {"x": 1}, None, None), ("sub", "s", {"in_sub": 1}, "a", 1), ("main", "b", None, "s", 2),
    ]  # fmt: skip


NESTED_ERRORS = [
    # (what the sub process in @error does, whether the run completes)
    ([action("s")], False),
    ([action("s", reset=True)], True),
    ([action("s", fail="y"), action("@error", reset=True)], False),
    ([action("s", fail="y"), action("@error", reset=True, next="t"), action("t", reset=True)], True),
    ([action("s", fail="y")], False),
]


@pytest.mark.parametrize(("sub", "completes"), NESTED_ERRORS)
def test_a_sub_process_that_handles_an_error_may_reset_it(sub: list[Any], completes: bool) -> None:
    ran = run_over(sub, [action("a", fail="x"), action("@error", script="sub")])
    assert isinstance(ran.outcome, Finished if completes else Failed)


def test_an_error_in_a_sub_process_that_handles_one_is_chained_to_it() -> None:
    error = run_over([action("s", fail="y")], [action("a", fail="x"), action("@error", script="sub")]).error
    assert (error.code, error.cause.code if error.cause else None) == ("y", "x")


def test_processes_nest_until_a_limit() -> None:
    host = FakeHost()
    host.plans["loop"] = host.add("loop", [action("again", script="self")], {"self": {"process": "loop"}})
    ran = run([action("call", script="loop")], host=host, bindings={"loop": {"process": "loop"}})
    assert ran.error.code == "too_deep"


# -- called from Python code


def test_invoke_runs_an_action_of_this_process_and_what_follows_it() -> None:
    host = FakeHost()

    @scripted(host, "invoker")
    def invoker(app: Application) -> object:
        value = app.invoke("helper")
        assert app.action is not None
        return [value, app.state, app.action.name, app.get("config")]

    main = [action("@start"), action("a", script="invoker", x=1, next=False), action("helper"),
            action("last", state="s", value=7), action("@end")]  # fmt: skip
    ran = run(main, host=host)
    assert ran.names == ["@start", "a", "helper", "last", "@end"]
    assert ran.finished == Finished("s", [7, "s", "a", {"x": 1}])


def test_invoke_raises_the_error_of_the_action_and_runs_no_error_action_of_its_own() -> None:
    host = FakeHost()

    @scripted(host, "invoker")
    def invoker(app: Application) -> object:
        with pytest.raises(PermanentError, match="failed: x"):
            app.invoke("helper")
        return app.error

    ran = run([action("a", script="invoker", next=False), action("helper", fail="x"), action("@error")], host=host)
    assert ran.names == ["a", "helper"]
    assert ran.finished.value is None


@pytest.mark.parametrize(("name", "runs"), [("gone?", True), ("gone", False), ("@end", False)])
def test_invoke_of_an_undeclared_action(name: str, runs: bool) -> None:
    host = FakeHost()

    @scripted(host, "invoker")
    def invoker(app: Application) -> object:
        return app.invoke(name)

    ran = run([action("a", script="invoker"), action("@end")], host=host)
    assert isinstance(ran.outcome, Finished if runs else Failed)


def test_call_runs_a_process_here_and_puts_config_action_and_process_back() -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        value = app.call("sub", config={"action": "t"})
        assert app.action is not None
        assert app.process is not None
        return [value, app.state, app.action.name, app.process.name, app.get("config")]

    sub = [action("@start"), action("s"), action("t", state="x", value=1)]
    ran = run_over(sub, [action("a", script="caller", mine=True)], host)
    assert ran.names == ["a", "sub.@start", "sub.t"]
    assert ran.finished.value == [1, "x", "a", "main", {"mine": True}]


def test_call_runs_a_script_with_a_config() -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        return [app.call("act", config={"state": "x", "value": 2}), app.state, app.get("config")]

    assert run([action("a", script="caller")], host=host).finished.value == [2, "x", None]


def test_include_leaves_config_action_and_process_as_they_become() -> None:
    host = FakeHost()

    @scripted(host, "includer")
    def includer(app: Application) -> object:
        app.include("sub")
        assert app.action is not None
        assert app.process is not None
        return [app.action.name, app.process.name, app.get("config")]

    ran = run_over([action("s", x=1)], [action("a", script="includer")], host)
    assert ran.finished.value == ["s", "sub", {"x": 1}]


def test_an_included_script_sees_the_present_config() -> None:
    host = FakeHost()

    @scripted(host, "includer")
    def includer(app: Application) -> object:
        return app.include("act")

    assert run([action("a", script="includer", value=5)], host=host).finished.value == 5


@pytest.mark.parametrize(("config", "names"), [(None, "s t"), ({"action": "t"}, "t"), ({"action": "x?"}, "")])
def test_include_enters_by_its_config(config: object, names: str) -> None:
    host = FakeHost()

    @scripted(host, "includer")
    def includer(app: Application) -> object:
        return app.include("sub", config=config)

    ran = run_over([action("s"), action("t")], [action("a", script="includer")], host)
    assert ran.names == ["a", *(f"sub.{name}" for name in names.split())]


def test_execute_of_an_optional_action_that_is_missing_runs_nothing() -> None:
    host = FakeHost()
    host.add("other", [action("@start"), action("a", state="x", value=1), action("@end")])

    @scripted(host, "executor")
    def executor(app: Application) -> object:
        done = app.execute("other", action="@consume?")
        return [done.value, done.state]

    ran = run([action("a", script="executor")], host=host)
    assert (ran.names, ran.finished.value) == (["a"], [None, None])


def test_execute_raises_the_error_of_what_it_executed_and_leaves_this_run_as_it_was() -> None:
    host = FakeHost()
    host.add("other", [action("a", fail="x"), action("@error")])

    @scripted(host, "executor")
    def executor(app: Application) -> object:
        with pytest.raises(PermanentError, match="failed: x"):
            app.execute("other")
        return app.error

    ran = run([action("a", script="executor")], host=host)
    assert (ran.names, ran.finished.value) == (["a", "other.a", "other.@error"], None)


CIRCLES = [
    # (what a script does in each round)
    lambda app: app.invoke("loop"),
    lambda app: app.call("sub"),
    lambda app: app.include("sub"),
    lambda app: app.execute("sub"),
]


@pytest.mark.parametrize("go", CIRCLES, ids=["invoke", "call", "include", "execute"])
def test_what_python_calls_counts_for_the_limit_of_the_run(go: Any) -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        return go(app)

    host.add("sub", [action("s", next="s"), action("@error", reset=True, next="s")])
    main = [action("a", script="caller", next="a"), action("loop", next="loop"), action("@error", reset=True, next="a")]
    ran = begin(main, host=host, bindings=SUB)
    outcome = ran.interpreter.run(limit=40)
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "action_limit"
    assert outcome.error.message == "Stopped after 40 actions: does the process run in circles?"
    assert ran.app.ordinal == 40


def test_execute_finds_what_a_reference_is_bound_to() -> None:
    host = FakeHost()
    host.add("other", [action("a", value=1)])
    scripted(host, "executor")(lambda app: app.execute("job").value)
    ran = run([action("a", script="executor")], host=host, bindings={"job": {"process": "other"}})
    assert ran.finished.value == 1


def test_execute_runs_a_process_in_a_fresh_context() -> None:
    host = FakeHost()
    host.add("other", [action("a"), action("@display", state="shown", data={"n": 2}, value=3)])

    @scripted(host, "executor")
    def executor(app: Application) -> object:
        done = app.execute("other", action="@display")
        return [done.value, done.state, done.app.data, app.state]

    ran = run([action("a", script="executor")], host=host, data={"n": 1})
    assert ran.finished.value == [3, "shown", {"n": 2}, None]
    assert ran.app.data == {"n": 1}
    assert ran.names == ["a", "other.@display"]


def test_an_error_caught_around_a_call_leaves_no_trace_in_the_context() -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        with pytest.raises(ProcessError):
            app.call("sub")
        return "went on"

    ran = run_over([action("s", fail="x")], [action("a", script="caller"), action("b", script="see")], host)
    assert ran.app.data["seen"][0]["error"] is None


@pytest.mark.parametrize("script", ["durable", "park", "background", "again"])
@pytest.mark.parametrize("through", ["process", "script"])
def test_what_needs_a_stored_run_fails_below_a_python_call(script: str, through: str) -> None:
    host = FakeHost(durable=True)

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        return app.call("sub" if through == "process" else script)

    error = run_over([action("s", script=script)], [action("a", script="caller")], host).error
    assert isinstance(error, DurableInCallError)
    assert error.code == "durable_in_call"


@pytest.mark.parametrize(
    "target", ["nowhere", "", 5, None, {"$ref": "value"}, {"$ref": "data_node", "reference": "x"}, "text"]
)
def test_what_cannot_be_called_is_not_found(target: object) -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        return app.call(target)

    error = run([action("a", script="caller")], host=host, bindings={"text": {"value": "act"}}).error
    assert error.code in ("not_found", "unknown_script")


def test_a_process_can_be_called_by_the_reference_in_a_config() -> None:
    host = FakeHost()

    @scripted(host, "caller")
    def caller(app: Application) -> object:
        return [app.call(app.get("config")["process"]), app.call(app.get("config")["script"], config={"value": 2})]

    bindings: dict[str, object] = {**SUB, "work": "act"}
    host.add("sub", [action("s", value=1)])
    ran = run([action("a", script="caller", process="${sub}", script_="x")], host=host, bindings=bindings)
    assert ran.error.code == "script_error"
    main = {"name": "a", "script": "caller", "config": {"process": "${sub}", "script": "${work}"}}
    assert run([main], host=host, bindings=bindings).finished.value == [1, 2]


# -- returned as a directive


def test_a_script_may_hand_over_to_a_process() -> None:
    host = FakeHost()

    @scripted(host, "chooser")
    def chooser(app: Application) -> object:
        return CallProcess(target="sub", config={"action": "t"})

    sub = [action("s"), action("t", state="x", value=1)]
    ran = run_over(sub, [action("a", script="chooser", next={"x": "c"}), action("b"), action("c", script=None)], host)
    assert ran.names == ["a", "sub.t", "c"]


@pytest.mark.parametrize("target", ["act", "nowhere", 5])
def test_handing_over_to_something_else_is_an_error_of_the_action(target: object) -> None:
    host = FakeHost()

    @scripted(host, "chooser")
    def chooser(app: Application) -> object:
        return CallProcess(target=target)

    ran = run([action("a", script="chooser"), action("@error", reset=True)], host=host)
    assert ran.names == ["a", "@error"]


def test_endless_nesting_in_python_stops_with_a_clear_error() -> None:
    host = FakeHost()

    @scripted(host, "deeper")
    def deeper(app: Application) -> object:
        return app.invoke("a")

    assert run([action("a", script="deeper")], host=host).error.code == "too_deep"


def test_outside_a_run_nothing_can_be_called() -> None:
    with pytest.raises(ProcessError, match="outside a run"):
        Application().call("act")
    with pytest.raises(ProcessError, match="while a process runs"):
        Application().invoke("a")
