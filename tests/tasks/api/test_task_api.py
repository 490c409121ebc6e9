"""One task over HTTP: its tree, its output, its log page by page, and an end with a reason."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tasks import output, start_task, subtask
from tasks.models import TaskRoot
from tasks.services.roots import Owner
from tests.tasks.api.conftest import Desk
from tests.tasks.conftest import Trees


@pytest.fixture
def ann(trees: Trees) -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def client(ann: User) -> Client:
    client = Client()
    client.force_login(ann)
    return client


def imported(ann: User, trees: Trees) -> uuid.UUID:
    """Do a task of two steps, the second of them in two parts, and return its id."""
    with start_task("Import", owner=Owner(user_id=ann.pk)) as task:
        with subtask("Read", total=2) as read:
            read.step(2)
            output("2 rows\n")
        with subtask("Store"), subtask("Rows") as rows:
            rows.progress(1, 4, "the first")
            output("stored\n")
    assert trees.types(task.id)[-1] == "taskEnd"
    return task.id


def test_a_tree_tells_how_far_each_node_is(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)

    told = client.get(f"/api/tasks/{task_id}/tree/").json()

    assert (told["id"], told["status"], told["seq"]) == (str(task_id), "completed", len(trees.updates(task_id)))
    assert shape(told["tree"]) == ("Import", 100.0, [("Read", 100.0, []), ("Store", 100.0, [("Rows", 100.0, [])])])


@pytest.mark.parametrize(("depth", "titles"), [(0, {"Import"}), (1, {"Import", "Read", "Store"})])
def test_a_tree_is_told_as_deep_as_is_asked(
    ann: User, client: Client, trees: Trees, depth: int, titles: set[str]
) -> None:
    task_id = imported(ann, trees)

    assert set(titles_of(client.get(f"/api/tasks/{task_id}/tree/?depth={depth}").json()["tree"])) == titles


def test_output_comes_as_it_was_put_out(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)
    read = client.get(f"/api/tasks/{task_id}/tree/").json()["tree"]["children"][0]["id"]

    assert text(client.get(f"/api/tasks/{task_id}/output/")) == "2 rows\nstored\n"
    assert text(client.get(f"/api/tasks/{task_id}/output/?node={read}")) == "2 rows\n"
    assert text(client.get(f"/api/tasks/{task_id}/output/?node={uuid.uuid4()}")) == ""


def test_output_whose_log_is_kept_no_more_is_its_end(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)
    TaskRoot.objects.get(pk=task_id).updates.filter(seq__lt=5).delete()

    assert text(client.get(f"/api/tasks/{task_id}/output/")) == "2 rows\nstored\n"


def test_the_log_is_read_page_by_page_as_it_is_streamed(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)
    wanted, seen, since = trees.updates(task_id), [], 0

    while since is not None:
        page = client.get(f"/api/tasks/{task_id}/updates/?since={since}", headers={"accept": "application/json"}).json()
        assert not page["incomplete"]
        seen += page["updates"]
        since = page["next"]

    assert seen == wanted


def test_the_log_of_open_work_says_where_to_go_on(ann: User, client: Client, trees: Trees) -> None:
    task = start_task("Import", owner=Owner(user_id=ann.pk))
    address, accept = f"/api/tasks/{task.id}/updates/", {"accept": "application/json"}
    first = trees.updates(task.id)

    page = client.get(address, headers=accept).json()
    assert (page["updates"], page["next"]) == (first, first[-1]["seq"])
    task.close()
    trees.updates(task.id)
    rest = client.get(f"{address}?since={page['next']}", headers=accept).json()
    assert (rest["updates"][-1]["type"], rest["next"]) == ("taskEnd", None)
    again = client.get(f"{address}?since={rest['updates'][-1]['seq']}", headers=accept).json()
    assert again == {"updates": [], "next": None, "incomplete": False}


def test_a_log_says_that_its_beginning_is_kept_no_more(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)
    TaskRoot.objects.get(pk=task_id).updates.filter(seq__lt=5).delete()

    page = client.get(f"/api/tasks/{task_id}/updates/", headers={"accept": "application/json"}).json()

    assert (page["incomplete"], page["updates"][0]["seq"]) == (True, 5)


def test_a_number_that_the_log_does_not_reach_is_told_where_the_log_is(ann: User, client: Client, trees: Trees) -> None:
    task = start_task("Import", owner=Owner(user_id=ann.pk))
    last = trees.updates(task.id)[-1]["seq"]
    address, accept = f"/api/tasks/{task.id}/updates/", {"accept": "application/json"}

    ahead = client.get(f"{address}?since={last + 7}", headers=accept).json()
    assert ahead == {"updates": [], "next": last, "incomplete": True}
    task.close()
    last = trees.updates(task.id)[-1]["seq"]
    ahead = client.get(f"{address}?since={last + 7}", headers=accept).json()
    assert ahead == {"updates": [], "next": None, "incomplete": True}


def test_who_leafs_through_a_log_that_is_kept_no_more_comes_to_its_end(ann: User, client: Client, trees: Trees) -> None:
    task_id = imported(ann, trees)
    TaskRoot.objects.get(pk=task_id).updates.all().delete()

    page = client.get(f"/api/tasks/{task_id}/updates/?since=2", headers={"accept": "application/json"}).json()

    assert page == {"updates": [], "next": None, "incomplete": True}


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("post", "/api/tasks/{}/updates/", "GET, HEAD"),
        ("put", "/api/tasks/", "GET, HEAD"),
        ("delete", "/api/events/", "GET, HEAD"),
        ("get", "/api/subscribe-job/", "POST"),
        ("get", "/api/unsubscribe-job/", "POST"),
        ("get", "/api/rpc/anything", "POST"),
        ("get", "/api/rpc/batch", "POST"),
    ],
)
def test_another_method_is_answered_by_a_problem_that_names_those_there_are(
    client: Client, method: str, address: str, allowed: str
) -> None:
    answer = getattr(client, method)(address.format(uuid.uuid4()))

    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, "method_not_allowed", allowed)
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["tasks/{}/updates/?snapshot=maybe", "tasks/?open=yes", "events/?open=2&scope=mine"])
def test_a_wish_that_says_neither_yes_nor_no_is_refused(client: Client, query: str) -> None:
    answer = client.get(f"/api/{query.format(uuid.uuid4())}")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("part", ["", "tree/", "output/", "updates/"])
def test_what_is_anothers_looks_like_what_is_not_there(ann: User, trees: Trees, part: str) -> None:
    task_id = imported(ann, trees)
    bob = Client()
    bob.force_login(User.objects.create_user("bob"))

    for address in (task_id, uuid.uuid4()):
        answer = bob.get(f"/api/tasks/{address}/{part}", headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"], answer.json().get("fields")) == (404, "not_found", None)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("part", "known"),
    [
        ("tasks/{}/updates/?sinc=7", "since, snapshot, types"),
        ("tasks/?statsu=failed", "function, limit, open, scope, since, status, text"),
        ("events/?tsak={}", "function, open, request, scope, since, snapshot, status, task, text, types"),
    ],
)
def test_a_misspelt_wish_is_refused_with_those_that_are_known(
    ann: User, client: Client, trees: Trees, part: str, known: str, accept: str
) -> None:
    answer = client.get(f"/api/{part.format(imported(ann, trees))}", headers={"accept": accept})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["message"].endswith(f"known are {known}.")


def test_followers_are_told_why_it_was_cancelled(desk: Desk, trees: Trees) -> None:
    job = desk.job()

    answer = desk.of(desk.ann).post(f"/api/tasks/{job.pk}/cancel/", {"reason": "the wrong file"}, "application/json")

    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    last = trees.updates(job.pk)[-1]
    assert (last["type"], last["reason"]) == ("taskAborted", "the wrong file")


@pytest.mark.parametrize(
    "body", ['{"reason": 5', '{"resaon": "the wrong file"}', '{"reason": {}}', '{"reason": "' + "x" * 501 + '"}']
)
def test_a_reason_that_cant_be_told_cancels_nothing(ann: User, client: Client, trees: Trees, body: str) -> None:
    task = start_task("Import", owner=Owner(user_id=ann.pk))

    answer = client.post(f"/api/tasks/{task.id}/cancel/", body, "application/json")

    assert answer.status_code == 400
    assert TaskRoot.objects.get(pk=task.id).cancel_requested_at is None
    task.close()


def shape(node: dict[str, Any]) -> tuple[str, float | None, list[Any]]:
    return node["title"], node["percent"], [shape(child) for child in node["children"]]


def titles_of(node: dict[str, Any]) -> list[str]:
    return [node["title"], *(title for child in node["children"] for title in titles_of(child))]


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()
