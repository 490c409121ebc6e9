"""A run that doesn't move says why, in the reader's language."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from processes.admin.runs.words import waiting_text
from processes.domain.directives import Park
from processes.errors import ProcessError
from processes.models import Run
from processes.services.operators import pause_run
from processes.services.standing import ToldReason, why_told_to_followers, why_waiting
from tasks.domain.statuses import JobStatus
from tasks.models import Job
from tests.processes.form_answer_kit import ask
from tests.processes.services.test_compensating_runs import park


def why(run_id: uuid.UUID) -> ToldReason:
    told = why_waiting(Run.objects.get(pk=run_id))
    assert told is not None
    return told


def test_a_timer_is_told_with_its_moment(kit: Any) -> None:
    until = timezone.now() + timedelta(days=1)
    run_id = kit.start(
        {"name": "think", "script": kit.script(lambda app: Park(reason="timer", until=until), durable=True)}
    )
    kit.work()
    assert (why(run_id).code, why(run_id).facts) == ("timer", {"action": "think", "until": until.isoformat()})
    with translation.override("de"):
        assert why(run_id).text.startswith("Es wartet bis ")


def each(items: int) -> list[dict[str, Any]]:
    return [
        {"name": "each", "script": "for_each", "config": {"items": list(range(items)), "action": "one"}, "next": False},
        {"name": "one", "script": "wait", "config": {"duration": "P1D"}, "next": False},
    ]


@pytest.mark.parametrize(("items", "parts"), [(1, "1 part that is"), (1200, "1,200 parts that are")])
def test_child_runs_are_told_by_how_many_they_are(kit: Any, items: int, parts: str) -> None:
    run_id = kit.start(*each(items))
    kit.work()
    assert (why(run_id).code, why(run_id).facts["total"]) == ("children", items)
    assert why(run_id).text == f"It waits for {parts} worked on separately."


#: What scripts of the library wait for, and what else keeps a run: each has a sentence of its own.
@pytest.mark.parametrize(
    "waiting_for",
    [
        {"code": "await", "callback": "x"},
        {"code": "callback", "callbacks": ["x"], "actions": ["ask_bank"]},
        {"code": "children", "total": 3},
        {"code": "form", "title": "Approve it"},
        {"code": "paused", "by": "olga", "since": "2026-11-30T12:00:00Z"},
    ],
)
def test_whatever_is_waited_for_is_told_with_until_when(kit: Any, waiting_for: dict[str, Any]) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script(park, durable=True)})
    kit.work()
    Run.objects.update(waiting_for=waiting_for)
    assert "something outside" not in why(run_id).text
    Run.objects.update(waiting_for={**waiting_for, "until": "2099-01-01T15:00:00+00:00"})
    assert "Jan. 1, 2099, 3 p.m" in why(run_id).text


def test_who_follows_a_run_is_told_why_it_waits_but_not_who_has_paused_it_or_its_key(kit: Any) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script(park, durable=True)})
    kit.work()
    Run.objects.update(waiting_for={"code": "paused", "by": "olga", "since": "2026-11-30T12:00:00Z"})
    told = why_told_to_followers(run_id)
    assert told is not None
    assert (told.code, told.text, told.facts) == ("paused", "It is paused.", {})
    Job.objects.update(status=JobStatus.PENDING.value, blocked_by="key:bank:7", concurrency_key="bank:7")
    told = why_told_to_followers(run_id)
    assert told is not None
    assert "bank" not in told.text
    assert told.code == "key"


def test_a_pause_is_told_before_and_after_it_is_heard(kit: Any, operator: Any) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script(park, durable=True)})
    kit.work()
    Job.objects.update(status=JobStatus.RUNNING.value, lease_until=timezone.now() + timedelta(minutes=1))
    pause_run(run_id=run_id, user=operator)
    assert (why(run_id).code, why(run_id).facts["by"]) == ("pausing", "olga")
    Job.objects.update(status=JobStatus.PENDING.value, lease_until=None)
    kit.work()
    assert (why(run_id).code, why(run_id).text) == ("paused", "olga has paused it.")


def test_an_action_that_is_tried_again_tells_when(kit: Any) -> None:
    def busy(app: Any) -> None:
        raise ProcessError("The list is locked.", code="busy")

    retry = {"attempts": 3, "delay_seconds": 600}
    run_id = kit.start({"name": "fetch", "script": kit.script(busy), "retry": retry})
    kit.work()
    told = why(run_id)
    assert (told.code, told.facts["action"], told.facts["attempt"], told.facts["attempts"]) == ("retry", "fetch", 1, 3)
    assert told.facts["error"] == "The list is locked."


def test_what_is_due_tells_how_many_are_due_before_it(kit: Any) -> None:
    ids = [kit.start({"name": "one", "script": kit.note("one")}) for _ in range(3)]
    for number, run_id in enumerate(ids):
        Job.objects.filter(pk=run_id).update(due_at=timezone.now() - timedelta(seconds=9 - number))
    Job.objects.filter(pk=ids[0]).update(due_at=timezone.now() + timedelta(hours=1))
    assert why(ids[2]).facts == {"queue": "default", "ahead": 1}
    assert why(ids[2]).text == "1 job is due before it."
    assert why(ids[0]).code == "due"


def test_a_key_tells_who_holds_it(kit: Any) -> None:
    holder, waiter = (kit.start({"name": "one", "script": kit.note("one")}) for _ in range(2))
    Job.objects.update(concurrency_key="bank:7")
    Job.objects.filter(pk=holder).update(
        status=JobStatus.RUNNING.value, lease_until=timezone.now() + timedelta(minutes=1)
    )
    Job.objects.filter(pk=waiter).update(blocked_by="key:bank:7")
    assert (why(waiter).code, why(waiter).facts) == ("key", {"key": "bank:7", "held_by": [str(holder)]})


def test_nobody_serving_the_queue_is_told_as_such(kit: Any, settings: Any) -> None:
    settings.STEPLINE_STALL_NO_WORKER_SECONDS = 1
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    Job.objects.update(due_at=timezone.now() - timedelta(minutes=5))
    told = why(run_id)
    assert (told.code, told.facts["queue"]) == ("no_worker", "default")
    assert "No worker has been free for 5 minutes" in told.text


def test_what_has_ended_needs_no_reason(kit: Any) -> None:
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    kit.work()
    assert why_waiting(Run.objects.get(pk=run_id)) is None


@pytest.mark.parametrize("ended", [False, True])
def test_over_http_the_reason_stands_beside_the_status(kit: Any, api: Client, ended: bool) -> None:
    run_id = kit.start({"name": "wait", "script": kit.script((lambda app: None) if ended else park, durable=True)})
    kit.work()
    told = api.get(f"/api/runs/{run_id}/").json()["why"]
    assert told == (
        None
        if ended
        else {"code": "human", "text": "It waits for something outside: human.", "facts": {"action": "wait"}}
    )


@pytest.mark.parametrize(("limit", "said"), [(None, "“Approve it”."), (60, "“Approve it”, until ")])
def test_a_form_is_told_with_its_title_and_until_when(kit: Any, limit: int | None, said: str) -> None:
    keys = {} if limit is None else {"timeout_seconds": limit}
    run_id = kit.start(ask("ask", title="Approve it", **keys), {"name": "after", "script": None})
    kit.work()
    facts = why(run_id).facts
    assert (why(run_id).code, facts["title"], facts["action"], "until" in facts) == (
        "form", "Approve it", "ask", limit is not None,
    )  # fmt: skip
    assert said in why(run_id).text
    assert "“Approve it”" in waiting_text(Run.objects.get(pk=run_id).waiting_for)


def test_a_sentence_that_ends_with_a_time_has_one_full_stop(kit: Any) -> None:
    run_id = kit.start({"name": "rest", "script": "wait", "config": {"until": "2099-01-01T15:00:00+00:00"}})
    kit.work()
    why = why_waiting(Run.objects.get(pk=run_id))
    assert why is not None
    assert why.text == "It waits until Jan. 1, 2099, 3 p.m."
