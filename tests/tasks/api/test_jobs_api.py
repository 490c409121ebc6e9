"""Jobs over HTTP: whose they are, how they are found, and what may be done with them."""

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import Job, TaskRoot
from tests.tasks.api.conftest import Desk, ids

JOBS = "/api/jobs/"


def test_a_job_is_told_of_with_what_it_was_given_and_what_came_of_it(desk: Desk) -> None:
    job = desk.done(arguments={"rows": 3}, priority=4)

    told = desk.of(desk.ann).get(f"{JOBS}{job.pk}/").json()

    wanted: dict[str, Any] = {
        "id": str(job.pk),
        "function": desk.fine,
        "status": "completed",
        "priority": 4,
        "attempt": 1,
        "is_owner": True,
        "arguments": {"rows": 3},
        "result": {"rows": 3},
        "attempts": [],
        "error": "",
    }
    assert {name: told[name] for name in wanted} == wanted


@pytest.mark.parametrize(("who", "sees"), [("ann", True), ("viewer", True), ("bob", False), (None, False)])
def test_a_job_is_its_owners_and_of_staff_who_may_view_tasks(desk: Desk, who: str | None, sees: bool) -> None:
    job = desk.job()
    client = desk.of(None if who is None else getattr(desk, who))

    assert client.get(f"{JOBS}{job.pk}/").status_code == (200 if sees else 404)
    assert ids(client.get(JOBS)) == ([job.pk] if sees else [])


def test_what_is_anothers_looks_like_what_is_not_there(desk: Desk) -> None:
    job, bob = desk.job(), desk.of(desk.bob)

    for method, action in (("get", ""), ("post", "cancel/"), ("post", "replay/")):
        theirs = getattr(bob, method)(f"{JOBS}{job.pk}/{action}")
        nobodys = getattr(bob, method)(f"{JOBS}{uuid.uuid4()}/{action}")
        assert (theirs.status_code, theirs.json()) == (nobodys.status_code, nobodys.json()) == (404, nobodys.json())
    assert Job.objects.get().status == "pending"


def test_a_tree_without_a_job_is_no_job(desk: Desk) -> None:
    root = TaskRoot.objects.create(title="Import", owner=desk.ann)

    assert desk.of(desk.ann).get(f"{JOBS}{root.pk}/").status_code == 404


def test_tracebacks_are_for_staff(desk: Desk) -> None:
    job = desk.done(name=desk.broken)

    owners = desk.of(desk.ann).get(f"{JOBS}{job.pk}/").json()["attempts"]
    staffs = desk.of(desk.viewer).get(f"{JOBS}{job.pk}/").json()["attempts"]

    assert owners[0]["error"]["message"] == staffs[0]["error"]["message"] == "no such file"
    assert "traceback" not in owners[0]["error"]
    assert "PermanentError" in staffs[0]["error"]["traceback"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=completed", ["fine"]),
        ("status=completed,failed", ["fine", "broken"]),
        ("status=pending", ["waiting"]),
        ("open=true", ["waiting"]),
        ("open=false", ["fine", "broken"]),
        ("queue=slow", ["waiting"]),
        ("search=waits", ["waiting"]),
        ("created_after=2100-01-01T00:00:00Z", []),
        ("created_before=2100-01-01T00:00:00Z", ["fine", "broken", "waiting"]),
    ],
)
def test_a_list_is_narrowed(desk: Desk, query: str, found: list[str]) -> None:
    jobs = {
        "fine": desk.done().pk,
        "broken": desk.done(name=desk.broken).pk,
        "waiting": desk.job(queue="slow", title="It waits").pk,
    }

    assert set(ids(desk.of(desk.ann).get(f"{JOBS}?{query}"))) == {jobs[name] for name in found}


@pytest.mark.parametrize("order", ["created_at", "-created_at", "title", "-title", "priority", "-priority"])
def test_pages_have_each_job_once_in_order_whatever_comes_meanwhile(desk: Desk, order: str) -> None:
    # Many are equal in what they are ordered by.
    made = [desk.job(priority=number % 2, title="AB"[number % 2]).pk for number in range(9)]
    client, address, pages = desk.of(desk.ann), f"{JOBS}?page_size=2&ordering={order}", []

    while address:
        answer = client.get(address)
        pages.append(ids(answer))
        address = answer.json()["next"]
        desk.job(priority=0, title="A") if order == "-created_at" else None

    seen = [pk for page in pages for pk in page]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(made)
    attribute = {"created_at": "created_at", "title": "title", "priority": "job.priority"}[order.removeprefix("-")]
    rows = TaskRoot.objects.select_related("job").in_bulk(seen)
    values = [_get(rows[pk], attribute) for pk in seen]
    assert values == sorted(values, reverse=order.startswith("-"))


@pytest.mark.parametrize(
    "query",
    ["ordering=owner", "page_size=0", "page_size=201", "cursor=x", "cursor=WyJhIl0", "status=done", "stauts=failed",
     "created_after=soon", "search=%00"],
)  # fmt: skip
def test_a_wish_that_is_not_understood_is_refused(desk: Desk, query: str) -> None:
    answer = desk.of(desk.ann).get(f"{JOBS}?{query}")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_cursor_of_another_order_is_refused(desk: Desk) -> None:
    desk.job(), desk.job()
    client = desk.of(desk.ann)
    following = client.get(f"{JOBS}?page_size=1&ordering=title").json()["next"]

    assert client.get(following.replace("ordering=title", "ordering=-title")).status_code == 400


def test_a_list_costs_the_same_queries_however_long_it_is(desk: Desk) -> None:
    counts = []
    for more in (2, 20):
        for _ in range(more):
            desk.job()
        client = desk.of(desk.ann)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(ids(client.get(JOBS))) >= more
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_its_owner_cancels_a_job(desk: Desk) -> None:
    job, client = desk.job(), desk.of(desk.ann)

    answer = client.post(f"{JOBS}{job.pk}/cancel/")

    assert (answer.status_code, answer.json()) == (202, {"id": str(job.pk), "status": "cancelled"})
    again = client.post(f"{JOBS}{job.pk}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


def test_followers_are_told_why_a_job_was_cancelled(desk: Desk) -> None:
    job = desk.job()

    desk.of(desk.ann).post(f"{JOBS}{job.pk}/cancel/", {"reason": "the wrong file"}, "application/json")

    assert TaskRoot.objects.get(pk=job.pk).error == "the wrong file"


def test_staff_who_may_change_tasks_replay_a_job(desk: Desk) -> None:
    job = desk.done(name=desk.broken)

    answer = desk.of(desk.changer).post(f"{JOBS}{job.pk}/replay/")

    assert answer.status_code == 201
    fresh = Job.objects.select_related("root").get(pk=answer.json()["job_id"])
    assert fresh.root.previous_id == job.pk
    for user in (desk.ann, desk.viewer):
        refused = desk.of(user).post(f"{JOBS}{job.pk}/replay/")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_a_page_of_another_site_can_change_nothing(desk: Desk) -> None:
    job = desk.job()
    client = desk.of(desk.ann, enforce_csrf_checks=True)

    answer = client.post(f"{JOBS}{job.pk}/cancel/")

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert Job.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("scope", "reads", "changes"),
    [
        ("read", 200, 403),
        ("jobs:read", 200, 403),
        ("jobs:write", 200, 202),
        ("write", 200, 202),
        ("tasks:write", 403, 403),
    ],
)
def test_a_token_goes_as_far_as_its_scopes(desk: Desk, scope: str, reads: int, changes: int) -> None:
    job, program = desk.job(), desk.program(desk.ann, scope)

    assert program.get(f"{JOBS}{job.pk}/").status_code == reads
    assert program.post(f"{JOBS}{job.pk}/cancel/").status_code == changes


def test_what_it_does_not_do_it_says(desk: Desk) -> None:
    answer = desk.of(desk.ann).delete(JOBS)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json()["code"] == "method_not_allowed"
    assert desk.of(desk.ann).get(JOBS, headers={"accept": "text/csv"}).status_code == 406


def _get(row: Any, path: str) -> Any:
    for step in path.split("."):
        row = getattr(row, step)
    return row
