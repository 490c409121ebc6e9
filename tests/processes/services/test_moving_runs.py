"""Runs in flight move to the plan that is in force now where they fit, one or all of them, and back."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import AuditEntry, InboxItem, ProcessInstance, ProcessTemplate, Run
from processes.services.authoring.templates import publish, save_draft
from processes.services.controlling import retry_run, rewind_run
from processes.services.errors import NotControllableError, TemplateNotFoundError
from processes.services.inbox import resume_run
from processes.services.moving import forecast_moves, move_run, move_runs, undo_move
from processes.services.operators import pause_run
from tasks.errors import TaskNotFound
from tests.processes.form_answer_kit import answer, ask, visitor
from tests.processes.services.test_compensating_runs import park
from tests.processes.services.test_controlling import Breaks, post


class Process:
    """Have a process whose runs wait at `ask`, and publish other versions of it."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit
        self.ask = {"name": "ask", "script": kit.script(park, durable=True)}
        self.template: ProcessTemplate = kit.template(self.ask, {"name": "old", "script": kit.note("old")})

    def start(self) -> uuid.UUID:
        run_id: uuid.UUID = self.kit.start(template=self.template)
        self.kit.work()
        return run_id

    def publish(self, *actions: dict[str, Any]) -> None:
        self.template.refresh_from_db()
        save_draft(template=self.template, definition=json.dumps(list(actions)), bindings={})
        publish(template=self.template)
        self.template.refresh_from_db()

    def publish_new(self) -> None:
        self.publish(self.ask, {"name": "new", "script": self.kit.note("new")})

    def answer(self, run_id: uuid.UUID) -> None:
        resume_run(run_id=run_id, ordinal=self.kit.run(run_id).ordinal, state=None, dedupe_key="answer")
        self.kit.work()


@pytest.fixture
def process(kit: Any) -> Process:
    return Process(kit)


def test_a_run_that_waits_goes_on_by_the_new_plan(kit: Any, process: Process, operator: User) -> None:
    run_id = process.start()
    process.publish_new()
    number = move_run(run_id=run_id, user=operator)
    kit.work()
    run = kit.run(run_id)
    assert InboxItem.objects.get(pk=number).result == {"done": True}
    assert (run.plan_id, run.status) == (process.template.published_plan_id, "waiting")
    process.answer(run_id)
    assert (kit.notes, kit.run(run_id).status) == (["new"], "completed")


def test_a_run_that_is_not_moved_goes_on_by_its_own_plan(kit: Any, process: Process, operator: User) -> None:
    run_id = process.start()
    process.publish_new()
    process.answer(run_id)
    assert kit.notes == ["old"]


def test_what_does_not_fit_is_refused_and_names_what(process: Process, operator: User) -> None:
    run_id = process.start()
    process.publish({"name": "other", "script": process.ask["script"]})
    with pytest.raises(NotControllableError) as refused:
        move_run(run_id=run_id, user=operator)
    assert (refused.value.fields["reason"], refused.value.fields["names"]) == ("misfit", ["ask"])
    assert not InboxItem.objects.exists()


def test_a_move_that_fits_no_more_when_it_is_heard_is_refused_then(kit: Any, process: Process, operator: User) -> None:
    """Somebody has answered meanwhile, so that the run is at another action."""
    run_id = process.start()
    process.publish(process.ask, {"name": "new", "script": kit.note("new")})
    pause_run(run_id=run_id, user=operator)
    first = move_run(run_id=run_id, user=operator)
    second = move_run(run_id=run_id, user=operator)
    kit.work()
    assert [InboxItem.objects.get(pk=number).result for number in (first, second)] == [
        {"done": True},
        {"refused": "moved"},
    ]


def test_all_runs_are_forecast_and_those_that_fit_are_moved(kit: Any, process: Process, operator: User) -> None:
    fits = process.start()
    gone_on = process.start()
    process.publish(process.ask, {"name": "old", "script": process.ask["script"]})
    # This one waits at an action that the next version doesn't have.
    move_run(run_id=gone_on, user=operator)
    kit.work()
    process.answer(gone_on)
    assert kit.run(gone_on).status == "waiting"
    process.publish_new()
    forecasts, more = forecast_moves(template=process.template, user=operator)
    assert [(item.run_id, item.fits) for item in forecasts] == [(fits, True), (gone_on, False)]
    assert not more
    moving, left, _ = move_runs(template=process.template, user=operator)
    kit.work()
    assert (moving, [item.run_id for item in left]) == ([fits], [gone_on])
    assert kit.run(fits).plan_id == process.template.published_plan_id
    assert [item.run_id for item in forecast_moves(template=process.template, user=operator)[0]] == [gone_on]


def test_what_an_instance_overrides_in_vain_is_a_misfit_of_that_run_only(kit: Any, operator: User) -> None:
    ask = {"name": "ask", "script": kit.script(park, durable=True)}
    sub = kit.template({"name": "inner", "script": kit.note("inner")})
    main = kit.template(ask, {"name": "call", "script": "sub"}, bindings={"sub": {"process": sub.slug}})
    overriding, plain = kit.start(template=main), kit.start(template=main)
    kit.work()
    instance = ProcessInstance.objects.create(
        template=main, plan_id=main.published_plan_id, bindings={"sub": {"process": "no-such"}}, owner=operator
    )
    Run.objects.filter(pk=overriding).update(instance=instance)
    save_draft(
        template=main,
        definition=json.dumps([ask, {"name": "call", "script": "sub"}, {"name": "more", "script": None}]),
        bindings={"sub": {"process": sub.slug}},
    )
    publish(template=main)
    forecasts, _more = forecast_moves(template=main, user=operator)
    assert {item.run_id: [misfit.code for misfit in item.misfits] for item in forecasts} == {
        overriding: ["bindings"],
        plain: [],
    }
    with pytest.raises(NotControllableError) as refused:
        move_run(run_id=overriding, user=operator)
    assert refused.value.fields == {"reason": "bindings"}


def test_a_move_is_undone(kit: Any, process: Process, operator: User) -> None:
    run_id = process.start()
    before = kit.run(run_id).plan_id
    process.publish_new()
    move_run(run_id=run_id, user=operator)
    kit.work()
    undo_move(run_id=run_id, user=operator)
    kit.work()
    assert kit.run(run_id).plan_id == before
    process.answer(run_id)
    assert kit.notes == ["old"]


def test_what_was_not_moved_has_nothing_to_undo_and_what_is_new_nowhere_to_go(process: Process, operator: User) -> None:
    run_id = process.start()
    for deed, reason in ((undo_move, "not_moved"), (move_run, "same_plan")):
        with pytest.raises(NotControllableError) as refused:
            deed(run_id=run_id, user=operator)
        assert refused.value.fields == {"reason": reason}


def test_a_sub_process_under_way_moves_along(kit: Any, operator: User) -> None:
    ask = {"name": "ask", "script": kit.script(park, durable=True)}
    sub = kit.template(ask, {"name": "old", "script": kit.note("old")})
    main = kit.template({"name": "call", "script": "sub"}, bindings={"sub": {"process": sub.slug}})
    run_id = kit.start(template=main)
    kit.work()
    save_draft(template=sub, definition=json.dumps([ask, {"name": "new", "script": kit.note("new")}]), bindings={})
    publish(template=sub)
    move_run(run_id=run_id, user=operator)
    kit.work()
    resume_run(run_id=run_id, ordinal=kit.run(run_id).ordinal, state=None, dedupe_key="answer")
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["new"], "completed")


def test_a_moved_run_is_rewound_to_the_plan_that_was_in_force_there(kit: Any, process: Process, operator: User) -> None:
    run_id = process.start()
    before = kit.run(run_id).plan_id
    process.publish_new()
    move_run(run_id=run_id, user=operator)
    kit.work()
    process.answer(run_id)
    assert kit.run(run_id).status == "completed"
    assert kit.run(rewind_run(run_id=run_id, user=operator, ordinal=0)).plan_id == before


def test_a_run_that_has_failed_is_taken_up_by_the_plan_that_mends_it(kit: Any, operator: User) -> None:
    process = Process(kit)
    process.publish({"name": "breaks", "script": kit.script(Breaks())}, {"name": "old", "script": kit.note("old")})
    run_id = process.start()
    process.publish({"name": "breaks", "script": kit.note("mended")}, {"name": "new", "script": kit.note("new")})
    new_id = retry_run(run_id=run_id, user=operator, newest=True)
    kit.work()
    assert (kit.notes, kit.run(new_id).status) == (["mended", "new"], "completed")
    assert kit.run(new_id).plan_id == process.template.published_plan_id
    second = process.start()
    with pytest.raises(NotControllableError) as refused:
        rewind_run(run_id=second, user=operator, ordinal=0, newest=True)
    assert refused.value.fields == {"reason": "same_plan"}


def test_who_moved_a_run_where_is_written_down(kit: Any, process: Process, operator: User) -> None:
    run_id = process.start()
    before = kit.run(run_id).plan_id
    process.publish_new()
    move_run(run_id=run_id, user=operator)
    kit.work()
    entry = AuditEntry.objects.get(action="run.moved")
    assert (entry.actor_name, entry.details) == (
        "olga",
        {"plan": before, "to": process.template.published_plan_id},
    )


def test_others_neither_move_a_run_nor_learn_of_it(process: Process, operator: User) -> None:
    run_id = process.start()
    staff = User.objects.create_user("sam", is_staff=True)
    with pytest.raises(TaskNotFound):
        move_run(run_id=run_id, user=staff)
    with pytest.raises(TemplateNotFoundError):
        forecast_moves(template=process.template, user=staff)


def test_over_http_runs_are_forecast_moved_and_moved_back(kit: Any, process: Process, api: Client) -> None:
    run_id = process.start()
    process.publish_new()
    address = f"/api/processes/{process.template.slug}/moves/"
    forecast = api.get(address).json()["runs"]
    assert [(item["id"], item["fits"], item["misfits"]) for item in forecast] == [(str(run_id), True, [])]
    sent = post(api, address)
    assert (sent.status_code, sent.json()) == (202, {"moved": [str(run_id)], "left": [], "more": False})
    kit.work()
    back = post(api, f"/api/runs/{run_id}/move/", {"undo": True})
    kit.work()
    assert api.get(back.json()["url"]).json()["result"] == {"done": True}
    assert Client().get(address).status_code == 404
    assert api.get("/api/processes/nothing/moves/").status_code == 404


def test_where_the_buttons_of_a_form_lead_must_still_be_there(kit: Any, operator: User) -> None:
    template = kit.template(ask("ask", leads_to="old"), {"name": "old", "script": kit.note("old")})
    run_id = kit.start(template=template)
    kit.work()
    for target, fits in (("new", False), ("old", True)):
        template.refresh_from_db()
        actions = [ask("ask", leads_to=target), {"name": target, "script": kit.note(target)}]
        save_draft(template=template, definition=json.dumps(actions), bindings={})
        publish(template=template)
        found = {forecast.run_id: forecast for forecast in forecast_moves(template=template, user=operator)[0]}
        assert found[run_id].fits is fits
    move_run(run_id=run_id, user=operator)
    kit.work()
    answer(run_id, visitor(session="s"), {"text": "x"})
    kit.work()
    assert (kit.notes, kit.run(run_id).status) == (["old"], "completed")
