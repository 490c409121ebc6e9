"""Callbacks of background runs: what is reported reaches the anchor, once and in order, and nothing is mixed up."""

import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from processes.domain.directives import Park
from processes.errors import CallbackConflictError, NotJsonError, ProcessError
from processes.models import AuditEntry, Callback, CallbackWaiter, Checkpoint, InboxItem, Run
from processes.services.callback_ends import Standing
from processes.services.callback_tokens import token_of
from processes.services.callbacks import query, query_callback, report, report_callback
from processes.services.checkpoints import newest_checkpoint
from processes.services.errors import CallbackNotFoundError
from processes.services.inbox import resume_run
from tasks.errors import KeyReused
from tasks.models import Job
from tasks.services.cancelling import cancel
from tasks.services.reading import read_snapshot
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.secret_hunt import every_value

HOUR = timedelta(hours=1)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture
def calls(kit: Any) -> CallbackKit:
    return CallbackKit(kit)


def usual(calls: CallbackKit, **config: Any) -> list[dict[str, Any]]:
    branches = {"progress": "seen", "complete": "done", "error": "failed"}
    return [
        calls.anchor(next=branches, **config),
        calls.call(),
        calls.see("seen"),
        calls.see("done"),
        calls.see("failed"),
        calls.see("@end"),
    ]


def test_an_anchor_issues_a_token_and_the_run_waits(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    run, row = kit.run(run_id), calls.callback()
    assert (run.status, Job.objects.get().status) == ("waiting", "waiting")
    assert (row.run_id, row.action, row.status) == (run_id, "anchor", "created")
    assert run.waiting_for["code"] == "callback"
    assert run.waiting_for["actions"] == ["anchor"]
    assert calls.seen == []


def test_each_report_leads_on_from_the_anchor_and_the_last_one_to_the_end(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    for number in (1, 2):
        assert calls.report("progress", {"percent": number}).status == "progress"
        kit.work()
        assert kit.run(run_id).status == "waiting"
    assert calls.report("complete", {"rows": 7}).status == "completed"
    kit.work()
    assert calls.seen == [
        ("seen", {"percent": 1}), ("seen", {"percent": 2}), ("done", {"rows": 7}), ("@end", {"rows": 7}),
    ]  # fmt: skip
    assert kit.run(run_id).status == "completed"
    assert kit.run(run_id).waiting_for is None


def test_reports_that_come_while_the_run_works_are_handled_one_at_a_time_in_order(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    for number in range(5):
        calls.report("progress", number)
    calls.report("complete", "end")
    kit.work()
    assert [data for _, data in calls.seen] == [0, 1, 2, 3, 4, "end", "end"]
    assert kit.run(run_id).status == "completed"


def test_a_report_that_comes_before_the_run_waits_is_not_missed(kit: Any, calls: CallbackKit) -> None:
    def work_at_once(app: Any) -> None:
        calls.report("complete", "quick", token=app.get("callbackToken"))

    call = {"name": "call", "script": kit.script(work_at_once), "next": False}
    run_id = calls.begin(calls.anchor(next={"complete": "done"}), call, calls.see("done"))
    assert calls.seen == [("done", "quick")]
    assert kit.run(run_id).status == "completed"


@pytest.mark.parametrize("action", ["complete", "error", "cancel"])
def test_a_last_report_that_comes_again_changes_nothing_and_is_answered_as_before(
    kit: Any, calls: CallbackKit, action: str
) -> None:
    calls.begin(*usual(calls))
    first = calls.report(action, {"n": 1})
    kit.work()
    seen = list(calls.seen)
    assert calls.report(action, {"n": 1}) == first
    assert kit.work() == 0
    assert calls.seen == seen


def test_what_comes_after_the_end_is_refused(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    calls.report("complete", {"n": 1})
    for action, data in (("progress", 1), ("start", None), ("error", None), ("complete", {"n": 2})):
        with pytest.raises(CallbackConflictError) as caught:
            calls.report(action, data)
        assert caught.value.fields == {"status": "completed", "action": action}
    assert InboxItem.objects.count() == 1


def test_a_report_under_a_key_is_taken_once(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    calls.report("progress", 1, key="k")
    calls.report("progress", 1, key="k")
    calls.report("complete", 3)
    assert calls.report("progress", 1, key="k").status == "completed", "it was taken, and answered so"
    kit.work()
    assert [data for _, data in calls.seen] == [1, 3, 3]


@pytest.mark.parametrize(
    ("action", "data"), [("complete", {"n": 1}), ("progress", {"n": 2}), ("progress", None), ("progress", {"n": 1.5})]
)
@pytest.mark.parametrize("stores", [True, False])
def test_another_report_under_a_key_that_was_used_is_refused(
    calls: CallbackKit, action: str, data: Any, stores: bool
) -> None:
    branches = {} if stores else {"progress": "seen"}
    calls.begin(calls.anchor(next=branches, callbackStoreResponse=stores), calls.call(), calls.see("seen"))
    calls.report("progress", {"n": 1}, key="k")
    with pytest.raises(KeyReused):
        calls.report(action, data, key="k")
    assert calls.callback().status == "progress"
    assert InboxItem.objects.count() == 1
    assert calls.report("progress", {"n": 1}, key="k").status == "progress", "the first one is still known"


def test_a_report_that_was_refused_has_not_used_its_key(calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    calls.report("progress", 1)
    with pytest.raises(CallbackConflictError):
        calls.report("start", key="k")
    assert calls.report("complete", 2, key="k").status == "completed"


def test_what_a_worker_of_the_release_before_has_taken_under_a_key_is_known_by_the_key_alone(
    kit: Any, calls: CallbackKit
) -> None:
    calls.begin(*usual(calls))
    calls.report("progress", 1, key="k")
    row = InboxItem.objects.get()
    # It writes no digest.
    del row.payload["digest"]
    row.save()
    assert calls.report("progress", 2, key="k").status == "progress"
    kit.work()
    assert calls.seen == [("seen", 1)]


def test_a_step_that_says_something_else_when_it_runs_again_has_reported_once(
    kit: Any, calls: CallbackKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def report_and_fail(*given: Any, **options: Any) -> Standing:
        tries.append(len(tries))
        standing = report_callback(*given, **{**options, "data": len(tries)})
        if len(tries) == 1:
            raise ProcessError("busy", code="busy")
        return standing

    monkeypatch.setattr("processes.scripts.callbacks.report_callback", report_and_fail)
    calls.begin(*usual(calls))
    config = {"callbackAction": "progress", "callbackToken": calls.tokens[0]}
    again = {"attempts": 2, "delay_seconds": 0}
    run_id = calls.begin({"name": "send", "script": "callback", "config": config, "retry": again})
    kit.work()
    assert (tries, kit.run(run_id).status) == ([0, 1], "completed")
    assert calls.seen == [("seen", 1)]


def test_progress_that_is_only_stored_is_taken_once_under_its_key_too(kit: Any, calls: CallbackKit) -> None:
    calls.begin(calls.anchor(callbackStoreResponse=True, next={"complete": "done"}), calls.call(), calls.see("done"))
    calls.report("progress", {"n": 1}, key="k")
    calls.report("progress", {"n": 2}, key="l")
    assert calls.report("progress", {"n": 1}, key="k").data == {"n": 2}


def test_a_report_after_its_time_is_refused_even_where_nobody_has_noticed_yet(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    Callback.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(CallbackConflictError) as caught:
        calls.report("complete", 1)
    assert caught.value.fields["status"] == "timeout"
    kit.work()
    assert calls.seen == [("failed", None), ("@end", None)]
    assert kit.run(run_id).status == "completed"


def test_a_callback_that_takes_too_long_leads_on_as_an_error(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls, callbackTimeout="PT30M"))
    row = calls.callback()
    assert Job.objects.get().wake_at == row.expires_at
    assert timedelta(minutes=29) < row.expires_at - row.created_at < timedelta(minutes=31)
    calls.pass_time()
    kit.work()
    assert calls.seen == [("failed", None), ("@end", None)]
    assert (calls.callback().status, kit.run(run_id).status) == ("timeout", "completed")


def test_a_branch_of_its_own_takes_the_timeout(kit: Any, calls: CallbackKit) -> None:
    calls.begin(calls.anchor(next={"timeout": "late", "error": "failed"}), calls.call(), calls.see("late"),
                calls.see("failed"))  # fmt: skip
    calls.pass_time()
    kit.work()
    assert calls.seen == [("late", None)]


def test_the_default_time_is_an_hour_and_so_is_the_retention(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    row = calls.callback()
    assert abs(row.expires_at - row.created_at - HOUR) < timedelta(seconds=5)
    calls.report("complete")
    row = calls.callback()
    assert row.purge_at - row.ended_at == HOUR


def test_a_query_answers_the_data_of_the_anchor_overridden_by_the_last_response(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls, callbackData={"a": 1, "b": {"x": 1}}, callbackStoreResponse=True))
    row = calls.callback()
    assert query_callback(row.pk).to_json() == {"callbackStatus": "created", "callbackData": {"a": 1, "b": {"x": 1}}}
    calls.report("start")
    assert query_callback(row.pk).data == {"a": 1, "b": {"x": 1}}
    calls.report("progress", {"b": {"y": 2}})
    assert query_callback(row.pk).to_json() == {"callbackStatus": "progress", "callbackData": {"a": 1, "b": {"y": 2}}}
    calls.report("progress", {"c": 3})
    assert query_callback(row.pk).data == {"a": 1, "b": {"x": 1}, "c": 3}, "the most recent response alone counts"
    calls.report("complete")
    assert query_callback(row.pk).to_json() == {
        "callbackStatus": "completed", "callbackData": {"a": 1, "b": {"x": 1}, "c": 3},
    }  # fmt: skip


def test_without_a_response_store_a_query_knows_the_data_of_the_anchor_only(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls, callbackData={"a": 1}))
    assert calls.report("progress", {"a": 2}).to_json() == {"callbackStatus": "progress", "callbackData": {"a": 1}}


def test_stored_progress_without_a_branch_does_not_wake_the_run(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(
        calls.anchor(callbackStoreResponse=True, next={"complete": "done"}), calls.call(), calls.see("done")
    )
    calls.report("start")
    calls.report("progress", {"n": 1})
    assert kit.work() == 0
    assert InboxItem.objects.count() == 0
    calls.report("complete", {"m": 2})
    kit.work()
    assert calls.seen == [("done", {"m": 2})]
    assert kit.run(run_id).status == "completed"


def test_stored_progress_with_a_branch_leads_on(kit: Any, calls: CallbackKit) -> None:
    calls.begin(calls.anchor(callbackStoreResponse=True, next={"active": "seen"}), calls.call(), calls.see("seen"))
    calls.report("start", 1)
    calls.report("progress", 2)
    kit.work()
    assert calls.seen == [("seen", 1), ("seen", 2)]


def test_several_callbacks_of_one_run_never_mix(kit: Any, calls: CallbackKit) -> None:
    def park(app: Any) -> object:
        return Park(reason="human")

    ask = {"name": "ask", "script": kit.script(park, durable=True), "next": "asked"}
    run_id = calls.begin(
        calls.anchor("first", callbackStoreResponse=True, next={"prepare": "second", "progress": "ask"}),
        calls.anchor("second", callbackStoreResponse=True, next={"prepare": "tell", "complete": "done"}),
        calls.call("tell"), ask, calls.see("asked"), calls.see("done"),
    )  # fmt: skip
    first, second = (token_of(str(Callback.objects.get(action=name).pk)) for name in ("first", "second"))
    assert calls.tokens == [second]
    calls.report("progress", {"from": 1}, token=first)
    kit.work()
    parked_at = kit.run(run_id).cursor["parked"]["at"]
    calls.report("complete", {"from": 2}, token=second)
    kit.work()
    resume_run(run_id=run_id, ordinal=parked_at, state=None, dedupe_key="human")
    kit.work()
    assert calls.seen == [("done", {"from": 2}), ("asked", {"from": 1})]
    assert query_callback(calls.callback(first).pk).data == {"from": 1}
    assert query_callback(calls.callback(second).pk).data == {"from": 2}


def test_each_time_that_an_anchor_is_reached_it_issues_another_callback(kit: Any, calls: CallbackKit) -> None:
    def count(app: Any) -> None:
        calls.tokens.append(app.get("callbackToken"))
        app.data["n"] = app.data.get("n", 0) + 1
        app.state = "again" if app.data["n"] < 3 else "enough"

    loop = {"name": "call", "script": kit.script(count), "next": {"again": "anchor", "*": False}}
    run_id = calls.begin(calls.anchor(next={"complete": "done"}), loop, calls.see("done"))
    assert len(set(calls.tokens)) == Callback.objects.count() == 3
    for token in calls.tokens:
        calls.report("complete", token=token)
    kit.work()
    assert len(calls.seen) == 3
    assert kit.run(run_id).status == "completed"


def test_a_nested_callback_is_led_on_in_its_own_process(kit: Any, calls: CallbackKit) -> None:
    inner = [calls.anchor("in", next={"prepare": "tell", "complete": "in done"}), calls.call("tell"),
             calls.see("in done")]  # fmt: skip
    run_id = calls.begin(
        template=kit.template(
            calls.anchor("out", next={"prepare": "sub", "complete": "out done"}),
            {"name": "sub", "script": "inner", "next": False},
            calls.see("out done"), calls.see("@end"),
            bindings={"inner": {"process": inner}},
        )
    )  # fmt: skip
    outer = token_of(str(Callback.objects.get(action="out").pk))
    calls.report("complete", "o", token=outer)
    kit.work()
    assert (calls.seen, kit.run(run_id).status) == ([("out done", "o")], "waiting")
    calls.report("complete", "i")
    kit.work()
    assert calls.seen == [("out done", "o"), ("in done", "i"), ("@end", "i")]
    assert kit.run(run_id).status == "completed"


def test_a_run_that_is_cancelled_ends_its_callbacks(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    cancel(root_id=run_id, reason="never mind")
    assert calls.callback().status == "cancelled"
    with pytest.raises(CallbackConflictError):
        calls.report("complete")


def test_a_run_that_fails_ends_its_callbacks(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(
        calls.anchor("first", next={"prepare": "second"}), calls.anchor("second", next={"progress": "bad"}),
        calls.call(), {"name": "bad", "script": "fail"},
    )  # fmt: skip
    calls.report("progress")
    kit.work()
    assert kit.run(run_id).status == "failed"
    assert set(Callback.objects.values_list("status", flat=True)) == {"cancelled"}


def test_a_callback_whose_process_ends_first_is_cancelled_while_the_run_goes_on(kit: Any, calls: CallbackKit) -> None:
    inner = [calls.anchor("in", next={"prepare": "tell", "progress": "bad"}), calls.call("tell"),
             {"name": "bad", "script": "fail"}]  # fmt: skip
    run_id = calls.begin(
        template=kit.template(
            calls.anchor("out", next={"prepare": "sub", "complete": "done"}),
            {"name": "sub", "script": "inner", "next": False},
            calls.see("done"), {"name": "@error", "script": "reset_error", "next": False},
            bindings={"inner": {"process": inner}},
        )
    )  # fmt: skip
    calls.report("progress")
    kit.work()
    assert kit.run(run_id).status == "waiting"
    assert calls.callback().status == "cancelled"
    outer = token_of(str(Callback.objects.get(action="out").pk))
    calls.report("complete", 1, token=outer)
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_a_run_awaits_the_end_of_another_runs_callback(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls, callbackStoreResponse=True))
    awaits = {"name": "wait", "script": "callback",
              "config": {"callbackAction": "await", "callbackToken": calls.tokens[0]},
              "next": {"complete": "ok", "error": "bad"}}  # fmt: skip
    waiter = calls.begin(awaits, calls.see("ok"), calls.see("bad"))
    assert kit.run(waiter).waiting_for["code"] == "await"
    calls.report("progress", 1)
    kit.work()
    assert kit.run(waiter).status == "waiting"
    calls.seen.clear()
    calls.report("complete", {"n": 1})
    kit.work()
    assert kit.run(waiter).status == "completed"
    assert ("ok", {"n": 1}) in calls.seen
    assert not CallbackWaiter.objects.exists()


@pytest.mark.parametrize(("ends", "branch"), [("cancel", "bad"), ("timeout", "bad"), ("run", "bad")])
def test_whatever_ends_a_callback_ends_the_waiting_for_it(kit: Any, calls: CallbackKit, ends: str, branch: str) -> None:
    run_id = calls.begin(*usual(calls))
    awaits = {"name": "wait", "script": "callback",
              "config": {"callbackAction": "await", "callbackToken": calls.tokens[0]},
              "next": {"complete": "ok", "error": "bad"}}  # fmt: skip
    waiter = calls.begin(awaits, calls.see("ok"), calls.see("bad"))
    if ends == "cancel":
        calls.report("cancel")
    elif ends == "timeout":
        calls.pass_time()
    else:
        cancel(root_id=run_id, reason="never mind")
    kit.work()
    assert kit.run(waiter).status == "completed"
    assert calls.seen[-1][0] == branch or (branch, None) in calls.seen


def test_awaiting_a_callback_that_has_ended_takes_no_time(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    calls.report("complete")
    kit.work()
    awaits = {"name": "wait", "script": "callback",
              "config": {"callbackAction": "await", "callbackToken": calls.tokens[0]}}  # fmt: skip
    kit.start(awaits)
    assert kit.work() == 1


def test_a_run_awaits_its_own_callback(kit: Any, calls: CallbackKit) -> None:
    awaits = {"name": "wait", "script": "callback", "config": {"callbackAction": "await"}, "next": "after"}
    run_id = calls.begin(calls.anchor(next={"complete": "done"}), calls.call(next="wait"), awaits,
                         calls.see("after"), calls.see("done"))  # fmt: skip
    assert kit.run(run_id).waiting_for["code"] == "await"
    calls.report("complete", 1)
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert {name for name, _ in calls.seen} == {"after", "done"}


def test_a_script_reports_to_the_callback_of_its_context(kit: Any, calls: CallbackKit) -> None:
    def pass_on(app: Any) -> None:
        app.set("callbackToken", calls.tokens[0])

    calls.begin(*usual(calls))
    worker = [
        {"name": "take", "script": kit.script(pass_on)},
        {"name": "send", "script": "callback", "config": {"callbackAction": "progress", "callbackData": {"n": 1}}},
        {"name": "ask", "script": "callback", "config": {"callbackAction": "query"}, "next": {"active": "note"}},
        calls.see("note", next=True),
        {"name": "end", "script": "callback", "config": {"callbackAction": "complete", "callbackData": [1]}},
    ]
    run_id = calls.begin(*worker)
    assert (kit.run(run_id).status, kit.run(run_id).error) == ("completed", None)
    assert calls.callback().status == "completed"
    assert ("done", [1]) in calls.seen


def test_a_report_that_comes_too_late_is_an_error_of_the_action(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    calls.report("cancel")
    late = {"name": "send", "script": "callback",
            "config": {"callbackAction": "progress", "callbackToken": calls.tokens[0]}}  # fmt: skip
    run_id = calls.begin(late)
    error = kit.run(run_id).error
    assert (error["code"], error["fields"]["status"]) == ("callback_conflict", "cancelled")


@pytest.mark.parametrize("config", [{}, {"callbackToken": "forged"}, {"callbackToken": token_of(str(uuid.uuid4()))}])
def test_a_callback_that_is_not_there_is_an_error_of_the_action(kit: Any, calls: CallbackKit, config: Any) -> None:
    run_id = calls.begin({"name": "send", "script": "callback", "config": {"callbackAction": "complete", **config}})
    assert kit.run(run_id).error["code"] == "callback_not_found"


def test_no_token_is_stored_anywhere(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls, callbackStoreResponse=True))
    calls.report("progress", {"n": 1})
    kit.work()
    calls.report("complete")
    kit.work()
    assert calls.tokens
    assert [place for place, value in every_value() if "cb1_" in value] == []


def test_how_a_callback_has_ended_is_in_the_audit_log(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    calls.report("complete")
    entry = AuditEntry.objects.get(action="callback.ended")
    assert entry.details == {"status": "completed", "run": str(run_id)}
    assert (entry.subject_id, entry.subject_name) == (calls.callback().pk.hex, "anchor")


def test_a_callback_goes_with_its_run(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(*usual(calls))
    Run.objects.get(pk=run_id).root.delete()
    with pytest.raises(CallbackNotFoundError):
        calls.report("complete")


def test_code_reports_and_asks_by_the_token_alone(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls, callbackStoreResponse=True))
    (token,) = calls.tokens
    for _ in range(2):
        assert report(token, "progress", {"n": 1}, key="one").data == {"n": 1}
    assert query(token).to_json() == {"callbackStatus": "progress", "callbackData": {"n": 1}}
    with pytest.raises(ValueError, match="only start, progress, complete, error, cancel"):
        report(token, "query")
    with pytest.raises(CallbackNotFoundError):
        report("forged", "progress")


def test_what_is_reported_in_a_transaction_that_is_rolled_back_was_never_reported(kit: Any, calls: CallbackKit) -> None:
    calls.begin(*usual(calls))
    with suppress(ZeroDivisionError), transaction.atomic():
        report(calls.tokens[0], "complete")
        raise ZeroDivisionError
    kit.work()
    assert (calls.callback().status, calls.seen) == ("created", [])


@pytest.mark.parametrize("data", [float("nan"), "\0", {"x": object()}, [[[[]]]] * 2 + [nested(60)]])
def test_what_can_not_be_stored_is_refused(kit: Any, calls: CallbackKit, data: Any) -> None:
    calls.begin(*usual(calls))
    with pytest.raises(NotJsonError):
        report(calls.tokens[0], "progress", data)
    assert calls.callback().status == "created"


def test_a_run_that_goes_on_from_anothers_place_hears_that_its_callbacks_have_ended(
    kit: Any, calls: CallbackKit
) -> None:
    """As an execution does that begins from a checkpoint of an earlier one: that one's callbacks ended with it."""
    first = calls.begin(*usual(calls))
    second = kit.start({"name": "other", "script": "noop"})
    stands = newest_checkpoint(first)
    assert stands is not None
    Run.objects.filter(pk=second).update(plan_id=kit.run(first).plan_id)
    Checkpoint.objects.filter(run_id=second).update(cursor=stands.cursor, ordinal=stands.ordinal)
    cancel(root_id=first, reason="begun anew")
    kit.work()
    kit.work()
    assert calls.seen == [("failed", None), ("@end", None)]
    assert kit.run(second).status == "completed"


def test_a_step_that_waited_when_a_branch_failed_is_told_as_failed(kit: Any, calls: CallbackKit) -> None:
    run_id = calls.begin(
        calls.anchor(next={"progress": "bad"}),
        {"name": "call", "script": kit.script(lambda app: Park(reason="human"), durable=True), "next": False},
        {"name": "bad", "script": "fail", "next": False},
        {"name": "@error", "script": "reset_error", "next": "wait"},
        {"name": "wait", "script": "wait", "config": {"duration": "PT1H"}, "next": False},
    )
    calls.report("progress", token=token_of(str(Callback.objects.get().pk)))
    kit.work()
    nodes = {node.title: node.status.value for node in read_snapshot(run_id).tree.children}
    assert nodes == {
        "Anchor": "completed", "Call": "failed", "Bad": "failed", "Error": "completed", "Wait": "waiting",
    }  # fmt: skip
