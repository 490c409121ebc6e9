"""Cancelling and replaying from the admin: told one by one, logged, and never by a GET."""

import re
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from tasks.admin import acting
from tasks.models import CeleryTask, Job, TaskRoot
from tasks.services.replaying import replay
from tasks.services.roots import Owner, create_root
from tasks.tracking import start_task
from tests.tasks.admin.conftest import ACTS, DEAD, JOBS, TREES, Jobs, ask, sign_in, told
from tests.tasks.conftest import Trees

pytestmark = pytest.mark.django_db(transaction=True)


def status_of(row: Any) -> str:
    return Job.objects.get(pk=row.pk).shown_status.value


def test_what_was_chosen_is_asked_about_before_anything_is_done(operator: Client, made: Jobs) -> None:
    job = made.waiting(title="<Weekly> report")
    response = ask(operator, f"{JOBS}?status=pending", "cancel", job)
    assert response.status_code == 200
    content = response.content.decode()
    assert "&lt;Weekly&gt; report" in content
    assert str(job.pk) in content
    assert status_of(job) == "pending"
    # The question goes to the whole list: what has changed meanwhile is dealt with, too, and told.
    assert f'action="{JOBS}"' in content
    assert 'name="back" value="status=pending"' in content


def test_many_are_cancelled_and_each_that_cannot_be_says_why(operator: Client, made: Jobs) -> None:
    waiting, running, done = made.waiting(title="waits"), made.waiting(title="runs"), made.completed(title="is done")
    Job.objects.filter(pk=running.pk).update(status="running", worker="somebody")
    response = ask(operator, JOBS, "cancel", waiting, running, done, post="yes", back="status=pending")
    assert response["Location"] == f"{JOBS}?status=pending"
    assert [status_of(job) for job in (waiting, running, done)] == ["cancelled", "cancel_requested", "completed"]
    [message] = told(response)
    assert "1 cancelled" in message
    assert "1 asked to stop" in message
    assert "1 had ended already" in message
    assert "<li>is done: This task has ended already.</li>" in message
    assert TaskRoot.objects.get(pk=waiting.pk).error == "cancelled by an administrator"


def test_dead_letters_are_replayed_and_each_that_cannot_be_says_why(operator: Client, made: Jobs) -> None:
    dead, again, gone = made.dead(title="dead"), made.dead(title="again"), made.dead(title="gone")
    replay(again.pk)
    Job.objects.filter(pk=gone.pk).update(function="gone.away")
    response = ask(operator, DEAD, "replay", dead, again, gone, post="yes")
    assert response["Location"] == DEAD
    [message] = told(response)
    assert "1 enqueued once more" in message
    assert "2 left as they were" in message
    assert "again: This was repeated already; look at its repetition." in message
    assert "gone: No job is named" in message
    fresh = Job.objects.get(root__previous_id=dead.pk)
    assert (fresh.status, status_of(dead)) == ("pending", "dead_letter")


@pytest.mark.parametrize("end", ["failed", "dead", "cancelled"])
def test_every_bad_end_can_be_replayed_from_the_list_of_jobs(operator: Client, made: Jobs, end: str) -> None:
    if end == "cancelled":
        job = made.waiting()
        ask(operator, JOBS, "cancel", job, post="yes")
    else:
        job = getattr(made, end)()
    ask(operator, JOBS, "replay", job, post="yes")
    assert Job.objects.filter(root__previous_id=job.pk, status="pending").exists()


def test_one_is_cancelled_from_its_own_page(operator: Client, made: Jobs) -> None:
    job = made.waiting()
    assert f'action="{JOBS}{job.pk}/cancel/"' in operator.get(f"{JOBS}{job.pk}/change/").content.decode()
    response = operator.post(f"{JOBS}{job.pk}/cancel/")
    assert response["Location"] == f"{JOBS}{job.pk}/change/"
    assert (status_of(job), told(response)) == ("cancelled", ["1 cancelled."])
    assert f"{job.pk}/cancel/" not in operator.get(f"{JOBS}{job.pk}/change/").content.decode()


def test_one_is_replayed_from_its_own_page_which_leads_to_the_new_one(operator: Client, made: Jobs) -> None:
    job = made.dead()
    assert f'action="{JOBS}{job.pk}/replay/"' in operator.get(f"{JOBS}{job.pk}/change/").content.decode()
    response = operator.post(f"{JOBS}{job.pk}/replay/")
    fresh = Job.objects.get(root__previous_id=job.pk)
    assert response["Location"] == f"{JOBS}{fresh.pk}/change/"
    assert f"{job.pk}/replay/" not in operator.get(f"{JOBS}{job.pk}/change/").content.decode()
    response = operator.post(f"{JOBS}{job.pk}/replay/")
    assert response["Location"] == f"{JOBS}{job.pk}/change/"
    assert "repeated already" in told(response)[-1]
    assert Job.objects.filter(root__previous_id=job.pk).count() == 1


def test_what_cannot_be_replayed_is_not_offered_to_be(operator: Client, made: Jobs) -> None:
    own_state = made.kit.register(lambda context: None, checkpointed=True)
    gone, kept = made.dead(), made.dead()
    Job.objects.filter(pk=gone.pk).update(function="gone.away")
    Job.objects.filter(pk=kept.pk).update(function=own_state)
    for job in (gone, kept, made.completed()):
        assert f"{job.pk}/replay/" not in operator.get(f"{JOBS}{job.pk}/change/").content.decode()


def test_trees_are_cancelled_whoever_works_on_them(operator: Client, made: Jobs, trees: Trees) -> None:
    job, task = made.waiting(title="job"), start_task("code")
    trees.updates(task.id)
    code = TaskRoot.objects.get(pk=task.id)
    response = ask(operator, TREES, "cancel", job, code, post="yes")
    assert told(response) == ["1 cancelled, 1 asked to stop."]
    code.refresh_from_db()
    assert code.cancel_requested_at is not None
    task.close()
    trees.updates(task.id)
    response = operator.post(f"{TREES}{task.id}/cancel/")
    assert "1 had ended already" in told(response)[-1]


def test_a_tree_that_nobody_has_begun_is_left_as_it_is_and_says_so(operator: Client) -> None:
    root = create_root(title="Indicator", owner=Owner())
    [message] = told(ask(operator, TREES, "cancel", root, post="yes"))
    assert message.startswith("1 left as it was.")


@pytest.mark.parametrize("verb", ["cancel", "replay"])
def test_a_get_does_nothing(operator: Client, made: Jobs, verb: str) -> None:
    job = made.waiting() if verb == "cancel" else made.dead()
    before = status_of(job)
    assert operator.get(f"{JOBS}{job.pk}/{verb}/").status_code == 405
    query = {"action": f"{verb}_selected", "_selected_action": str(job.pk), "post": "yes"}
    operator.get(JOBS, query)
    assert status_of(job) == before
    assert Job.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_a_request_from_elsewhere_does_nothing(made: Jobs) -> None:
    job = made.waiting()
    sign_in(*ACTS, name="operator")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="operator"))
    assert client.post(f"{JOBS}{job.pk}/cancel/").status_code == 403
    assert ask(client, JOBS, "cancel", job, post="yes").status_code == 403
    assert status_of(job) == "pending"


@pytest.mark.parametrize(
    ("permissions", "may"),
    [
        (("view_job", "view_taskroot"), set()),
        (("view_job", "change_job"), {"replay"}),
        (("view_job", "view_taskroot", "change_taskroot"), {"cancel tree"}),
        (ACTS, {"cancel", "replay", "cancel tree"}),
    ],
)
def test_each_takes_its_permission(made: Jobs, permissions: tuple[str, ...], may: set[str]) -> None:
    client = sign_in(*permissions)
    waiting, dead, tree = made.waiting(), made.dead(), made.waiting()
    page = client.get(JOBS).content.decode()
    assert ("cancel_selected" in page, "replay_selected" in page) == ("cancel" in may, "replay" in may)
    if not may & {"cancel"}:
        ask(client, JOBS, "cancel", waiting, post="yes")
        assert status_of(waiting) == "pending"
    answers = {
        "cancel": client.post(f"{JOBS}{waiting.pk}/cancel/"),
        "replay": client.post(f"{JOBS}{dead.pk}/replay/"),
        "cancel tree": client.post(f"{TREES}{tree.pk}/cancel/"),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 302} == may
    assert {answer.status_code for name, answer in answers.items() if name not in may} <= {403}
    assert status_of(waiting) == ("cancelled" if "cancel" in may else "pending")


def test_what_was_done_is_in_the_history_of_the_job_and_of_its_tree(operator: Client, made: Jobs) -> None:
    job, done = made.dead(), made.completed()
    ask(operator, DEAD, "replay", job, done, post="yes")
    fresh = Job.objects.get(root__previous_id=job.pk)
    operator.post(f"{TREES}{fresh.pk}/cancel/")
    entries = LogEntry.objects.order_by("pk")
    assert [(entry.object_id, entry.get_change_message()) for entry in entries] == [
        (str(job.pk), f"Replayed as {fresh.pk}."),
        (str(fresh.pk), "Cancelled."),
    ]
    assert {entry.user.get_username() for entry in entries} == {"operator"}
    for place in (JOBS, TREES):
        content = operator.get(f"{place}{fresh.pk}/history/").content.decode()
        assert "Cancelled." in content
        assert "operator" in content
    # The log of the admin's first page leads to pages that are there.
    for entry in entries:
        address = re.escape(entry.get_admin_url() or "")
        assert operator.get(address.replace("\\", "")).status_code == 200


def test_what_could_not_be_done_is_not_logged(operator: Client, made: Jobs) -> None:
    ask(operator, JOBS, "cancel", made.completed(), post="yes")
    assert not LogEntry.objects.exists()


def test_more_than_a_request_can_deal_with_is_refused_as_a_whole(
    operator: Client, made: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "MOST_AT_ONCE", 2)
    rows = [made.waiting() for _ in range(3)]
    response = operator.post(
        JOBS, {"action": "cancel_selected", "select_across": "1", "_selected_action": [str(rows[0].pk)], "post": "yes"}
    )
    assert "At most 2 at once" in told(response)[0]
    assert {status_of(row) for row in rows} == {"pending"}


def test_what_goes_wrong_with_one_keeps_no_other_from_it(operator: Client, made: Jobs) -> None:
    def settle(*_: object) -> None:
        raise KeyError("its rows are gone")

    broken = made.kit.declare(lambda context: None, settle_idle=settle).using(title="broken").enqueue()
    first, last = made.waiting(), made.waiting()
    rows = [Job.objects.get(pk=row.root_id) for row in (first, broken, last)]
    [message] = told(ask(operator, JOBS, "cancel", *rows, post="yes"))
    assert [status_of(row) for row in rows] == ["cancelled", "pending", "cancelled"]
    assert "2 cancelled, 1 left as it was" in message
    assert "broken: Something went wrong" in message
    assert "its rows are gone" not in message
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("more", [{}, {"post": "yes"}])
def test_where_nothing_of_what_was_chosen_is_left_there_is_nothing_to_ask(
    operator: Client, made: Jobs, more: dict[str, str]
) -> None:
    job = made.waiting()
    TaskRoot.objects.filter(pk=job.pk).delete()
    response = ask(operator, JOBS, "cancel", job, **more)
    assert response.status_code == 302
    assert told(response) == ["None of what was chosen is there any more."]


def test_one_that_is_not_there_is_not_found(operator: Client) -> None:
    assert operator.post(f"{JOBS}{uuid.uuid4()}/cancel/").status_code == 404
    hidden = TaskRoot.objects.create(title="of a request", request_scoped=True)
    assert operator.post(f"{TREES}{hidden.pk}/cancel/").status_code == 404


def test_what_no_list_could_have_asked_for_is_refused(operator: Client, made: Jobs) -> None:
    made.waiting()
    answer = operator.post(JOBS, {"action": "cancel_selected", "_selected_action": ["nonsense"], "post": "yes"})
    assert answer.status_code == 400
    assert operator.post(JOBS, {"action": "explode_selected", "_selected_action": []}).status_code == 200


def test_a_title_is_text_in_every_message(operator: Client, made: Jobs) -> None:
    job = made.completed(title="<script>alert(1)</script>")
    response = ask(operator, JOBS, "cancel", job, post="yes", back="q=<script>")
    assert "&lt;script&gt;" in told(response)[0]
    assert "<script>alert" not in operator.get(JOBS).content.decode()


def test_a_celery_task_is_cancelled_like_any_other(operator: Client, broker: object) -> None:
    root = create_root(title="Counting", owner=Owner())
    CeleryTask.objects.create(root=root, task_id="x", name="count")
    answer = operator.post(f"{TREES}{root.pk}/cancel/")
    assert answer["Location"] == f"{TREES}{root.pk}/change/"
    assert told(answer) == ["1 cancelled."]
    row = CeleryTask.objects.select_related("root").get(pk=root.pk)
    assert (row.root.status, row.cancel_reason) == ("cancelled", "cancelled by an administrator")
