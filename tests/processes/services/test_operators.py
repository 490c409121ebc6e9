"""Runs that are alive are paused, go on, and have their data edited by hand."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.data_edit import DataEdit
from processes.domain.directives import Park
from processes.models import AuditEntry, InboxItem
from processes.services.controlling import retry_run
from processes.services.errors import NotControllableError
from processes.services.inbox import resume_run
from processes.services.operators import edit_run, pause_run, unpause_run
from tasks.errors import TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services.cancelling import cancel
from tasks.services.jobs import wake_due
from tasks.services.losses import release_expired
from tasks.services.reading import read_updates
from tasks.services.work import work_off
from tests.processes.services.test_compensating_runs import booking, park
from tests.processes.services.test_controlling import Breaks, post


@pytest.fixture(autouse=True)
def _looks_at_every_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.services.hearing_run.LOOK_SECONDS", 0)


def during(kit: Any, deed: Callable[[uuid.UUID], object], *, name: str = "during") -> dict[str, Any]:
    """Give an action in which somebody does something to the run."""

    def script(app: Application) -> None:
        kit.notes.append(name)
        deed(uuid.UUID(app.get("run_id")))

    return {"name": name, "script": kit.script(script)}


def waiting(kit: Any) -> uuid.UUID:
    run_id: uuid.UUID = kit.start(
        {"name": "read", "script": kit.note("read")},
        {"name": "wait", "script": kit.script(park, durable=True)},
        {"name": "last", "script": kit.note("last")},
    )
    kit.work()
    return run_id


def answer(kit: Any, run_id: uuid.UUID) -> None:
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state=None, dedupe_key="answer")


# -- pause ------------------------------------------------------------------------------------------------------------


def test_a_run_at_work_stands_still_before_its_next_action_and_goes_on_there(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(
        during(kit, lambda run_id: pause_run(run_id=run_id, user=operator)),
        {"name": "last", "script": kit.note("last")},
    )
    kit.work()
    run = kit.run(run_id)
    assert (kit.notes, run.status, Job.objects.get().status) == (["during"], "waiting", "waiting")
    assert (run.waiting_for["code"], run.waiting_for["by"]) == ("paused", "olga")
    assert timezone.now() - timezone.datetime.fromisoformat(run.waiting_for["since"]) < timedelta(minutes=1)
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["during", "last"], "completed")


def test_a_run_that_nobody_has_begun_is_paused_before_its_first_action(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    assert pause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.notes, kit.run(run_id).waiting_for["code"]) == ([], "paused")


def test_a_report_that_comes_meanwhile_takes_effect_when_the_run_goes_on(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    answer(kit, run_id)
    assert kit.work() == 1, "it looks, and stands still again"
    assert (kit.notes, kit.run(run_id).waiting_for["code"], Job.objects.get().status) == (
        ["read"], "paused", "waiting",
    )  # fmt: skip
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["read", "last"], "completed")


def test_what_was_waited_for_is_waited_for_again_when_the_run_goes_on(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(run_id).status, kit.run(run_id).waiting_for) == ("waiting", {"code": "human"})
    answer(kit, run_id)
    kit.work()
    assert kit.run(run_id).status == "completed"


def test_a_timer_that_is_up_meanwhile_fires_when_the_run_goes_on(kit, operator) -> None:  # type: ignore[no-untyped-def]
    until = timezone.now() + timedelta(hours=1)
    run_id = kit.start(
        {"name": "wait", "script": kit.script(lambda app: Park(reason="wait", until=until), durable=True)},
        {"name": "last", "script": kit.note("last")},
    )
    kit.work()
    pause_run(run_id=run_id, user=operator)
    kit.work()
    assert Job.objects.get().wake_at is None
    # The hour is over.
    rewrite(kit.run(run_id).checkpoints.get(ordinal=1), until=timezone.now().isoformat())
    assert wake_due() == 0
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(run_id).status == "completed"


def rewrite(checkpoint: Any, **parked: object) -> None:
    checkpoint.cursor["parked"].update(parked)
    checkpoint.save(update_fields=["cursor"])


def test_a_pause_survives_the_death_of_the_worker(kit, operator) -> None:  # type: ignore[no-untyped-def]
    def pause_and_die(run_id: uuid.UUID) -> None:
        if kit.notes.count("during") == 1:
            pause_run(run_id=run_id, user=operator)
            raise KeyboardInterrupt

    run_id = kit.start(during(kit, pause_and_die))
    with pytest.raises(KeyboardInterrupt):
        work_off("default")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    release_expired()
    kit.work()
    assert (kit.notes, kit.run(run_id).waiting_for["code"]) == (["during"], "paused")
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["during", "during"], "completed")


def test_a_paused_run_can_be_cancelled(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    run = kit.run(run_id)
    assert (run.status, run.paused, run.waiting_for) == ("cancelled", None, None)


def test_a_paused_run_that_is_cancelled_undoes_what_it_has_done(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start(*booking(kit, {"name": "wait", "script": kit.script(park, durable=True)}))
    kit.work()
    pause_run(run_id=run_id, user=operator)
    kit.work()
    cancel(root_id=run_id, reason="enough")
    kit.work()
    assert (kit.run(run_id).status, kit.notes[2:]) == ("compensated", ["no hotel", "no car"])


def test_undoing_can_be_paused(kit, operator) -> None:  # type: ignore[no-untyped-def]
    undo = during(kit, lambda run_id: pause_run(run_id=run_id, user=operator), name="no_hotel")
    run_id = kit.start(*booking(kit, {"name": "flight", "script": kit.script(Breaks())})[:-1], undo)
    kit.work()
    assert (kit.run(run_id).status, kit.notes) == ("compensating", ["car", "hotel", "no_hotel"])
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert (kit.run(run_id).status, kit.notes[-1]) == ("compensated", "no car")


def test_pausing_twice_is_pausing_once_and_the_last_word_counts(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    assert pause_run(run_id=run_id, user=operator)
    assert not pause_run(run_id=run_id, user=operator)
    unpause_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(run_id).paused is None
    with pytest.raises(NotControllableError) as refused:
        unpause_run(run_id=run_id, user=operator)
    assert refused.value.fields == {"reason": "not_paused"}


def test_what_has_ended_can_be_neither_paused_nor_edited(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = kit.start({"name": "one", "script": kit.note("one")})
    kit.work()
    for deed in (pause_run, unpause_run, lambda **of: edit_run(**of, edit=DataEdit(values={"a": 1}))):
        with pytest.raises(NotControllableError) as refused:
            deed(run_id=run_id, user=operator)
        assert refused.value.fields == {"reason": "ended"}
    assert not InboxItem.objects.exists()


def test_those_who_follow_a_paused_run_are_told_that_and_not_by_whom(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    told = [json.loads(body) for _, body in read_updates(run_id, after=0, limit=1_000)]
    assert told[-1]["waitingFor"]["code"] == "paused"
    assert "olga" not in json.dumps(told)


def test_what_was_paused_when_it_was_cancelled_is_taken_up_at_work(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    kit.work()
    cancel(root_id=run_id, reason="enough")
    new_id = retry_run(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(new_id).waiting_for == {"code": "human"}


# -- edit -------------------------------------------------------------------------------------------------------------


def test_the_data_of_a_run_that_waits_are_edited_and_it_goes_on_waiting(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    edit = DataEdit(values={"read": "mended", "new": 2}, seen={"read": 1})
    number = edit_run(run_id=run_id, user=operator, edit=edit)
    kit.work()
    assert kit.data(run_id) == {"read": "mended", "new": 2}
    assert InboxItem.objects.get(pk=number).result == {"done": True}
    assert (kit.run(run_id).status, kit.run(run_id).waiting_for) == ("waiting", {"code": "human"})
    answer(kit, run_id)
    kit.work()
    assert kit.data(run_id) == {"read": "mended", "new": 2, "last": 2}


def test_a_paused_run_is_edited_and_stays_paused(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    edit_run(run_id=run_id, user=operator, edit=DataEdit(removed=frozenset({"read"}), seen={"read": 1}))
    kit.work()
    assert (kit.data(run_id), kit.run(run_id).waiting_for["code"]) == ({}, "paused")


def test_an_edit_of_what_is_otherwise_is_refused_at_once_where_the_run_waits(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    with pytest.raises(NotControllableError) as refused:
        edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"read": 2}))
    assert refused.value.fields == {"reason": "changed", "names": ["read"]}
    assert not InboxItem.objects.exists()


def test_of_two_edits_of_the_same_key_the_first_one_holds_and_the_second_learns_of_it(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    numbers = [
        edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"read": value}, seen={"read": 1}))
        for value in ("a", "b")
    ]
    kit.work()
    assert kit.data(run_id)["read"] == "a"
    results = [InboxItem.objects.get(pk=number).result for number in numbers]
    assert results == [{"done": True}, {"refused": "changed", "names": ["read"]}]
    entries = AuditEntry.objects.filter(action="run.edited").order_by("pk")
    assert [(entry.actor_name, entry.details) for entry in entries] == [
        ("olga", {"keys": ["read"]}),
        ("olga", {"keys": ["read"], "refused": "changed"}),
    ]


def test_a_run_at_work_takes_an_edit_between_two_actions(kit, operator) -> None:  # type: ignore[no-untyped-def]
    seen = []
    run_id = kit.start(
        during(kit, lambda run_id: edit_run(run_id=run_id, user=operator, edit=DataEdit(values={"a": 1}))),
        {"name": "look", "script": kit.script(lambda app: seen.append(app.data.get("a")))},
    )
    kit.work()
    assert (seen, kit.run(run_id).status) == ([1], "completed")


# -- who --------------------------------------------------------------------------------------------------------------


def test_who_paused_a_run_and_let_it_go_on_is_written_down(kit, operator) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    unpause_run(run_id=run_id, user=operator)
    entries = AuditEntry.objects.filter(subject_id=run_id.hex, actor_name="olga").order_by("pk")
    assert [entry.action for entry in entries] == ["run.paused", "run.resumed"]


def test_for_others_there_is_no_such_run(kit, transactional_db) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    for deed in (pause_run, unpause_run, lambda **of: edit_run(**of, edit=DataEdit(values={"a": 1}))):
        with pytest.raises(TaskNotFound):
            deed(run_id=run_id, user=User.objects.create_user(uuid.uuid4().hex, is_staff=True))
    assert TaskRoot.objects.get().status == "waiting"


def test_over_http_an_operator_pauses_edits_and_lets_go_on(kit, api: Client) -> None:  # type: ignore[no-untyped-def]
    run_id = waiting(kit)
    assert [post(api, f"/api/runs/{run_id}/pause/").status_code for _ in range(2)] == [202, 200]
    sent = post(api, f"/api/runs/{run_id}/data/", {"set": {"read": 5}, "seen": {"read": 1}})
    assert sent.status_code == 202
    assert api.get(sent.json()["url"]).json()["result"] is None
    kit.work()
    assert api.get(sent.json()["url"]).json()["result"] == {"done": True}
    assert api.get(f"/api/runs/{run_id}/").json()["paused"]["by"] == "olga"
    assert post(api, f"/api/runs/{run_id}/unpause/").status_code == 202
    kit.work()
    late = post(api, f"/api/runs/{run_id}/data/", {"set": {"read": 6}, "seen": {"read": 1}})
    assert (late.status_code, late.json()["fields"]["reason"]) == (409, "changed")
    assert api.get(f"/api/runs/{run_id}/messages/999999/").status_code == 404
