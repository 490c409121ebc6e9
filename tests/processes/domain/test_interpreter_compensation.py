"""Undoing what was done, when a run fails or is cancelled."""

from tests.processes.domain.durably import Durable
from tests.processes.domain.support import FakeHost, action, run


def step(name: str, **config: object) -> dict[str, object]:
    return {**action(name, script="note", **config), "compensate": f"undo {name}"}


def undo(name: str, **config: object) -> dict[str, object]:
    return {**action(f"undo {name}", script="note", **config), "next": False}


BOOKING = [step("car"), action("plain", script="note"), step("hotel"), step("flight", fail="full"),
           action("end", script="note", next=False), undo("car"), undo("hotel"), undo("flight")]  # fmt: skip


def test_completed_actions_are_undone_in_reverse_and_the_run_ends_with_its_cause() -> None:
    ran = Durable.begin(BOOKING).go()
    assert ran.data["log"] == ["car", "plain", "hotel", "flight", "undo hotel", "undo car"]
    assert (ran.failed.error.code, ran.failed.compensated) == ("full", True)


def test_each_compensating_step_names_the_step_that_it_has_undone() -> None:
    ran = Durable.begin(BOOKING).go()
    undone = {entry.action: entry.undoes for entry in ran.trace if entry.undoes}
    assert undone == {"undo hotel": 3, "undo car": 1}


def test_a_foreground_run_undoes_too() -> None:
    assert run(BOOKING).app.data["log"][-2:] == ["undo hotel", "undo car"]


def test_a_run_that_fails_without_compensations_is_not_compensated() -> None:
    assert not Durable.begin([action("a", fail="x")]).go().failed.compensated


def test_an_error_that_is_reset_undoes_nothing() -> None:
    mended = action("@error", script="act", reset=True, next="end")
    ran = Durable.begin([*BOOKING, mended]).go()
    assert ran.finished
    assert "undo hotel" not in ran.data["log"]


def test_an_error_handler_runs_before_anything_is_undone() -> None:
    ran = Durable.begin([*BOOKING, action("@error", script="note", say="handler")]).go()
    assert ran.data["log"][-3:] == ["handler", "undo hotel", "undo car"]


def test_what_was_done_in_a_sub_process_is_undone_in_that_process() -> None:
    host = FakeHost(durable=True)
    host.add("trip", [step("train"), action("out", script="note", next=False), undo("train", say="sub undo")])
    ran = Durable.begin(
        [step("car"), {"name": "trip", "script": "trip"}, action("late", fail="x"), undo("car"), undo("train")],
        host=host,
        bindings={"trip": {"process": "trip"}},
    ).go()
    assert ran.data["log"] == ["car", "train", "out", "sub undo", "undo car"]
    assert ran.failed.compensated


def test_an_action_that_calls_a_process_can_undo_all_of_it_by_another_process() -> None:
    host = FakeHost(durable=True)
    host.add("back", [action("one", script="note"), action("two", script="note")])
    ran = Durable.begin(
        [{**action("go", script="note"), "compensate": "return"}, action("late", fail="x", next=False),
         {"name": "return", "script": "back", "next": False}],
        host=host,
        bindings={"back": {"process": "back"}},
    ).go()  # fmt: skip
    assert ran.data["log"] == ["go", "one", "two"]
    assert ran.failed.compensated


def test_what_undoes_sees_the_cause_as_the_error() -> None:
    ran = Durable.begin(
        [{**action("a"), "compensate": "b"}, action("late", fail="why", next=False), action("b", script="see")]
    ).go()
    assert ran.data["seen"][0]["error"] == "why"


def test_a_loop_is_undone_once_for_each_time() -> None:
    ran = Durable.begin(
        [step("car"), action("again", state_from="states", next={"more": "car", "*": "late"}),
         action("late", fail="x", next=False), undo("car")],
        data={"states": ["more", "more"]},
    ).go()  # fmt: skip
    assert ran.data["log"] == ["car"] * 3 + ["undo car"] * 3


def test_a_compensation_that_fails_ends_the_run_and_keeps_what_is_still_to_be_undone() -> None:
    ran = Durable.begin([step("car"), step("hotel"), action("late", fail="x", next=False),
                         undo("car"), undo("hotel", fail="gone")]).go()  # fmt: skip
    assert (ran.failed.error.code, ran.failed.compensated) == ("gone", False)
    cause = ran.failed.error.cause
    assert cause is not None
    assert cause.code == "x"
    assert [done["action"] for done in ran.cursor["compensation"]["done"]] == ["car", "hotel"]


def test_a_compensation_is_tried_again_by_its_own_policy() -> None:
    again = {**action("undo car", script="flaky", fails=1), "retry": 2, "next": False}
    ran = Durable.begin([step("car"), action("late", fail="x", next=False), again]).go()
    assert ran.waits_for == "retry"
    ran.again()
    assert ran.failed.compensated


def test_a_cancelled_run_undoes_what_it_has_done_while_it_waits() -> None:
    ran = Durable.begin([step("car"), action("wait", script="park"), undo("car")]).go()
    assert ran.cancel()
    assert ran.data["log"] == ["car", "undo car"]
    assert (ran.failed.error.code, ran.failed.compensated) == ("cancelled", True)


def test_a_run_with_nothing_to_undo_is_simply_cancelled() -> None:
    ran = Durable.begin([action("wait", script="park")]).go()
    assert not ran.cancel()
    assert ran.waits_for == "test"


def test_a_run_that_undoes_already_goes_on_with_that_when_it_is_cancelled() -> None:
    ran = Durable.begin(
        [step("car"), step("hotel"), action("late", fail="x", next=False), undo("car"),
         {**action("undo hotel", script="park"), "next": False}]
    ).go()  # fmt: skip
    assert ran.waits_for == "test"
    assert ran.cancel()
    assert ran.waits_for == "test"
    ran.resume()
    assert ran.data["log"] == ["car", "hotel", "undo car"]
    assert ran.failed.error.code == "x"


def test_that_a_run_was_cancelled_is_known_as_long_as_it_undoes() -> None:
    ran = Durable.begin([step("car"), action("wait", script="park"), {**undo("car"), "script": "park"}]).go()
    assert not ran.restore().was_cancelled
    ran.cancel()
    assert ran.restore().was_cancelled
    ran.resume()
    assert ran.restore().was_cancelled


def test_a_run_that_is_cancelled_while_it_undoes_for_an_error_was_cancelled_too() -> None:
    late = action("late", fail="x", next=False)
    ran = Durable.begin([step("car"), late, {**undo("car"), "script": "park"}]).go()
    assert not ran.restore().was_cancelled
    ran.cancel()
    assert ran.restore().was_cancelled
