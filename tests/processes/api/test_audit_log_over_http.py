"""The audit log over HTTP: for staff who may view it, narrowed and leafed through."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import AuditEntry
from tests.processes.api.api_kit import by_token, pages, person, signed_in

pytestmark = pytest.mark.django_db

RUN = uuid.uuid4()


@pytest.fixture
def reader() -> User:
    return person("rita", "view_auditentry")


def entry(action: str, **columns: str) -> AuditEntry:
    return AuditEntry.objects.create(action=action, **{"subject_kind": "run", **columns})


def found(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/audit-log/{query}")
    assert answer.status_code == 200, answer.content
    return [row["action"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("permissions", "staff", "status"),
    [
        ((), True, 404),
        ((), False, 404),
        (("view_auditentry",), False, 404),
        (("view_auditentry",), True, 200),
        (("change_auditentry",), True, 200),
    ],
)
def test_the_same_people_read_it_as_in_the_admin(permissions: tuple[str, ...], staff: bool, status: int) -> None:
    client, row = signed_in(person("pat", *permissions, staff=staff)), entry("run.started")
    assert client.get("/api/audit-log/").status_code == status
    assert client.get(f"/api/audit-log/{row.pk}/").status_code == status
    assert Client().get("/api/audit-log/").status_code == 404
    if status == 404:
        missing = client.get(f"/api/audit-log/{row.pk + 1}/")
        assert client.get(f"/api/audit-log/{row.pk}/").content == missing.content


def test_it_is_only_read(reader: User) -> None:
    row = entry("run.started")
    client = signed_in(reader)
    for path in ("/api/audit-log/", f"/api/audit-log/{row.pk}/"):
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(path).status_code == 405


def test_a_token_reaches_as_far_as_its_scopes(reader: User) -> None:
    assert by_token(reader, "audit-log:read").get("/api/audit-log/").status_code == 200
    assert by_token(reader, "runs:read").get("/api/audit-log/").status_code == 403


def test_it_is_narrowed_and_searched(reader: User) -> None:
    client = signed_in(reader)
    entry("run.started", actor_id="7", actor_name="ann", subject_id=RUN.hex, subject_name="Import")
    entry("run.ended", subject_id=RUN.hex)
    entry("template.published", actor_id="8", actor_name="bob", authority_id="7", subject_kind="processtemplate")
    assert found(client) == ["template.published", "run.ended", "run.started"]
    assert found(client, "?ordering=at") == ["run.started", "run.ended", "template.published"]
    assert found(client, "?actor=ann") == found(client, "?actor=7") == ["run.started"]
    assert found(client, "?action=run.") == ["run.ended", "run.started"]
    assert found(client, "?action=run.ended") == ["run.ended"]
    assert found(client, "?kind=processtemplate") == found(client, "?authority=lent") == ["template.published"]
    assert found(client, "?authority=own") == ["run.ended", "run.started"]
    assert found(client, f"?subject={RUN}") == found(client, f"?subject={RUN.hex}") == ["run.ended", "run.started"]
    assert found(client, "?search=import") == ["run.started"]
    at = AuditEntry.objects.get(action="run.ended").at.isoformat().replace("+", "%2B")
    assert found(client, f"?after={at}") == ["template.published", "run.ended"]
    assert found(client, f"?before={at}") == ["run.started"]
    for wrong in ("?authority=x", "?after=soon", "?odd=1", "?ordering=actor"):
        assert client.get(f"/api/audit-log/{wrong}").status_code == 400


def test_an_entry_is_told_whole(reader: User) -> None:
    row = AuditEntry.objects.create(action="run.started", subject_kind="run", details={"how": "api"})
    told = signed_in(reader).get(f"/api/audit-log/{row.pk}/").json()
    assert (told["id"], told["action"], told["details"]) == (row.pk, "run.started", {"how": "api"})


def test_a_page_isn_t_moved_by_what_comes_meanwhile(reader: User) -> None:
    client = signed_in(reader)
    for number in range(5):
        entry(f"run.{number}")
    first = client.get("/api/audit-log/?page_size=2").json()
    entry("run.late")
    second = client.get(first["next"]).json()
    actions = [row["action"] for row in (*first["results"], *second["results"])]
    assert actions == ["run.4", "run.3", "run.2", "run.1"]
    assert [len(rows) for rows in pages(client, "audit-log/?page_size=4")] == [4, 2]


def test_a_long_list_takes_no_more_queries_than_a_short_one(reader: User) -> None:
    client, counts = signed_in(reader), []
    for upto in (5, 50):
        for _ in range(AuditEntry.objects.count(), upto):
            entry("run.started")
        with CaptureQueriesContext(connection) as queries:
            assert len(found(client)) == upto
        counts.append(len(queries))
    assert counts[0] == counts[1]
