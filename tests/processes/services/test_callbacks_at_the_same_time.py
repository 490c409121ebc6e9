"""Reports that come at the same moment: one of them moves the callback, and each is answered truly."""

from functools import partial
from typing import Any

import pytest

from processes.errors import CallbackConflictError
from processes.models import InboxItem
from processes.services.callback_ends import Standing
from tasks.errors import KeyReused
from tasks.services.cancelling import cancel
from tests.processes.callback_kit import CallbackKit
from tests.together import together


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    calls = CallbackKit(kit)
    calls.begin(
        calls.anchor(next={"progress": "seen", "complete": "seen", "error": "seen"}, callbackStoreResponse=True),
        calls.call(),
        calls.see("seen"),
    )
    return calls


def answers(ends: list[Any]) -> list[str]:
    """Tell what became of each: the status, or that it came too late; anything else is a bug."""
    told = []
    for end in ends:
        assert isinstance(end, Standing | CallbackConflictError), repr(end)
        told.append(end.status.value if isinstance(end, Standing) else "conflict")
    return told


def test_of_two_that_end_a_callback_in_different_ways_one_comes_too_late(kit: Any, calls: CallbackKit) -> None:
    ends = answers(together(partial(calls.report, "complete", 1), partial(calls.report, "error", 2)))
    assert "conflict" in ends
    kit.work()
    assert len(calls.seen) == 1
    assert calls.callback().status in ends


def test_of_two_that_report_the_same_end_both_are_answered_and_one_is_taken(kit: Any, calls: CallbackKit) -> None:
    ends = answers(together(*[partial(calls.report, "complete", {"n": 1})] * 4))
    assert ends == ["completed"] * 4
    kit.work()
    assert calls.seen == [("seen", {"n": 1})]


def test_of_two_different_reports_under_one_key_one_is_taken_and_the_other_refused(calls: CallbackKit) -> None:
    ends = together(partial(calls.report, "progress", {"n": 1}, key="k"), partial(calls.report, "complete", 2, key="k"))
    (refused,) = (end for end in ends if isinstance(end, Exception))
    assert isinstance(refused, KeyReused)
    assert InboxItem.objects.count() == 1
    assert calls.callback().status == ("completed" if refused is ends[0] else "progress")


def test_of_the_same_report_under_one_key_all_are_answered_and_one_is_taken(kit: Any, calls: CallbackKit) -> None:
    ends = answers(together(*[partial(calls.report, "progress", {"n": 1}, key="k")] * 4))
    assert ends == ["progress"] * 4
    kit.work()
    assert calls.seen == [("seen", {"n": 1})]


def test_many_reports_at_once_are_all_taken_in_the_order_of_the_inbox(kit: Any, calls: CallbackKit) -> None:
    ends = answers(together(*[partial(calls.report, "progress", {"n": number}) for number in range(6)]))
    assert ends == ["progress"] * 6
    kit.work()
    order = [item.payload["data"]["n"] for item in InboxItem.objects.order_by("id")]
    assert [data["n"] for _, data in calls.seen] == order
    assert sorted(order) == list(range(6))
    assert calls.callback().response == {"n": order[-1]}, "the store holds what came last"


def test_reports_that_come_while_a_worker_goes_on_with_the_run_are_not_lost(kit: Any, calls: CallbackKit) -> None:
    calls.report("progress", {"n": 0})
    ends = together(kit.work, *[partial(calls.report, "progress", {"n": number}) for number in range(1, 5)])
    answers(ends[1:])
    kit.work()
    calls.report("complete", {"n": 5})
    kit.work()
    assert sorted(data["n"] for _, data in calls.seen) == list(range(6))
    assert not InboxItem.objects.filter(taken_at=None).exists()
    assert kit.run(calls.callback().run_id).status == "completed"


def test_a_report_and_the_end_of_the_run_agree_on_what_has_become_of_the_callback(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.callback().run_id
    ends = together(partial(calls.report, "complete", 1), partial(cancel, root_id=run_id, reason="never mind"))
    (told,) = answers(ends[:1])
    assert calls.callback().status == ("cancelled" if told == "conflict" else "completed")
    assert kit.run(run_id).status == "cancelled"
