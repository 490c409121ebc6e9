"""Runs over HTTP: started once for each key, listed for whom they are, told in full to those who control them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from processes.models import Access, AuditEntry, ProcessTemplate, Run
from processes.services.starting import start_in_background
from tasks.models import TaskRoot
from tasks.services.access import Viewer
from tests.processes.api.api_kit import by_token, pages, person, send, signed_in
from tests.processes.services.published import action, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return person("ann", staff=False)


@pytest.fixture
def http(ann: User) -> Client:
    return signed_in(ann)


@pytest.fixture
def process() -> ProcessTemplate:
    return publish_process("import", [action("first"), action("second")], access=Access.SIGNED_IN)


def started(user: User | None, slug: str = "import", **options: Any) -> str:
    return str(start_in_background(slug=slug, user=user, **options))


def listed(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/runs/{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


# --- starting --------------------------------------------------------------------------------------------------------


def test_a_process_is_started_where_it_is_asked_to(process: ProcessTemplate, http: Client, ann: User) -> None:
    answer = send(http, "runs/", {"process": "import", "action": "second", "parameters": {"file": "a.csv"}})
    run = Run.objects.get()
    assert (answer.status_code, answer.json()) == (201, {"id": str(run.pk), "url": f"/progress/{run.pk}/"})
    assert answer.headers["Location"] == f"/api/runs/{run.pk}/"
    assert (run.user, run.request["parameters"], run.status) == (ann, {"file": "a.csv"}, "created")
    assert http.get(answer.headers["Location"]).json()["status"] == "created"
    told = AuditEntry.objects.get(action="run.started")
    assert (told.details["how"], told.details["action"]) == ("api", "second")


def test_of_one_key_there_is_one_run(process: ProcessTemplate, http: Client) -> None:
    body = {"process": "import", "parameters": {"n": 1}}
    first, again = (send(http, "runs/", body, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    # The same key of a call by name is the same run, too.
    called = send(http, "rpc/import", {"n": 1}, Idempotency_Key="k")
    assert called.json() == {"run_id": first.json()["id"]}
    other = send(http, "runs/", {**body, "parameters": {"n": 2}}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    theirs = send(signed_in(person("bob", staff=False)), "runs/", body, Idempotency_Key="k")
    assert theirs.json()["id"] != first.json()["id"]
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"process": ""}, 400, "bad_request"),
        ({"process": 7}, 400, "bad_request"),
        ({"process": "import", "parameters": []}, 400, "bad_request"),
        ({"process": "import", "parameter": {}}, 400, "bad_request"),
        ({"process": "import", "parameters": {"x": "\0"}}, 400, "bad_request"),
        ({"process": "nothing"}, 404, "template_not_found"),
        ({"process": "staffs"}, 404, "template_not_found"),
        ({"process": "draft"}, 404, "template_not_found"),
        ({"process": "import", "action": "nothing"}, 404, "not_found"),
    ],
)
def test_what_can_t_be_started_says_why(
    process: ProcessTemplate, http: Client, body: Any, status: int, code: str
) -> None:
    publish_process("staffs", [action("a")], access=Access.STAFF)
    answer = send(http, "runs/", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Run.objects.exists()


def test_a_body_that_is_no_json_is_told_where_it_goes_wrong(http: Client) -> None:
    answer = http.post("/api/runs/", '{"process": "import",\n "parameters" {}}', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "line 2, column 15" in answer.json()["message"]


def test_somebody_not_signed_in_starts_what_is_public_and_sees_their_own(process: ProcessTemplate) -> None:
    publish_process("open", [action("a")], access=Access.PUBLIC)
    client = Client()
    refused = send(client, "runs/", {"process": "import"})
    assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_required")
    begun = send(client, "runs/", {"process": "open"}).json()
    assert listed(client) == [begun["id"]]
    assert client.get(f"/api/runs/{begun['id']}/").status_code == 200
    assert listed(Client()) == []
    assert Client().get(f"/api/runs/{begun['id']}/").status_code == 404


@pytest.mark.parametrize(
    ("scopes", "looking", "starting"),
    [
        (["write"], 200, 201),
        (["read"], 200, 403),
        (["runs:read"], 200, 403),
        (["runs:write"], 200, 201),
        (["tasks:write"], 403, 403),
    ],
)
def test_a_token_reaches_as_far_as_its_scopes(
    process: ProcessTemplate, ann: User, scopes: list[str], looking: int, starting: int
) -> None:
    client = by_token(ann, *scopes)
    assert client.get("/api/runs/").status_code == looking
    assert send(client, "runs/", {"process": "import"}).status_code == starting


@pytest.mark.parametrize("key", ["k" * 101, "a\0b", "a\nb", "\ud800"], ids=ascii)
def test_a_key_that_cannot_be_kept_is_refused(process: ProcessTemplate, http: Client, key: str) -> None:
    answer = send(http, "runs/", {"process": "import"}, Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "Idempotency-Key is a text of at most 100 characters, all of them printable" in answer.json()["message"]
    assert not Run.objects.exists()


# --- who sees what ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "staff", "mine", "theirs", "controlling"),
    [
        ((), False, 200, 404, 403),
        ((), True, 200, 404, 403),
        (("view_run", "control_run"), False, 200, 404, 403),
        (("view_run",), True, 200, 200, 403),
        (("control_run",), True, 200, 200, 200),
    ],
)
def test_owners_see_their_own_and_staff_all(
    process: ProcessTemplate, ann: User, permissions: tuple[str, ...], staff: bool, mine: int, theirs: int,
    controlling: int,
) -> None:  # fmt: skip
    reader = person("pat", *permissions, staff=staff)
    client, own, other = signed_in(reader), started(reader), started(ann)
    assert set(listed(client)) == ({own, other} if theirs == 200 else {own})
    assert listed(client, "?owner=me") == [own]
    assert client.get(f"/api/runs/{own}/").status_code == mine
    told = client.get(f"/api/runs/{other}/")
    assert told.status_code == theirs
    if theirs == 404:
        missing = "00000000-0000-0000-0000-000000000000"
        assert told.content.replace(other.encode(), b"") == client.get(f"/api/runs/{missing}/").content.replace(
            missing.encode(), b""
        )
    assert client.get(f"/api/runs/{own}/data/").status_code == controlling
    assert client.get(f"/api/runs/{own}/checkpoints/").status_code == controlling


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("get", path) for path in ("data/", "checkpoints/", "messages/1/", "retry/", "rewind/?ordinal=0")],
        *[("post", path) for path in ("export/", "test/", "data/", "pause/", "unpause/")],
        *[("post", path) for path in ("cancel/", "move/", "retry/", "rewind/")],
    ],
)
def test_what_one_sees_and_may_not_control_is_refused_and_what_one_doesnt_see_isnt_there(
    process: ProcessTemplate, http: Client, ann: User, method: str, path: str
) -> None:
    own, other = started(ann), started(person("bob", staff=False))
    refused = send(http, f"runs/{own}/{path}", method=method)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "processes.control_run" in refused.json()["message"]
    for run_id in (other, "00000000-0000-0000-0000-000000000000"):
        hidden = send(http, f"runs/{run_id}/{path}", method=method)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
        assert hidden.json().get("fields") is None
    viewer = signed_in(person("vera", "view_run"))
    assert send(viewer, f"runs/{other}/{path}", method=method).status_code == 403
    assert set(Run.objects.values_list("status", "paused")) == {("created", None)}


def keep_imports(viewer: Viewer, root: TaskRoot, action: str) -> bool | None:
    return False if root.title == "Import" else None


def test_what_a_teams_own_rule_keeps_from_somebody_is_in_no_answer(
    process: ProcessTemplate, http: Client, ann: User, settings: Settings
) -> None:
    publish_process("other", [action("a")])
    kept, other = started(ann), started(ann, "other")
    settings.STEPLINE_TASK_AUTHORIZER = f"{__name__}.keep_imports"
    assert listed(http) == [other]
    assert http.get(f"/api/runs/{kept}/").status_code == 404
    assert http.get(f"/api/runs/{other}/").status_code == 200
    assert signed_in(person("cory", "control_run")).get(f"/api/runs/{kept}/").status_code == 200


def test_where_there_is_no_run_it_is_runs_that_are_told_of(process: ProcessTemplate, http: Client) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    operator = signed_in(person("cory", "control_run"))
    for client, path in ((http, ""), (operator, "data/"), (operator, "messages/1/")):
        answer = client.get(f"/api/runs/{missing}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["message"] == "There is no such run, or you may not see it."
    run_id = started(None)
    assert operator.get(f"/api/runs/{run_id}/messages/1/").json()["message"] == "There is no such message to this run."


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_is_narrowed_searched_and_ordered(process: ProcessTemplate, http: Client, ann: User) -> None:
    publish_process("other", [action("a")])
    first = started(ann, title="Import of May")
    second = started(ann, title="Import of June")
    third = started(ann, "other")
    assert listed(http) == [third, second, first]
    assert listed(http, "?template=import") == [second, first]
    assert listed(http, "?search=may") == [first]
    assert listed(http, "?ordering=created_at") == [first, second, third]
    assert listed(http, "?ordering=title&template=import") == [second, first]
    assert listed(http, "?status=created&open=true") == [third, second, first]
    assert listed(http, "?status=completed,failed") == []
    assert listed(http, "?open=false") == []
    at = http.get(f"/api/runs/{second}/").json()["created_at"].replace("+", "%2B")
    assert set(listed(http, f"?created_after={at}")) >= {third}
    assert first not in listed(http, f"?created_after={at}")
    for wrong in ("?status=odd", "?owner=bob", "?open=perhaps", "?created_after=soon", "?odd=1", "?instance=7"):
        assert http.get(f"/api/runs/{wrong}").status_code == 400


def test_a_page_isn_t_moved_by_what_comes_meanwhile(process: ProcessTemplate, http: Client, ann: User) -> None:
    made = [started(ann) for _ in range(5)]
    first = http.get("/api/runs/?page_size=2").json()
    started(ann)
    second = http.get(first["next"]).json()
    assert [row["id"] for row in (*first["results"], *second["results"])] == made[:0:-1]
    found = [row["id"] for rows in pages(http, "runs/?page_size=2&ordering=title") for row in rows]
    assert len(found) == len(set(found)) == 6


def test_a_long_list_takes_no_more_queries_than_a_short_one(process: ProcessTemplate, http: Client, ann: User) -> None:
    counts = []
    for upto in (5, 50):
        for _ in range(Run.objects.count(), upto):
            started(ann)
        with CaptureQueriesContext(connection) as queries:
            assert len(listed(http)) == upto
        counts.append(len(queries))
    assert counts[0] == counts[1]
