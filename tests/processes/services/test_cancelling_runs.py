"""Operators cancel runs that aren't theirs, with what those have started."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import AuditEntry, Run
from processes.services.errors import NotControllableError
from processes.services.operators import cancel_run, pause_run
from tasks.errors import TaskNotFound
from tasks.models import Job
from tasks.services.reading import read_updates
from tests.processes.scripts.test_parallel_scripts import parallel
from tests.processes.services.conftest import with_control
from tests.processes.services.test_compensating_runs import booking, park
from tests.processes.services.test_controlling import post


def waiting(kit: Any) -> uuid.UUID:
    run_id: uuid.UUID = kit.start({"name": "wait", "script": kit.script(park, durable=True)}, user=None)
    kit.work()
    return run_id


def test_a_run_that_waits_is_cancelled_at_once_and_it_is_written_down_who_did_it(kit: Any, operator: User) -> None:
    run_id = waiting(kit)
    assert cancel_run(run_id=run_id, user=operator) == "cancelled"
    assert kit.run(run_id).status == "cancelled"
    told = list(AuditEntry.objects.filter(subject_id=run_id.hex).order_by("id").values_list("action", "actor_name"))
    assert told[-2:] == [("run.cancelled", "olga"), ("run.ended", "Stepline")]


def test_what_it_has_started_is_cancelled_with_it(kit: Any, operator: User) -> None:
    waits = {"script": kit.script(park, durable=True)}
    run_id = kit.start(*parallel(kit, {"a": waits, "b": waits}))
    kit.work()
    cancel_run(run_id=run_id, user=operator)
    assert set(Run.objects.values_list("status", flat=True)) == {"cancelled"}
    assert Run.objects.count() == 3


def test_a_paused_run_is_cancelled_too(kit: Any, operator: User) -> None:
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    cancel_run(run_id=run_id, user=operator)
    assert kit.run(run_id).status == "cancelled"


def test_a_run_with_something_to_undo_is_asked_once_and_undoes(kit: Any, operator: User) -> None:
    run_id = kit.start(*booking(kit, {"name": "wait", "script": kit.script(park, durable=True)}))
    kit.work()
    assert [cancel_run(run_id=run_id, user=operator) for _ in range(2)] == ["cancel_requested"] * 2
    assert AuditEntry.objects.filter(action="run.cancelled").count() == 1
    kit.work()
    assert kit.run(run_id).status == "compensated"


def test_what_undoes_already_and_what_has_ended_is_refused(kit: Any, operator: User) -> None:
    undoing = kit.start(
        *booking(kit, {"name": "wait", "script": kit.script(park, durable=True)}, script=kit.script(park, durable=True))
    )
    kit.work()
    cancel_run(run_id=undoing, user=operator)
    kit.work()
    assert kit.run(undoing).status == "compensating"
    ended = waiting(kit)
    cancel_run(run_id=ended, user=operator)
    for run_id, reason in ((undoing, "undoing"), (ended, "ended")):
        with pytest.raises(NotControllableError) as refused:
            cancel_run(run_id=run_id, user=operator)
        assert refused.value.fields == {"reason": reason}
    assert Job.objects.get(pk=undoing).cancel_requested_at is None


def test_for_everybody_else_there_is_no_such_run(kit: Any, operator: User) -> None:
    run_id = waiting(kit)
    for user in (User.objects.create_user("sam", is_staff=True), with_control(User.objects.create_user("carl"))):
        with pytest.raises(TaskNotFound):
            cancel_run(run_id=run_id, user=user)
    assert post(Client(), f"/api/runs/{run_id}/cancel/").status_code == 404
    assert kit.run(run_id).status == "waiting"


def test_over_http_a_run_is_cancelled_and_a_second_time_refused(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    answer = post(api, f"/api/runs/{run_id}/cancel/")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    again = post(api, f"/api/runs/{run_id}/cancel/")
    assert (again.status_code, again.json()["fields"]) == (409, {"reason": "ended"})


def test_over_http_the_reason_is_that_of_its_end(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    answer = post(api, f"/api/runs/{run_id}/cancel/", {"reason": "the wrong file"})
    assert answer.status_code == 202, answer.content
    last = json.loads(read_updates(run_id, after=0, limit=100)[-1][1])
    assert (last["type"], last["reason"]) == ("taskAborted", "the wrong file")


@pytest.mark.parametrize("sent", [{"reason": 5}, {"reason": "x" * 501}, {"resaon": "the wrong file"}])
def test_over_http_a_reason_that_cant_be_told_cancels_nothing(kit: Any, api: Client, sent: dict[str, Any]) -> None:
    run_id = waiting(kit)
    assert post(api, f"/api/runs/{run_id}/cancel/", sent).status_code == 400
    assert kit.run(run_id).status == "waiting"


def test_over_http_the_answer_is_how_the_run_is_told_afterwards(kit: Any, api: Client) -> None:
    asked = kit.start(*booking(kit, {"name": "wait", "script": kit.script(park, durable=True)}))
    kit.work()
    for run_id, is_over in ((asked, False), (waiting(kit), True)):
        answer = post(api, f"/api/runs/{run_id}/cancel/").json()
        told = api.get(f"/api/runs/{run_id}/").json()
        assert answer == {name: told[name] for name in ("id", "status", "cancel_requested_at")}
        assert answer["status"] in ({"cancelled"} if is_over else {"created", "running", "waiting"})
        assert is_over or answer["cancel_requested_at"] is not None
