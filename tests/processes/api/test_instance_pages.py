"""The list of instances over HTTP, page by page: by each way in which somebody may open them, in one order."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import InstanceType, ProcessInstance
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from tests.processes.api.api_kit import by_token, pages, signed_in
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def type() -> InstanceType:
    return leave_type()


@pytest.fixture
def clerk(type: InstanceType) -> User:
    """Return somebody who may open instances by each way: as owner, by the rules, and because they were asked."""
    clerk, other = member("clerk", "clerks", "helpers"), member("other")
    for number in range(4):
        leave(type, clerk, title=f"own {number}")
        leave(type, other, title=f"ruled {number}", status="handed in")
        asked = leave(type, other, title=f"asked {number}")
        assign(asked.pk, Assignment(groups=[Group.objects.get(name="helpers").pk]), doer=STEPLINE)
        leave(type, other, title=f"foreign {number}")
    return clerk


def titles(client: Client, path: str) -> list[list[str]]:
    return [[row["title"] for row in rows] for rows in pages(client, path)]


def newest(*kinds: str) -> list[str]:
    return [f"{kind} {number}" for number in (3, 2, 1, 0) for kind in kinds]


@pytest.mark.parametrize("size", [1, 2, 5, 12, 50])
def test_each_is_on_one_page_in_the_order_of_all(clerk: User, size: int) -> None:
    found = titles(signed_in(clerk), f"instances/?page_size={size}")
    assert [title for rows in found for title in rows] == newest("asked", "ruled", "own")
    assert {len(rows) for rows in found[:-1]} <= {size}


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("owner=me", ["own"]),
        ("status=handed+in", ["ruled"]),
        ("search=ASKED", ["asked"]),
        ("search=no+asked", []),
        ("search=summer", []),
        ("type=leave&process=leave", ["asked", "ruled", "own"]),
    ],
)
def test_what_is_wanted_is_on_all_pages(clerk: User, query: str, kinds: list[str]) -> None:
    found = titles(signed_in(clerk), f"instances/?page_size=3&{query}")
    assert [title for rows in found for title in rows] == newest(*kinds)


def test_those_of_a_time_are_found(clerk: User) -> None:
    row = ProcessInstance.objects.get(title="own 2")
    at = row.created_at.isoformat().replace("+", "%2B")
    later = (row.created_at + timedelta(microseconds=1)).isoformat().replace("+", "%2B")
    client = signed_in(clerk)
    assert titles(client, f"instances/?created_after={at}&created_before={later}") == [["own 2"]]
    assert titles(client, f"instances/?created_before={at}") == [
        ["asked 1", "ruled 1", "own 1", "asked 0", "ruled 0", "own 0"]
    ]


def test_a_page_isn_t_moved_by_what_comes_and_goes_meanwhile(type: InstanceType, clerk: User) -> None:
    client = signed_in(clerk)
    first = client.get("/api/instances/?page_size=3").json()
    leave(type, clerk, title="late")
    ProcessInstance.objects.get(title="asked 3").delete()
    second = client.get(first["next"]).json()
    assert [row["title"] for row in second["results"]] == ["asked 2", "ruled 2", "own 2"]


def test_those_of_the_same_moment_are_told_once(type: InstanceType, clerk: User) -> None:
    moment = timezone.now()
    ProcessInstance.objects.update(created_at=moment)
    keys = ProcessInstance.objects.exclude(title__startswith="foreign").order_by("-pk").values_list("pk", flat=True)
    found = [row["id"] for rows in pages(signed_in(clerk), "instances/?page_size=1") for row in rows]
    assert found == [str(key) for key in keys]


def test_staff_leaf_through_all(clerk: User) -> None:
    boss = signed_in(User.objects.create_superuser("boss"))
    found = titles(boss, "instances/?page_size=7")
    assert [title for rows in found for title in rows] == newest("foreign", "asked", "ruled", "own")


def test_the_next_page_keeps_what_was_asked_for(clerk: User) -> None:
    told = signed_in(clerk).get("/api/instances/?status=handed+in&page_size=1").json()
    assert told["next"].startswith("http://testserver/api/instances/?")
    assert "status=handed+in" in told["next"]
    assert "page_size=1" in told["next"]


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=WyJydW5zIiwiYSIsImIiXQ", "page_size=0", "page_size=201", "odd=1", "page=2",
     "created_after=now", "created_before=2026-01-01", "search=%00", "ordering=title"],
)  # fmt: skip
def test_what_can_t_be_understood_is_refused(clerk: User, query: str) -> None:
    assert signed_in(clerk).get(f"/api/instances/?{query}").status_code == 400


def test_a_later_page_takes_as_many_queries_as_the_first(clerk: User) -> None:
    client = signed_in(clerk)
    counts = []
    address = "/api/instances/?page_size=5"
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            address = client.get(address).json()["next"]
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("scopes", "looking", "creating"),
    [
        (["read"], 200, 403),
        (["instances:read"], 200, 403),
        (["instances:write"], 200, 201),
        (["inbox:write"], 403, 403),
    ],
)
def test_a_token_reaches_as_far_as_its_scopes(clerk: User, scopes: list[str], looking: int, creating: int) -> None:
    client = by_token(clerk, *scopes)
    assert client.get("/api/instances/").status_code == looking
    made = client.post("/api/instances/", {"type": "leave"}, content_type="application/json")
    assert made.status_code == creating
