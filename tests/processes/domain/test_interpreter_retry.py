"""Actions that are tried again."""

from datetime import timedelta

import pytest

from processes.domain.directives import RunAgain, Suspended
from processes.domain.retry_policy import RetryPolicy
from processes.errors import PermanentError, ProcessError
from tests.processes.domain.durably import Durable
from tests.processes.domain.support import NOW, FakeHost, action, begin, run


def flaky(fails: int, **keys: object) -> dict[str, object]:
    return {**action("work", script="flaky", fails=fails), **keys}


def test_a_failed_action_with_a_policy_runs_again_as_the_same_step() -> None:
    ran = Durable.begin([action("a"), flaky(2, retry=3), action("b")]).go()
    assert isinstance(ran.outcome, Suspended)
    assert ran.outcome.directive == RunAgain(
        reason="retry",
        until=NOW + timedelta(seconds=1),
        facts={"attempt": 1, "attempts": 3, "action": "work", "error": "not yet"},
    )
    ran.again()
    assert ran.outcome.directive.until == NOW + timedelta(seconds=2)
    ran.again()
    assert ran.finished
    assert [(entry.ordinal, entry.action) for entry in ran.trace] == [(1, "a"), (2, "work"), (3, "b")]
    assert ran.data["keys"] == ["run:2"] * 3


def test_an_action_whose_attempts_are_used_up_fails_by_the_rules() -> None:
    ran = Durable.begin([flaky(9, retry=2), action("@error", script="note", say="mended")]).go().again()
    assert ran.failed.error.code == "busy"
    assert ran.data["log"] == ["mended"]


def test_attempts_are_counted_anew_each_time_an_action_is_reached() -> None:
    ran = Durable.begin(
        [
            flaky(1, retry=2, next="again"),
            action("again", state_from="states", next={"once more": "reset", "*": False}),
            {**action("reset", data={"tries": 0}), "next": "work"},
        ],
        data={"states": ["once more"]},
    )
    ran.go().again()
    assert ran.waits_for == "retry"
    ran.again()
    assert ran.finished


NOT_AGAIN = [
    # (policy, error, effect)
    (RetryPolicy(attempts=1), ProcessError("x"), None),
    (RetryPolicy(attempts=3), PermanentError("x"), None),
    (RetryPolicy(attempts=3, errors=("other",)), ProcessError("x", code="busy"), None),
    (RetryPolicy(attempts=3), ProcessError("x"), "once"),
]


@pytest.mark.parametrize(("policy", "error", "effect"), NOT_AGAIN)
def test_what_is_not_tried_again(policy: RetryPolicy, error: ProcessError, effect: str | None) -> None:
    assert policy.delay_before_next(error, tries=1, effect=effect, key="run:1") is None  # type: ignore[arg-type]


def test_jitter_is_drawn_from_the_step_so_that_deciding_twice_gives_one_answer() -> None:
    policy = RetryPolicy(attempts=3, backoff="fixed", delay_seconds=10, jitter=0.5)
    delays = {policy.delay_before_next(ProcessError("x"), tries=1, effect=None, key="run:1") for _ in range(3)}
    assert len(delays) == 1
    others = {policy.delay_before_next(ProcessError("x"), tries=1, effect=None, key=f"run:{n}") for n in range(50)}
    assert len(others) > 10
    assert all(delay is not None and 5 <= delay <= 10 for delay in others)


def test_a_sub_process_that_fails_is_called_once_more_as_a_new_step() -> None:
    host = FakeHost(durable=True)
    host.add("sub", [action("first", script="note"), flaky(1)])
    ran = Durable.begin(
        [{"name": "call", "script": "sub", "retry": {"attempts": 2, "delay_seconds": 0}}, action("after")],
        host=host,
        bindings={"sub": {"process": "sub"}},
    ).go()
    assert ran.waits_for == "retry"
    ran.again()
    assert ran.finished
    assert ran.data["log"] == ["first", "first"]
    assert len({entry.ordinal for entry in ran.trace}) == len(ran.trace)


def test_a_run_in_the_foreground_asks_for_a_durable_one_to_try_again_in() -> None:
    ran = run([flaky(1, retry=2)])
    assert isinstance(ran.outcome, Suspended)
    assert isinstance(ran.outcome.directive, RunAgain)


def test_below_a_python_call_nothing_is_tried_again() -> None:
    host = FakeHost(durable=True)
    ran = run([action("a", invoke="work", next=False), flaky(1, retry=5)], host=host)
    assert ran.error.code == "busy"


@pytest.mark.parametrize(("policy", "may"), [({"retry": 2}, True), ({}, False)])
def test_that_an_action_may_run_again_is_known_before_it_runs(policy: dict[str, object], may: bool) -> None:
    assert begin([flaky(1, **policy)]).interpreter.may_run_again is may


@pytest.mark.parametrize(("policy", "may"), [({"retry": 2}, True), ({}, False)])
def test_a_sub_process_may_run_again_with_the_action_that_has_called_it(policy: dict[str, object], may: bool) -> None:
    host = FakeHost(durable=True)
    host.add("sub", [action("first", script="note")])
    call = {"name": "call", "script": "sub", **policy}
    interpreter = begin([call], host=host, bindings={"sub": {"process": "sub"}}).interpreter
    interpreter.step()
    assert interpreter.pending is not None
    assert (interpreter.pending.name, interpreter.may_run_again) == ("first", may)


def test_a_branch_may_run_again_with_its_anchor() -> None:
    anchor = action("anchor", script="anchor", id="c", next={"prepare": False, "progress": "b"})
    ran = Durable.begin([{**anchor, "retry": 2}, action("b", script="note", next=False)]).go()
    interpreter = ran.restore()
    interpreter.report("c", "progress", is_last=False)
    assert interpreter.may_run_again
