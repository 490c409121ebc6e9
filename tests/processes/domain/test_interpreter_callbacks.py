"""Anchors: processes that callbacks lead on."""

import pytest

from processes.domain.directives import Failed
from processes.errors import ProcessError
from tests.processes.domain.durably import Durable
from tests.processes.domain.support import FakeHost, action


def anchor(name: str = "anchor", *, id: str = "c", **routes: object) -> dict[str, object]:
    return action(name, script="anchor", id=id, next={"prepare": "call", "*": False, **routes})


def note(name: str, *, next: object = False, **config: object) -> dict[str, object]:
    return action(name, script="note", next=next, **config)


USUAL = [note("before", next=True), anchor(complete="done", progress="seen"), note("call"), note("seen"),
         note("done", next=True), note("after", next=True, state="fine", value=7), note("@end")]  # fmt: skip


def test_the_anchor_prepares_and_the_run_rests_until_its_callback_ends() -> None:
    ran = Durable.begin(USUAL).go()
    assert ran.data["log"] == ["before", "call"]
    assert ran.waits_for == "callback"


def test_progress_leads_on_from_the_anchor_and_the_run_waits_again() -> None:
    ran = Durable.begin(USUAL).go()
    assert ran.report("c", "progress")
    assert ran.report("c", "progress")
    assert ran.data["log"] == ["before", "call", "seen", "seen"]
    assert ran.waits_for == "callback"


def test_the_last_report_leads_to_the_end_of_the_process() -> None:
    ran = Durable.begin(USUAL).go()
    ran.report("c", "complete", is_last=True)
    assert ran.data["log"] == ["before", "call", "done", "after", "@end"]
    assert (ran.finished.state, ran.finished.value) == ("fine", 7)


def test_a_last_report_that_leads_nowhere_ends_the_process_with_its_state() -> None:
    ran = Durable.begin([anchor(), note("call"), note("@end")]).go()
    ran.report("c", "error", is_last=True)
    assert ran.data["log"] == ["call", "@end"]
    assert ran.finished.state == "error"


ROUTES = [
    # (routes, state, alternatives, what runs)
    ({"start": "one", "active": "two"}, "start", ("active",), "one"),
    ({"active": "two"}, "progress", ("active",), "two"),
    ({"error": "two"}, "timeout", ("error",), "two"),
    ({"*": "two"}, "progress", ("active",), "two"),
]


@pytest.mark.parametrize(("routes", "state", "alternatives", "runs"), ROUTES)
def test_a_report_is_looked_up_by_state_then_alias_then_group_then_default(
    routes: dict[str, object], state: str, alternatives: tuple[str, ...], runs: str
) -> None:
    ran = Durable.begin([anchor(**routes), note("call"), note("one"), note("two")]).go()
    ran.report("c", state, alternatives=alternatives)
    assert ran.data["log"] == ["call", runs]


@pytest.mark.parametrize("clause", [True, "next one"])
def test_a_plain_next_leads_on_after_each_report(clause: object) -> None:
    ran = Durable.begin([action("anchor", script="anchor", id="c", next=clause), note("next one")]).go()
    ran.report("c", "progress")
    assert ran.data["log"] == ["next one", "next one"]


def test_progress_that_is_stored_leads_nowhere_unless_a_route_names_it() -> None:
    ran = Durable.begin([anchor(**{"*": "other"}), note("call"), note("other")]).go()
    assert ran.report("c", "progress", alternatives=("active",), stores=True)
    assert ran.data["log"] == ["call"]
    named = Durable.begin([anchor(active="other"), note("call"), note("other")]).go()
    named.report("c", "progress", alternatives=("active",), stores=True)
    assert named.data["log"] == ["call", "other"]


def test_a_callback_that_no_anchor_waits_for_changes_nothing() -> None:
    ran = Durable.begin(USUAL).go()
    before = ran.cursor
    assert not ran.report("other", "complete", is_last=True)
    assert ran.cursor == before


def test_a_run_with_several_callbacks_ends_with_the_last_of_them() -> None:
    ran = Durable.begin(
        [anchor("first", id="1", prepare="second", complete="one"),
         anchor("second", id="2", prepare="call", complete="two"),
         note("call"), note("one"), note("two"), note("@end")]
    ).go()  # fmt: skip
    ran.report("2", "complete", is_last=True)
    assert ran.waits_for == "callback"
    ran.report("1", "complete", is_last=True)
    assert ran.data["log"] == ["call", "two", "one", "@end"]
    assert ran.finished


def test_a_branch_may_wait_and_reports_that_come_meanwhile_are_dealt_with() -> None:
    ran = Durable.begin(
        [anchor(progress="ask", complete="done"), note("call"), action("ask", script="park", next="asked"),
         note("asked"), note("done")]
    ).go()  # fmt: skip
    ran.report("c", "progress")
    assert ran.waits_for == "test"
    ran.report("c", "complete", is_last=True)
    assert ran.data["log"] == ["call", "done"]
    assert ran.waits_for == "test"
    ran.resume("yes")
    assert ran.data["log"] == ["call", "done", "asked"]
    assert ran.finished


def test_a_branch_knows_what_led_to_it_also_after_it_has_waited_for_longer_than_other_branches_took() -> None:
    ran = Durable.begin(
        [anchor("first", id="1", prepare="second", progress="ask"),
         anchor("second", id="2", prepare="call", complete="see"),
         note("call"), action("ask", script="park", next="see"), note("see", say="%{attr:from}")]
    ).go()  # fmt: skip
    ran.report("1", "progress", attributes={"from": "one"})
    assert ran.waits_for == "test"
    ran.report("2", "complete", is_last=True, attributes={"from": "two"})
    assert ran.data["log"] == ["call", "two"]
    ran.resume()
    assert ran.data["log"] == ["call", "two", "one"]


def test_what_a_report_has_set_is_there_when_the_process_ends_with_it() -> None:
    ran = Durable.begin([anchor(complete=False), note("call"), note("@end", say="%{attr:from}")]).go()
    ran.report("c", "complete", is_last=True, attributes={"from": "one"})
    assert ran.data["log"] == ["call", "one"]


def test_an_anchor_in_a_sub_process_keeps_that_process_and_its_callers_waiting() -> None:
    host = FakeHost(durable=True)
    host.add("sub", [anchor(complete="done"), note("call"), note("done", state="ok")])
    ran = Durable.begin(
        [{"name": "go", "script": "sub", "next": {"ok": "after"}}, note("wrong"), note("after")],
        host=host,
        bindings={"sub": {"process": "sub"}},
    ).go()
    assert ran.waits_for == "callback"
    ran.report("c", "complete", is_last=True)
    assert ran.data["log"] == ["call", "done", "after"]


def test_an_outer_callback_reports_while_an_inner_one_waits() -> None:
    host = FakeHost(durable=True)
    host.add("inner", [anchor("in", id="i", complete="in done"), note("call", say="in call"), note("in done")])
    ran = Durable.begin(
        [anchor("out", id="o", prepare="go", progress="out seen", complete="out done"),
         {"name": "go", "script": "inner", "next": False}, note("out seen"), note("out done"), note("@end")],
        host=host,
        bindings={"inner": {"process": "inner"}},
    ).go()  # fmt: skip
    ran.report("o", "progress")
    ran.report("o", "complete", is_last=True)
    assert ran.data["log"] == ["in call", "out seen", "out done"]
    assert ran.waits_for == "callback"
    ran.report("i", "complete", is_last=True)
    assert ran.data["log"] == ["in call", "out seen", "out done", "in done", "@end"]


def test_an_error_in_a_branch_is_the_anchors_and_goes_to_the_handler() -> None:
    ran = Durable.begin([anchor(progress="bad"), note("call"), note("bad", fail="x"), note("@error", say="handler")])
    ran.go().report("c", "progress")
    assert ran.data["log"] == ["call", "bad", "handler"]
    assert ran.failed.error.code == "x"
    assert ran.dropped == ["c"]


def test_a_handler_that_resets_the_error_lets_the_run_wait_on() -> None:
    ran = Durable.begin(
        [anchor(progress="bad", complete="done"), note("call"), note("bad", fail="x"),
         action("@error", reset=True, next=False), note("done")]
    ).go()  # fmt: skip
    ran.report("c", "progress")
    assert ran.waits_for == "callback"
    ran.report("c", "complete", is_last=True)
    assert ran.data["log"] == ["call", "bad", "done"]
    assert ran.finished


def test_an_anchor_that_is_tried_again_for_an_error_in_a_branch_is_another_step() -> None:
    tried = {**anchor(prepare=False, progress="bad"), "retry": {"attempts": 2, "delay_seconds": 0}}
    ran = Durable.begin([tried, action("bad", script="flaky", fails=1, next=False)]).go()
    ran.report("c", "progress")
    assert ran.waits_for == "retry"
    [bad] = [entry for entry in ran.trace if entry.action == "bad"]
    ran.again()
    assert ran.waits_for == "callback"
    assert (ran.trace[-1].action, ran.trace[-1].ordinal) == ("anchor", bad.ordinal + 1)


def test_an_error_in_an_outer_branch_ends_what_the_process_has_called() -> None:
    host = FakeHost(durable=True)
    host.add("inner", [anchor("in", id="i"), note("call", say="in call")])
    ran = Durable.begin(
        [anchor("out", id="o", prepare="go", progress="bad"), {"name": "go", "script": "inner"},
         note("bad", fail="x")],
        host=host,
        bindings={"inner": {"process": "inner"}},
    ).go()  # fmt: skip
    ran.report("o", "progress")
    assert ran.failed.error.code == "x"
    assert sorted(ran.dropped) == ["i", "o"]
    assert ("go", "x") in [(entry.action, entry.error.code) for entry in ran.trace if entry.error]


def test_a_run_that_does_not_wait_takes_no_reports() -> None:
    ran = Durable.begin(USUAL)
    with pytest.raises(ProcessError) as caught:
        ran.restore().report("c", "progress", is_last=False)
    assert caught.value.code == "not_parked"


def test_an_anchor_below_a_python_call_is_refused() -> None:
    ran = Durable.begin([action("a", invoke="anchor", next=False), anchor(), note("call")]).go()
    assert ran.failed.error.code == "durable_in_call"


@pytest.mark.parametrize("slow", ["durable", "sub"])
def test_a_report_leaves_the_time_limit_of_what_waits_in_the_same_process(slow: str) -> None:
    host = FakeHost(durable=True)
    host.add("sub", [action("wait", script="durable")])
    limited = {**action("call", script=slow, next=False), "timeout_seconds": 60}
    ran = Durable.begin(
        [anchor(progress="seen"), limited, note("seen")], host=host, bindings={"sub": {"process": "sub"}}
    )
    ran.go()
    before = ran.restore().deadline
    assert before is not None
    ran.report("c", "progress")
    assert (ran.data["log"], ran.restore().deadline) == (["seen"], before)


def test_an_anchor_is_undone_once_however_often_it_was_reported() -> None:
    begin = {**anchor(progress="seen", complete="full"), "compensate": "withdraw"}
    full = note("full", fail="no room")
    ran = Durable.begin([begin, note("call"), note("seen"), full, note("withdraw")]).go()
    for _ in range(3):
        ran.report("c", "progress")
    ran.report("c", "complete", is_last=True)
    assert ran.data["log"].count("withdraw") == 1
    assert isinstance(ran.outcome, Failed)
    assert ran.outcome.compensated


def test_an_anchor_that_undoes_something_is_not_waited_for() -> None:
    book = {**note("book", next=True), "compensate": "unbook"}
    ran = Durable.begin([book, note("breaks", fail="full"), anchor("unbook", id="u"), note("call")]).go()
    assert ran.dropped == ["u"]
    assert isinstance(ran.outcome, Failed)
    assert ran.outcome.compensated


@pytest.mark.parametrize("retry", [None, 2])
def test_what_waited_below_a_branch_that_fails_ends_with_its_error(retry: int | None) -> None:
    begin = {**anchor(progress="breaks"), **({} if retry is None else {"retry": retry})}
    hold = action("call", script="durable", next=False)
    ran = Durable.begin([begin, hold, note("breaks", fail="full"), action("@error", reset=True, next=False)]).go()
    ran.report("c", "progress")
    assert [entry.error and entry.error.code for entry in ran.trace if entry.action == "call"] == ["full"]


def test_what_waits_in_a_branch_ends_with_the_time_of_what_waits_below_it() -> None:
    limited = {**action("call", script="durable", next=False), "timeout_seconds": 60}
    ran = Durable.begin([anchor(progress="hold"), limited, action("hold", script="durable", next=False)]).go()
    ran.report("c", "progress")
    interpreter = ran.restore()
    interpreter.expire(ProcessError("too late", code="timeout"))
    ended = {entry.action: entry.error and entry.error.code for entry in ran.trace}
    assert (ended["hold"], ended["call"]) == ("timeout", "timeout")


def test_a_branch_sees_the_error_that_its_process_was_called_with_whatever_waits_below_it() -> None:
    host = FakeHost(durable=True)
    host.add("ask", [action("wait", script="durable")])
    mend = [anchor(progress="look"), note("call", next="full"), note("full", fail="second"),
            action("look", script="see", next=False), action("@error", script="ask")]  # fmt: skip
    host.add("mend", mend, {"ask": {"process": "ask"}})
    main = [note("work", fail="first"), action("@error", script="mend")]
    ran = Durable.begin(main, host=host, bindings={"mend": {"process": "mend"}}).go()
    ran.report("c", "progress")
    assert [seen["error"] for seen in ran.data["seen"]] == ["first"]


def test_a_start_that_is_tried_again_for_an_error_in_its_branch_is_followed_by_what_was_asked_for() -> None:
    start = {**action("@start", script="anchor", id="c", next={"progress": "breaks"}), "retry": 2}
    breaks = action("breaks", script="flaky", fails=1, next=False)
    ran = Durable.begin([note("first"), note("asked"), start, breaks], entry="asked").go()
    ran.report("c", "progress")
    ran.again()
    assert ran.data["log"] == ["asked", "asked"]
