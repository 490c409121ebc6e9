"""A run that waits at a form goes on where the pressed button leads, with the values among its data."""

from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import RUNNING, Failed, Suspended
from processes.domain.entering import FormAnswer
from processes.domain.interpreter import Interpreter
from processes.errors import ProcessError
from tests.processes.domain.support import FakeHost, Ran, action, begin, run


def form(name: str = "ask", **leads: str) -> dict[str, Any]:
    return action(name, script="form", **(leads or {"submit": "after"}))


def answer(ran: Ran, values: Any = None, *, button: str = "submit", ordinal: int | None = None) -> bool:
    """Answer the form at which a run waits, and let it go on."""
    forms = ran.interpreter.waiting_forms
    taken = ran.interpreter.answer(FormAnswer(ordinal=ordinal or forms[0], button=button, values=values))
    ran.interpreter.run()
    return taken


def test_it_goes_on_at_the_action_and_not_by_the_next_clause() -> None:
    ran = run([action("a"), form(), action("skipped"), action("after", value=2), action("last")])
    assert ran.interpreter.waiting_forms == [2]
    assert answer(ran, {"text": "x"})
    assert (ran.names, ran.app.data) == (["a", "ask", "after", "last"], {"text": "x"})


def test_each_button_leads_to_its_own_action() -> None:
    for button, names in (("yes", ["ask", "good"]), ("no", ["ask", "bad"])):
        ran = run([form(yes="good", no="bad"), action("good", next=False), action("bad", next=False)])
        answer(ran, button=button)
        assert ran.names == names


def test_the_request_tells_button_action_and_files_as_that_of_a_page_does() -> None:
    ran = begin([form(yes="after"), action("after")], parameters={"kept": "1"})
    ran.interpreter.run()
    files = {"paper": {"type": "FILE_INFO", "id": "1"}}
    ran.interpreter.answer(FormAnswer(ordinal=1, button="yes", values=files, files=files))
    assert ran.app.request.parameters == {"kept": "1", "button": "yes", "action": "after"}
    assert ran.app.request.files == files


def test_without_values_the_data_stay_as_they_are() -> None:
    ran = run([form(), action("after")], data={"text": "before"})
    answer(ran)
    assert ran.app.data == {"text": "before"}


def test_an_answer_to_another_step_is_nobodys() -> None:
    ran = run([form(), action("after")])
    assert not answer(ran, {"text": "x"}, ordinal=7)
    assert (ran.interpreter.waiting_forms, ran.app.data) == ([1], {})


def test_a_run_that_waits_for_something_else_takes_no_answer() -> None:
    ran = run([action("park", script="park"), action("after")])
    assert not answer(ran, {"text": "x"}, ordinal=1)
    assert ran.app.data == {}


def test_a_cursor_keeps_where_the_buttons_lead() -> None:
    host = FakeHost()
    ran = run([form(), action("skipped"), action("after")], host=host)
    app = Application()
    restored = Ran(Interpreter.restore(ran.interpreter.cursor_json(), app=app, host=host), app, [])
    assert restored.interpreter.waiting_forms == [1]
    assert answer(restored, {"text": "x"})
    assert restored.finished.state is None
    assert app.data == {"text": "x"}


def test_an_answer_survives_being_stored() -> None:
    said = FormAnswer(ordinal=3, button="yes", values={"a": 1}, files={"f": {}})
    assert FormAnswer.from_json({"at": "now", **said.to_json()}) == said
    plain = FormAnswer(ordinal=3, button="back-1")
    assert (FormAnswer.from_json(plain.to_json()), plain.to_json()) == (plain, {"ordinal": 3, "button": "back-1"})


def test_a_button_that_the_definition_does_not_know_is_an_error_of_the_step() -> None:
    ran = run([form(), action("after")])
    answer(ran, button="forged")
    assert (ran.error.code, ran.error.action) == ("not_found", "ask")


def test_an_action_that_is_gone_is_an_error_that_error_can_deal_with() -> None:
    ran = run([form(submit="gone"), action("after"), action("@error", reset=None, next="after")])
    answer(ran)
    assert ran.names == ["ask", "@error", "after"]


def test_an_undeclared_action_enters_at_unknown_as_from_a_page() -> None:
    ran = run([form(submit="gone"), action("after"), action("@unknown")])
    answer(ran)
    assert ran.names == ["ask", "@unknown"]


def test_an_optional_action_that_is_not_declared_ends_the_process() -> None:
    ran = run([form(submit="gone?"), action("after"), action("@end")])
    answer(ran)
    assert ran.names == ["ask", "@end"]


def test_start_is_left_for_the_action_and_end_follows_it() -> None:
    ran = run([action("first"), action("after", next=False), {**form("@start"), "name": "@start"}, action("@end")])
    answer(ran)
    assert ran.names == ["@start", "after", "@end"]


def test_an_answer_to_the_form_of_error_resets_the_error() -> None:
    ran = run([action("a", fail="broken"), action("after", script="see"), form("@error")])
    answer(ran, {"text": "repaired"})
    assert ran.finished.state is None
    assert [seen["error"] for seen in ran.app.data["seen"]] == [None]
    assert ran.names == ["a", "@error", "after"]


def test_what_undoes_may_ask_and_the_button_leads_nowhere() -> None:
    definition = [
        {**action("book"), "compensate": "ask"}, action("break", fail="broken", next=False), form(), action("after"),
    ]  # fmt: skip
    ran = run(definition, host=FakeHost(durable=True))
    answer(ran, {"text": "by hand"})
    assert isinstance(ran.outcome, Failed)
    assert ran.outcome.compensated
    assert (ran.names, ran.app.data["text"]) == (["book", "break", "ask"], "by hand")


def test_asking_counts_as_done_and_can_be_undone() -> None:
    definition = [
        {**form(), "compensate": "undo"}, action("after", fail="broken", next=False), action("undo"),
    ]  # fmt: skip
    ran = run(definition)
    answer(ran)
    assert ran.names == ["ask", "after", "undo"]


# -- sub processes ----------------------------------------------------------------------------------------------------


def called(inner: list[Any], outer: list[Any]) -> Ran:
    host = FakeHost()
    host.add("sub", inner)
    return run(outer, host=host, bindings={"sub": {"process": "sub"}})


def test_the_process_that_shows_the_form_is_meant_first() -> None:
    ran = called(
        [form(), action("skipped"), action("after", value="sub")],
        [action("call", script="sub"), action("after", value="main")],
    )
    answer(ran)
    assert ran.names == ["call", "sub.ask", "sub.after", "after"]


def test_an_action_of_the_caller_ends_the_sub_process_and_the_action_that_called_it() -> None:
    ran = called(
        [form(submit="other"), action("skipped")],
        [action("call", script="sub"), action("skipped_too"), action("other", value=1)],
    )
    answer(ran, {"text": "x"})
    assert (ran.names, ran.finished.value) == (["call", "sub.ask", "other"], 1)


def test_below_a_call_from_code_no_form_can_wait() -> None:
    ran = run([action("call", script="act", invoke="ask"), form(), action("after")])
    assert ran.error.code == "durable_in_call"


# -- branches of callbacks --------------------------------------------------------------------------------------------


def anchored(*actions: Any) -> Ran:
    lookup = {"prepare": "wait", "progress": "ask", "*": False}
    anchor = {"name": "anchor", "script": "anchor", "config": {"id": "c"}, "next": lookup}
    return run([anchor, action("wait", script="park"), *actions], host=FakeHost(durable=True))


def test_a_form_in_a_branch_goes_on_there_and_what_waited_waits_again() -> None:
    ran = anchored(form(), action("skipped"), action("after", next=False))
    ran.interpreter.report("c", "progress", is_last=False)
    ran.interpreter.run()
    assert answer(ran, {"text": "x"})
    assert isinstance(ran.outcome, Suspended)
    assert ran.interpreter.pending is not None
    assert (ran.interpreter.pending.name, ran.names[-2:]) == ("wait", ["ask", "after"])


def test_a_form_below_a_branch_is_answered_when_the_branch_has_ended() -> None:
    lookup = {"prepare": "ask", "progress": "wait", "*": False}
    anchor = {"name": "anchor", "script": "anchor", "config": {"id": "c"}, "next": lookup}
    ran = run(
        [anchor, action("wait", script="park", next=False), form(), action("after", next=False)],
        host=FakeHost(durable=True),
    )
    waits_at = ran.interpreter.waiting_forms[0]
    ran.interpreter.report("c", "progress", is_last=False)
    ran.interpreter.run()
    assert ran.interpreter.waiting_forms == [waits_at]
    assert not answer(ran, {"text": "early"}, ordinal=waits_at), "the branch waits above it"
    ran.interpreter.resume(None)
    ran.interpreter.run()
    assert answer(ran, {"text": "x"}, ordinal=waits_at)
    assert ran.app.data["text"] == "x"


def test_a_run_that_has_ended_takes_no_answer() -> None:
    ran = run([action("a")])
    assert not answer(ran, {"text": "x"}, ordinal=1)


def test_only_whoever_waits_can_be_taken_up() -> None:
    ran = begin([action("a")])
    with pytest.raises(ProcessError) as caught:
        ran.interpreter.resume()
    assert caught.value.code == "not_parked"
    assert ran.outcome is RUNNING
