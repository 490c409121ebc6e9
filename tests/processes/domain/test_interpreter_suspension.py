"""Stopping and going on: background, waiting, running again, limits, cancellation."""

import pytest

from processes.domain.application import Application
from processes.domain.directives import RUNNING, Background, Failed, Finished, Park, RunAgain, Suspended
from processes.domain.interpreter import Interpreter, TraceEntry
from processes.errors import PermanentError, ProcessError, RunCancelled
from tests.processes.domain.support import NOW, FakeHost, Ran, action, begin, run


def suspended(ran: Ran) -> object:
    assert isinstance(ran.outcome, Suspended), ran.outcome
    return ran.outcome.directive


def test_background_completes_its_action_and_stops_before_the_next_one() -> None:
    ran = run([action("@start"), action("a", script="background", state="x", next={"x": "c"}), action("b"), action("c"),
               action("@end")])  # fmt: skip
    assert suspended(ran) == Background()
    assert ran.names == ["@start", "a"]
    pending = ran.interpreter.pending
    assert pending is not None
    assert (pending.name, pending.ordinal) == ("c", 3)
    ran.interpreter.run()
    assert ran.names == ["@start", "a", "c", "@end"]


def test_background_as_the_last_action_leaves_a_finished_cursor_to_the_durable_run() -> None:
    ran = run([action("a", script="background", state="x")])
    assert suspended(ran) == Background()
    restored = Interpreter.restore(ran.interpreter.cursor_json(), app=Application(), host=FakeHost())
    assert restored.outcome == Finished("x", None)
    assert ran.interpreter.run() == Finished("x", None)


def test_background_just_goes_on_in_a_durable_run() -> None:
    ran = run([action("a", script="background"), action("b", value=1)], host=FakeHost(durable=True))
    assert ran.finished.value == 1


def test_parking_keeps_the_action_current_until_it_is_resumed() -> None:
    ran = run([action("a"), action("b", script="park", next={"yes": "d"}), action("c"), action("d", value=2)])
    assert suspended(ran) == Park(reason="test", until=NOW, facts={"for": "a test"})
    assert ran.names == ["a"]
    assert ran.interpreter.run() == ran.outcome
    pending = ran.interpreter.pending
    assert pending is not None
    assert (pending.name, pending.ordinal) == ("b", 2)
    ran.interpreter.resume("yes", {"any": "value"})
    assert ran.outcome is RUNNING
    ran.interpreter.run()
    assert [(entry.ordinal, entry.action, entry.state) for entry in ran.trace] == [
        (1, "a", None),
        (2, "b", "yes"),
        (3, "d", None),
    ]


RESUMED = [
    # (next clause, state, alternatives, what follows)
    ({"create": "c"}, "prepare", ("create", "anchor"), "c"),
    ({"prepare": "c", "create": "b"}, "prepare", ("create",), "c"),
    ({"active": "c", "*": "b"}, "start", ("active",), "c"),
    ({"*": "c"}, "start", ("active",), "c"),
    ({}, "start", ("active",), "b"),
]


@pytest.mark.parametrize(("clause", "state", "alternatives", "follows"), RESUMED)
def test_resuming_looks_up_alternatives_after_the_state(
    clause: object, state: str, alternatives: tuple[str, ...], follows: str
) -> None:
    ran = run([action("a", script="park", next=clause), action("b", next=False), action("c")])
    ran.interpreter.resume(state, alternatives=alternatives)
    pending = ran.interpreter.pending
    assert pending is not None
    assert pending.name == follows


def test_the_last_action_ends_the_run_with_what_it_is_resumed_with() -> None:
    ran = run([action("a", script="park")])
    ran.interpreter.resume("s", 5)
    assert ran.finished == Finished("s", 5)


def test_a_parked_action_may_fail_by_the_rules_of_the_process() -> None:
    ran = run([action("a", script="park"), action("@error", reset=True)])
    ran.interpreter.fail(PermanentError("late", code="timeout"))
    ran.interpreter.run()
    assert isinstance(ran.outcome, Finished)
    assert [(entry.action, entry.error and entry.error.code) for entry in ran.trace] == [
        ("a", "timeout"),
        ("@error", None),
    ]


def test_a_pending_action_may_fail_without_having_run() -> None:
    ran = begin([action("a", count="n")])
    ran.interpreter.fail(PermanentError("unknown", code="outcome_unknown"))
    assert ran.error.action == "a"
    assert ran.app.data == {}


@pytest.mark.parametrize("call", ["resume", "fail"])
def test_a_run_that_has_ended_cannot_be_resumed_nor_fail(call: str) -> None:
    ran = run([action("a")])
    with pytest.raises(ProcessError, match="isn't waiting"):
        ran.interpreter.resume() if call == "resume" else ran.interpreter.fail(ProcessError("x"))


def test_an_action_that_asks_to_run_again_keeps_its_ordinal() -> None:
    ran = run([action("a", script="again"), action("b")])
    for _ in range(2):
        assert suspended(ran) == RunAgain(reason="busy")
        pending = ran.interpreter.pending
        assert pending is not None
        assert pending.ordinal == 1
        ran.interpreter.run()
    assert ran.app.data == {"tries": 3}
    assert ran.names == ["a", "b"]


def test_a_durable_script_stops_a_foreground_run_before_it_starts() -> None:
    ran = run([action("a"), action("b", script="durable")])
    assert suspended(ran) == RunAgain(reason="durable")
    assert ran.names == ["a"]
    restored = Interpreter.restore(
        ran.interpreter.cursor_json(), app=Application(), host=FakeHost(durable=True, plans=_plans(ran))
    )
    assert restored.run() == Suspended(Park(reason="durable"))


def _plans(ran: Ran) -> dict[str, object]:
    assert isinstance(ran.interpreter.host, FakeHost)
    return ran.interpreter.host.plans  # type: ignore[return-value]


def test_waiting_inside_a_sub_process_holds_no_python_stack() -> None:
    host = FakeHost(durable=True)
    host.add("sub", [action("s", script="park", next={"ok": "t"}), action("t", state="done", value=1)])
    ran = run([action("call", script="sub", next={"done": "b"}), action("a"), action("b", script=None)], host=host,
              bindings={"sub": {"process": "sub"}})  # fmt: skip
    pending = ran.interpreter.pending
    assert pending is not None
    assert (pending.name, pending.depth, pending.process) == ("s", 1, "sub")
    ran.interpreter.resume("ok")
    ran.interpreter.run()
    assert ran.names == ["call", "sub.s", "sub.t", "b"]


def test_too_many_actions_end_a_foreground_run_past_every_rule() -> None:
    definition = [action("a", count="n", next="a"), action("@error", reset=True, next="a"), action("@end")]
    ran = begin(definition)
    outcome = ran.interpreter.run(limit=50)
    assert isinstance(outcome, Failed)
    assert (outcome.error.code, outcome.error.action, ran.app.data["n"]) == ("action_limit", "a", 50)


@pytest.mark.parametrize(("actions", "limit", "finishes"), [(3, 3, True), (4, 3, False), (4, None, True)])
def test_the_limit_is_what_may_run(actions: int, limit: int | None, finishes: bool) -> None:
    ran = begin([action(f"a{n}") for n in range(actions)])
    assert isinstance(ran.interpreter.run(limit=limit), Finished) is finishes


def test_actions_of_sub_processes_and_calls_count() -> None:
    host = FakeHost()

    @host.registry.task_script("caller")
    def caller(app: Application) -> object:
        try:
            return app.call("sub")
        except ProcessError:
            return "a script that catches everything doesn't escape the limit"

    host.add("sub", [action("s", next="s")])
    ran = begin([action("a", script="caller"), action("b")], host=host, bindings={"sub": {"process": "sub"}})
    outcome = ran.interpreter.run(limit=20)
    assert isinstance(outcome, Failed)
    assert outcome.error.code == "action_limit"


def test_cancellation_passes_through_and_leaves_the_action_pending() -> None:
    ran = begin([action("a"), action("b", script="cancelled"), action("@error", reset=True)])
    with pytest.raises(RunCancelled):
        ran.interpreter.run()
    pending = ran.interpreter.pending
    assert pending is not None
    assert (pending.name, pending.ordinal, ran.outcome) == ("b", 2, RUNNING)
    with pytest.raises(RunCancelled):
        ran.interpreter.step()


def test_a_script_asks_whether_the_run_is_cancelled() -> None:
    host = FakeHost()

    @host.registry.task_script("patient")
    def patient(app: Application) -> None:
        app.check_cancelled()

    assert isinstance(run([action("a", script="patient")], host=host).outcome, Finished)
    host.cancelled = True
    with pytest.raises(RunCancelled):
        run([action("a", script="patient")], host=host)


def test_a_step_runs_exactly_one_action() -> None:
    ran = begin([action("@start"), action("a"), action("b"), action("@end")])
    seen = []
    while (pending := ran.interpreter.pending) is not None:
        seen.append(pending.name)
        ran.interpreter.step()
        assert [entry.action for entry in ran.trace] == seen
    assert seen == ["@start", "a", "b", "@end"]
    assert ran.interpreter.step() == ran.outcome == Finished(None, None)


def test_pending_describes_the_action() -> None:
    host = FakeHost()
    host.add("sub", [action("s", script="once")])
    ran = begin(
        [action("call", script="sub"), action("n", script=None)], host=host, bindings={"sub": {"process": "sub"}}
    )
    described = []
    while (pending := ran.interpreter.pending) is not None:
        described.append((pending.name, pending.script, pending.effect, pending.is_process, pending.depth))
        ran.interpreter.step()
    assert described == [
        ("call", "sub", None, True, 0),
        ("s", "once", "once", False, 1),
        ("n", None, None, False, 0),
    ]


def test_idempotency_keys_are_stable_for_a_step_and_differ_between_steps() -> None:
    host = FakeHost()

    @host.registry.task_script("key")
    def key(app: Application) -> None:
        app.data.setdefault("keys", []).append(app.idempotency_key)

    assert run([action("a", script="key"), action("b", script="key")], host=host).app.data["keys"] == ["run:1", "run:2"]


@pytest.mark.parametrize("how", ["invoke", "execute"])
def test_what_follows_a_step_that_was_broken_off_has_no_key_of_what_that_had_called(how: str) -> None:
    host, keys = FakeHost(), list[str]()

    @host.registry.task_script("key")
    def key(app: Application) -> None:
        keys.append(app.idempotency_key)

    @host.registry.task_script("calling")
    def calling(app: Application) -> None:
        key(app)
        for _ in range(2):
            getattr(app, how)("called")
        raise RunCancelled("it took too long")

    host.add("called", [action("called", script="key", next=False)])
    ran = begin(
        [
            action("a", script="calling"),
            action("called", script="key", next=False),
            action("@error", script="key", next="b"),
            action("b", script="key", next=False),
        ],
        host=host,
        bindings={"called": {"process": "called"}} if how == "execute" else {},
    )
    with pytest.raises(RunCancelled):
        ran.interpreter.run()
    ran.interpreter.fail(ProcessError("it took too long"))
    ran.interpreter.run()
    assert len(keys) == len(set(keys)) >= 4


def test_a_guard_may_refuse_what_a_script_has_left_as_that_actions_failure() -> None:
    def guard(app: Application, value: object) -> None:
        if "bad" in app.data or value == "bad":
            app.data.pop("bad", None)
            raise PermanentError("not JSON", code="not_json")

    host = FakeHost()
    for name, definition in (
        ("data", [action("a"), action("b", data={"bad": 1}), action("c"), action("@error", reset=True)]),
        ("value", [action("a"), action("b", value="bad"), action("c"), action("@error", reset=True)]),
    ):
        trace: list[TraceEntry] = []
        plan = host.add(name, definition)
        Interpreter.start(plan, app=Application(), host=host, trace=trace.append, guard=guard).run()
        assert [(entry.action, entry.error and entry.error.code) for entry in trace] == [
            ("a", None),
            ("b", "not_json"),
            ("@error", None),
        ]
