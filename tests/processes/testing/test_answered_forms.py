"""A test answers the forms at which a durable run waits."""

import pytest

from processes.testing import action, start

FORM = {
    "name": "ask",
    "script": "show_form",
    "config": {
        "action": "good",
        "answered_by": {"users": ["nobody knows this user here"]},
        "fields": [{"name": "text"}],
        "buttons": [{"label": "No", "action": "bad", "name": "no", "does": "leave"}],
    },
}
PROCESS = [FORM, action("good", script=None, next=False), action("bad", script=None, next=False)]


def test_it_goes_on_where_the_button_leads() -> None:
    waits = start(PROCESS, durable=True)
    assert waits.finish().waiting
    ran = waits.answer({"text": "yes"}).finish()
    assert (ran.completed, ran.actions, ran.data) == (True, ["ask", "good"], {"text": "yes"})


def test_another_button_takes_no_values_along() -> None:
    waits = start(PROCESS, durable=True)
    waits.finish()
    ran = waits.answer(button="no").finish()
    assert (ran.actions, ran.data) == (["ask", "bad"], {})


def test_an_answer_that_nobody_waits_for_fails_the_test() -> None:
    waits = start(PROCESS, durable=True)
    with pytest.raises(AssertionError, match='No form with a button "submit" waits'):
        waits.answer({"text": "early"})
    waits.finish()
    with pytest.raises(AssertionError, match='"maybe"'):
        waits.answer(button="maybe")


def test_where_others_are_asked_a_run_in_the_foreground_would_move_to_the_background() -> None:
    ran = start(PROCESS).finish()
    assert (ran.waiting, ran.response.form) == (True, None)
