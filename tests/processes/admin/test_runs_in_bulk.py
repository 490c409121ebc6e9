"""Many runs at once: from the list, after a question, and from a template's tab; each run is dealt with by itself."""

import json
import uuid
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import AuditEntry, ProcessTemplate, Run
from processes.services.errors import NotControllableError
from processes.services.moving import forecast_moves, move_run
from processes.services.operators import pause_run
from tasks.models import TaskRoot
from tests.processes.admin.clients import client_with
from tests.processes.admin.runs_desk import RUNS, page_of, queries, told, waiting
from tests.processes.scripts.test_parallel_scripts import children, parallel
from tests.processes.services.conftest import api, kit, operator, with_control
from tests.processes.services.test_compensating_runs import park
from tests.processes.services.test_controlling import Breaks, failed
from tests.processes.services.test_moving_runs import Process, process

__all__ = ["api", "kit", "operator", "process"]


def choose(client: Client, verb: str, *run_ids: uuid.UUID, sure: bool = True, query: str = "", **more: str) -> Any:
    sent = {"action": f"{verb}_runs", "_selected_action": [str(run_id) for run_id in run_ids], **more}
    return client.post(f"{RUNS}{query}", {**sent, "post": "yes"} if sure else sent)


def tab(process: Process) -> str:
    return f"/admin/processes/processtemplate/{process.template.pk}/runs/"


@pytest.fixture
def desk(operator: User) -> Client:
    """Somebody who may control runs, and look at templates."""
    operator.user_permissions.add(Permission.objects.get(codename="view_processtemplate"))
    client = Client()
    client.force_login(operator)
    return client


# -- the list ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "unpause", "cancel", "move", "undo", "export"])
def test_nothing_happens_before_the_question_is_answered(kit: Any, api: Client, verb: str) -> None:
    run_id = waiting(kit)
    asked = choose(api, verb, run_id, sure=False)
    assert asked.status_code == 200
    assert str(run_id) in asked.content.decode()
    assert (kit.run(run_id).status, kit.run(run_id).inbox.count()) == ("waiting", 0)
    assert not AuditEntry.objects.filter(actor_name="olga").exists()


def test_runs_are_paused_and_go_on_together(kit: Any, api: Client) -> None:
    runs = [waiting(kit), waiting(kit)]
    assert told(choose(api, "pause", *runs)) == "2 are to stand still."
    kit.work()
    assert {kit.run(run_id).waiting_for["code"] for run_id in runs} == {"paused"}
    assert told(choose(api, "unpause", *runs)) == "2 go on."
    kit.work()
    assert {kit.run(run_id).waiting_for["code"] for run_id in runs} == {"human"}
    assert AuditEntry.objects.filter(action="run.paused", actor_name="olga").count() == 2


def test_it_is_told_which_were_left_and_why(kit: Any, api: Client, operator: User) -> None:
    alive, ended, paused = waiting(kit), failed(kit, Breaks()), waiting(kit)
    pause_run(run_id=paused, user=operator)
    text = told(choose(api, "pause", alive, ended, paused))
    assert "1 is to stand still, 2 are left as they were." in text
    assert f"{ended}: This run has ended already." in text
    assert f"{paused}: This run is paused already." in text


def test_runs_are_cancelled(kit: Any, api: Client) -> None:
    runs = [waiting(kit), waiting(kit)]
    choose(api, "cancel", *runs)
    assert [kit.run(run_id).status for run_id in runs] == ["cancelled"] * 2
    assert AuditEntry.objects.filter(action="run.cancelled", actor_name="olga").count() == 2


def test_one_that_goes_wrong_leaves_the_others(kit: Any, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = waiting(kit), waiting(kit)

    def cancel(*, run_id: uuid.UUID, user: User) -> None:
        if run_id == first:
            raise RuntimeError("boom")

    monkeypatch.setattr("processes.services.bulk.cancel_run", cancel)
    text = told(choose(api, "cancel", first, second))
    assert "1 is cancelled, or asked to stop, 1 is left as it was." in text
    assert f"{first}: Something went wrong" in text
    assert "boom" not in text


def test_runs_are_moved_where_they_fit_and_back(kit: Any, process: Process, api: Client) -> None:
    runs = [process.start(), process.start()]
    other = waiting(kit)
    before = kit.run(runs[0]).plan_id
    process.publish_new()
    question = choose(api, "move", *runs, other, sure=False).content.decode()
    assert (question.count("it fits the plan"), question.count("it has nowhere to go")) == (2, 1)
    text = told(choose(api, "move", *runs, other))
    assert "2 are to move, 1 is left as it was." in text
    kit.work()
    assert {kit.run(run_id).plan_id for run_id in runs} == {process.template.published_plan_id}
    choose(api, "undo", *runs)
    kit.work()
    assert {kit.run(run_id).plan_id for run_id in runs} == {before}


def test_runs_are_exported_one_a_line(kit: Any, api: Client) -> None:
    runs = [waiting(kit), waiting(kit)]
    file = choose(api, "export", *runs)
    lines = [json.loads(line) for line in b"".join(file.streaming_content).splitlines()]
    assert {line["run"]["id"] for line in lines} == {str(run_id) for run_id in runs}
    assert AuditEntry.objects.filter(action="run.exported", actor_name="olga").count() == 2


def test_what_is_purged_while_the_file_is_written_is_told_in_it(kit: Any, api: Client) -> None:
    kept, purged = waiting(kit), waiting(kit)
    file = choose(api, "export", kept, purged)
    Run.objects.filter(pk=purged).delete()
    lines = [json.loads(line) for line in b"".join(file.streaming_content).splitlines()]
    assert sorted(line.get("id", "whole") for line in lines) == sorted(["whole", str(purged)])


def test_behind_an_async_server_the_file_is_the_same(kit: Any, api: Client) -> None:
    async def received() -> bytes:
        return b"".join([block async for block in file])

    runs = [waiting(kit), waiting(kit)]
    file = choose(api, "export", *runs)
    lines = [json.loads(line) for line in async_to_sync(received)().splitlines()]
    assert {line["run"]["id"] for line in lines} == {str(run_id) for run_id in runs}


def test_the_list_comes_back_as_it_was_narrowed(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    asked = choose(api, "pause", run_id, sure=False, query="?status=waiting")
    assert b'name="back" value="status=waiting"' in asked.content
    assert choose(api, "pause", run_id, back="status=waiting").url == f"{RUNS}?status=waiting"


def test_who_may_not_control_runs_is_offered_nothing(kit: Any, client: Client) -> None:
    run_id = waiting(kit)
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    client.force_login(user)
    assert b"_selected_action" not in client.get(RUNS).content
    choose(client, "cancel", run_id)
    assert kit.run(run_id).status == "waiting"


def test_what_no_list_has_asked_for_is_refused(kit: Any, api: Client) -> None:
    sent = {"action": "pause_runs", "_selected_action": ["x"]}
    assert api.post(RUNS, sent).status_code == 400


def test_a_list_takes_as_many_queries_for_twenty_runs_as_for_one(kit: Any, api: Client) -> None:
    template = kit.template({"name": "a", "script": kit.note("a")})
    kit.start(template=template)
    counted = queries(api, RUNS)
    for _ in range(19):
        kit.start(template=template, user=None)
    assert queries(api, RUNS) == counted


def test_the_question_of_a_move_has_words_for_what_can_not_move_and_what_does_not_fit(
    kit: Any, process: Process, api: Client
) -> None:
    stuck, gone = process.start(), waiting(kit)
    ProcessTemplate.objects.filter(pk=kit.run(gone).template_id).update(published_plan=None)
    process.publish({**process.ask, "name": "other"})
    question = choose(api, "move", stuck, gone, sure=False).content.decode()
    assert "it has nowhere to go" in question
    assert f"it doesn&#x27;t fit: “ask” isn&#x27;t in “{process.template.slug}” any more" in question
    text = told(choose(api, "move", stuck, gone))
    assert "2 are left as they were" in text
    assert f"{gone}: The process of this run isn&#x27;t published any more." in text


def test_the_question_takes_as_many_queries_for_twenty_runs_as_for_one(kit: Any, process: Process, api: Client) -> None:
    runs = [process.start() for _ in range(20)]
    process.publish_new()
    counts = []
    for chosen in (runs[:1], runs[:1], runs):
        with CaptureQueriesContext(connection) as captured:
            assert choose(api, "move", *chosen, sure=False).content.count(b"it fits the plan") == len(chosen)
        counts.append(len(captured))
    assert counts[1] == counts[2]


# -- the template's tab -----------------------------------------------------------------------------------------------


def test_the_tab_says_how_many_run_by_which_plan_and_what_fits(kit: Any, process: Process, desk: Client) -> None:
    process.start()
    stuck = process.start()
    process.publish({**process.ask, "name": "other"}, process.ask)
    shown = desk.get(tab(process))
    assert [(row.name, row.runs, row.is_current) for row in shown.context["plans"]] == [("version 1", 2, False)]
    assert (shown.context["fitting"], shown.context["left"]) == (2, 0)
    process.publish({**process.ask, "name": "other"})
    shown = desk.get(tab(process))
    assert (shown.context["fitting"], shown.context["left"]) == (0, 2)
    text = shown.content.decode()
    assert f"“ask” isn&#x27;t in “{process.template.slug}” any more" in text
    assert page_of(stuck) in text
    assert "Move all that fit" not in text


def test_all_that_fit_are_moved_from_the_tab_and_moved_back(kit: Any, process: Process, desk: Client) -> None:
    runs = [process.start(), process.start()]
    before = kit.run(runs[0]).plan_id
    process.publish_new()
    assert told(desk.post(tab(process), {"deed": "move"})) == "2 are to move."
    kit.work()
    assert {kit.run(run_id).plan_id for run_id in runs} == {process.template.published_plan_id}
    shown = desk.get(tab(process))
    assert (shown.context["moved"], list(shown.context["rows"])) == (2, [])
    assert told(desk.post(tab(process), {"deed": "undo"})) == "2 are to move back."
    kit.work()
    assert {kit.run(run_id).plan_id for run_id in runs} == {before}
    assert desk.get(tab(process)).context["moved"] == 0
    assert AuditEntry.objects.filter(action="run.moved", actor_name="olga").count() == 4


def test_questions_and_forecasts_call_a_run_by_its_title(kit: Any, process: Process, desk: Client) -> None:
    run_id = process.start()
    TaskRoot.objects.filter(pk=kit.run(run_id).root_id).update(title="Order 17")
    process.publish_new()
    assert f"Order 17 {run_id}" in choose(desk, "pause", run_id, sure=False).content.decode()
    assert [row.title for row in desk.get(tab(process)).context["rows"]] == ["Order 17"]


def test_a_template_that_is_not_published_any_more_has_nowhere_to_move_its_runs(process: Process, desk: Client) -> None:
    process.start()
    process.template.published_plan = None
    process.template.save()
    shown = desk.get(tab(process))
    assert "published any more" in shown.context["problem"]
    assert "published any more" in told(desk.post(tab(process), {"deed": "move"}))


def test_the_tab_is_there_for_those_only_who_may_control_runs(kit: Any, process: Process, desk: Client) -> None:
    process.start()
    editor = client_with("view", "change", name="editor")
    page = f"/admin/processes/processtemplate/{process.template.pk}/change/"
    assert tab(process) not in editor.get(page).content.decode()
    assert tab(process) in desk.get(page).content.decode()
    for answer in (editor.get(tab(process)), editor.post(tab(process), {"deed": "move"})):
        assert answer.status_code == 404
    stranger = Client()
    stranger.force_login(with_control(User.objects.create_user("sam", is_staff=True)))
    assert stranger.get(tab(process)).status_code == 404, "the template itself isn't theirs to see"


def test_the_tab_takes_as_many_queries_for_twenty_runs_as_for_one(kit: Any, process: Process, desk: Client) -> None:
    process.start()
    process.publish_new()
    desk.get(tab(process))
    counted = queries(desk, tab(process))
    old = kit.run(Run.objects.get().pk)
    for _ in range(19):
        kit.start(template=process.template)
    kit.work()
    Run.objects.exclude(pk=old.pk).update(plan_id=old.plan_id)
    assert desk.get(tab(process)).context["fitting"] + desk.get(tab(process)).context["left"] == 20
    assert queries(desk, tab(process)) == counted


def test_a_part_of_another_run_is_moved_only_with_that_one(kit: Any, operator: User, desk: Client) -> None:
    process = Process(kit)
    process.publish(*parallel(kit, {"a": {"script": kit.script(park, durable=True)}}))
    template = process.template
    process.start()
    process.publish({"name": "else", "script": kit.note("else")})
    (child,) = children()
    with pytest.raises(NotControllableError) as refused:
        move_run(run_id=child.pk, user=operator)
    assert refused.value.fields == {"reason": "part"}
    assert child.pk not in [item.run_id for item in forecast_moves(template=template, user=operator)[0]]
    assert "move" not in [page.name for page, _ in desk.get(page_of(child.pk)).context["buttons"]]
    parts = {row.plan: (row.runs, row.parts) for row in desk.get(tab(process)).context["plans"]}
    assert parts == {kit.run(child.fan_out.run_id).plan_id: (1, 1)}
