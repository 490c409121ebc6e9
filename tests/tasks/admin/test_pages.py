"""The pages of one job and one tree: all that is known of it, and tracebacks for those only who may see them."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.admin.pages import MOST_NODES, MOST_RELATED, MOST_UPDATES, tree_rows
from tasks.domain.tree import TreeNode
from tasks.models import Attempt, CeleryTask, Job, TaskRoot, Update
from tasks.services.replaying import replay
from tasks.tracking import output, start_task, subtask
from tests.tasks.admin.conftest import JOBS, LOOKS, SECRET_LINE, TREES, Jobs, sign_in
from tests.tasks.conftest import Trees

pytestmark = pytest.mark.django_db(transaction=True)


def shown(client: Client, place: str, row: Job | TaskRoot) -> str:
    response = client.get(f"{place}{row.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def test_a_job_shows_what_it_was_given_and_what_came_of_it(reader: Client, made: Jobs) -> None:
    job = made.completed(title="Exporting", arguments={"format": "<csv>"}, saved={"at": 41}, idempotency_key="once")
    content = shown(reader, JOBS, job)
    for text in ("Exporting", "&lt;csv&gt;", "&quot;at&quot;: 41", "&quot;rows&quot;: 7", "once", str(job.pk)):
        assert text in content
    assert "<csv>" not in content


def test_nothing_on_it_can_be_edited(operator: Client, made: Jobs) -> None:
    job = made.waiting()
    for place in (JOBS, TREES):
        content = shown(operator, place, job)
        for absent in ('name="_save"', "<textarea", "<select", 'type="text"', 'name="function"'):
            assert absent not in content


def test_tracebacks_are_for_those_who_may_see_jobs(made: Jobs) -> None:
    job = made.dead()
    allowed = shown(sign_in("view_job", name="sees-jobs"), JOBS, job)
    # The job's own, and those of its two attempts.
    assert allowed.count(SECRET_LINE) == 3
    others = {
        "acts": (("change_job", "view_taskroot", "change_taskroot"), (JOBS, TREES)),
        "trees": (("view_taskroot",), (TREES,)),
    }
    for name, (permissions, places) in others.items():
        client = sign_in(*permissions, name=name)
        for place in places:
            content = shown(client, place, job)
            assert SECRET_LINE not in content
            assert "no room" in content
    assert sign_in("view_taskroot", name="trees-only").get(f"{JOBS}{job.pk}/change/").status_code == 403
    assert Client().get(f"{JOBS}{job.pk}/change/").status_code == 302


def test_attempts_are_told_in_their_order(reader: Client, made: Jobs) -> None:
    job = made.dead()
    Attempt.objects.create(
        job=job, number=2, outcome="lost", worker="host:9", ended_at=timezone.now(), error={"code": "worker_lost"}
    )
    response = reader.get(f"{JOBS}{job.pk}/change/")
    told = [(row["number"], str(row["outcome"])) for row in response.context["attempts"]]
    assert told == [(1, "failed"), (2, "failed"), (2, "worker lost")]
    assert "host:9" in response.content.decode()


def test_the_log_is_shown_up_to_its_end_in_one_query(reader: Client, made: Jobs) -> None:
    job = made.waiting()
    place = f"{JOBS}{job.pk}/change/"

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reader.get(place).status_code == 200
        return len(captured)

    queries()  # The first one also reads what is known from then on: kinds of content.
    few = queries()
    last = job.root.last_seq
    body = json.dumps({"v": 1, "type": "nodeOutput", "timestamp": "2026-11-28T20:00:00.000Z", "text": "x"})
    Update.objects.bulk_create(Update(root_id=job.pk, seq=last + 1 + n, body=body) for n in range(MOST_UPDATES + 50))
    TaskRoot.objects.filter(pk=job.pk).update(last_seq=last + MOST_UPDATES + 50)
    assert queries() == few
    response = reader.get(place)
    seqs = [update.seq for update, _ in response.context["log"]["updates"]]
    assert seqs == list(range(last + 51, last + MOST_UPDATES + 51))
    assert f"The last {MOST_UPDATES} updates of {last + MOST_UPDATES + 50}." in response.content.decode()


def test_a_long_update_is_cut_off(reader: Client, made: Jobs) -> None:
    job = made.waiting()
    seq = job.root.last_seq + 1
    body = f'{{"v":1,"seq":{seq},"type":"nodeOutput","taskId":"{job.pk}","timestamp":"2026-11-28T20:00:00.000Z","text":'
    Update.objects.create(root_id=job.pk, seq=seq, body=f'{body}"{"y" * 90_000}"}}')
    response = reader.get(f"{JOBS}{job.pk}/change/")
    last, _ = response.context["log"]["updates"][-1]
    assert (last.type, last.timestamp) == ("nodeOutput", "2026-11-28T20:00:00.000Z")
    assert len(response.content) < 60_000


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"blocked_by": "key:tenant:7", "concurrency_limit": 1}, "Only 1 job with the key “tenant:7”"),
        ({"blocked_by": "key:k", "concurrency_limit": 3}, "Only 3 jobs with the key “k”"),
        ({"blocked_by": "rate:mails"}, "“mails” may begin only so often"),
        ({"due_at": timedelta(hours=-1)}, "No worker has been free for 60 minutes"),
        ({"status": "retry", "due_at": timedelta(hours=5)}, "It is tried again by itself in"),
        ({"status": "running", "lease_until": timedelta(minutes=-3)}, "The worker was lost 3 minutes ago"),
    ],
)
def test_a_job_says_what_holds_it_up(reader: Client, made: Jobs, changes: dict[str, object], text: str) -> None:
    job = made.waiting()
    now = timezone.now()
    given = {key: now + value if isinstance(value, timedelta) else value for key, value in changes.items()}
    Job.objects.filter(pk=job.pk).update(**given)
    content = shown(reader, JOBS, job)
    assert text.replace("It is tried", "The work is tried") in content


def test_what_has_ended_is_held_up_by_nothing(reader: Client, made: Jobs) -> None:
    assert "Held up by" not in shown(reader, JOBS, made.completed())


def test_a_schedule_is_told_with_the_job(reader: Client, made: Jobs) -> None:
    declared = made.kit.declare(lambda context: None, schedule="0 3 * * *")
    job = Job.objects.get(pk=declared.enqueue().root_id)
    assert "by the clock: 0 3 * * *" in shown(reader, JOBS, job)


def test_executions_lead_to_each_other(reader: Client, made: Jobs) -> None:
    job = made.dead()
    fresh = replay(job.pk)
    assert f'href="{JOBS}{fresh.pk}/change/"' in shown(reader, JOBS, job)
    assert f'href="{JOBS}{job.pk}/change/"' in shown(reader, JOBS, fresh)


def test_of_many_that_it_has_started_a_task_names_the_first_and_says_that_there_are_more(
    reader: Client, made: Jobs
) -> None:
    job = made.waiting()
    TaskRoot.objects.bulk_create(TaskRoot(title=f"part {n}", parent_id=job.pk) for n in range(MOST_RELATED))
    note = f"There are more than {MOST_RELATED}; those are the first."
    assert note not in shown(reader, JOBS, job)
    TaskRoot.objects.create(title="the last one", parent_id=job.pk)
    content = shown(reader, JOBS, job)
    assert note in content
    assert "the last one" not in content


def test_those_who_may_not_see_jobs_are_led_to_trees(made: Jobs) -> None:
    job = made.dead()
    fresh = replay(job.pk)
    content = shown(sign_in("view_taskroot", name="trees"), TREES, job)
    assert f'href="{TREES}{fresh.pk}/change/"' in content
    assert JOBS not in content


def test_a_function_that_is_not_there_any_more_can_be_looked_at(reader: Client, made: Jobs) -> None:
    job = made.waiting()
    Job.objects.filter(pk=job.pk).update(function="gone.away")
    assert "gone.away" in shown(reader, JOBS, job)


def test_a_tree_shows_its_nodes_one_in_another(reader: Client, trees: Trees) -> None:
    with start_task("Importing", owner=User.objects.create_user("ada"), meta={"file": "a<b>.csv"}) as task:
        with subtask("Validating", total=4) as node:
            node.progress(3, 4, "three of four")
            output("accepted")
        with subtask("Storing"), subtask("Batch"):
            pass
    trees.updates(task.id)
    content = shown(reader, TREES, TaskRoot.objects.get(pk=task.id))
    for text in ("Validating", "3 / 4", "three of four", "accepted", "a&lt;b&gt;.csv", "ada", "100 %"):
        assert text in content
    drawn = content.partition('class="task-tree"')[2].partition("</section>")[0]
    assert drawn.count("<ul>") == 2
    assert drawn.count("<li>") == drawn.count("</li>") == 4
    assert f'href="/progress/{task.id}/"' in content


def test_a_tree_without_a_live_page_leads_to_none(reader: Client, made: Jobs, settings: object) -> None:
    job = made.waiting()
    for value in ("", "nowhere:at-all"):
        settings.STEPLINE_TASK_PAGE = value  # type: ignore[attr-defined]
        assert "/progress/" not in shown(reader, JOBS, job)


def test_those_who_may_not_follow_a_task_are_not_led_there(made: Jobs) -> None:
    job = made.waiting()
    assert "/progress/" not in shown(sign_in("view_job", name="jobs-only"), JOBS, job)


def test_a_very_deep_or_wide_tree_is_shown_as_far_as_it_goes() -> None:
    deepest = top = TreeNode(id="0", type="task", title="0")
    for number in range(1, 5_000):
        deepest.children.append(TreeNode(id=str(number), type="task", title=str(number)))
        deepest = deepest.children[0]
    rows, left = tree_rows(top)
    assert (len(rows), left) == (MOST_NODES, 5_000 - MOST_NODES)
    assert sum(row.opens for row in rows) == sum(len(row.closes) for row in rows) == MOST_NODES - 1


def test_a_tree_shows_what_it_began_with_and_who_began_it(reader: Client, trees: Trees) -> None:
    parent = start_task("Parent")
    with parent.activate():
        child = start_task("Child")
        child.close()
    parent.close()
    trees.updates(child.id)
    trees.updates(parent.id)
    assert f'href="{TREES}{parent.id}/change/"' in shown(reader, TREES, TaskRoot.objects.get(pk=child.id))
    assert f'href="{TREES}{child.id}/change/"' in shown(reader, TREES, TaskRoot.objects.get(pk=parent.id))


def test_a_job_leads_to_its_tree_and_back(reader: Client, made: Jobs) -> None:
    job = made.completed(arguments={"year": 1999}, input={"year": 1999})
    assert f'href="{TREES}{job.pk}/change/"' in shown(reader, JOBS, job)
    tree = shown(reader, TREES, job)
    assert f'href="{JOBS}{job.pk}/change/"' in tree
    assert "1999" in tree


def test_a_celery_task_is_named(reader: Client) -> None:
    root = TaskRoot.objects.create(title="Counting")
    CeleryTask.objects.create(root=root, task_id="celery-id-1", name="shop.count", worker="w1")
    assert "shop.count, celery-id-1, w1" in shown(reader, TREES, root)


@pytest.mark.parametrize("place", [JOBS, TREES])
def test_what_is_not_there_and_the_trees_of_requests_look_the_same(reader: Client, place: str) -> None:
    of_request = TaskRoot.objects.create(title="Secret request", request_scoped=True)
    for pk in (of_request.pk, "nonsense", "%00", "019a2b3c-0000-7000-8000-000000000000"):
        for page in ("change", "history"):
            response = reader.get(f"{place}{pk}/{page}/", follow=True)
            assert response.redirect_chain
            assert "Secret request" not in response.content.decode()


def test_pages_speak_german(made: Jobs) -> None:
    client = sign_in(*LOOKS, name="german")
    job = made.dead()
    for place in (f"{JOBS}{job.pk}/change/", JOBS):
        content = client.get(place, headers={"accept-language": "de"}).content.decode()
        assert "beiseitegelegt" in content
