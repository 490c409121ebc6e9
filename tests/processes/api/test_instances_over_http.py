"""Instances over HTTP: listed, created, executed and worked on as on the pages."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processes.models import InstanceEvent, InstanceType, ProcessInstance, Run
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.instance_status import set_status
from processes.services.instance_work import claim_instance
from tests.processes.services.instance_kit import ACTIONS, leave, leave_type, member
from tests.processes.services.published import action, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return member("owner")


@pytest.fixture
def clerk() -> User:
    return member("clerk", "clerks")


@pytest.fixture
def type() -> InstanceType:
    return leave_type()


@pytest.fixture
def instance(type: InstanceType, owner: User) -> ProcessInstance:
    return leave(type, owner)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, json.dumps(body or {}), content_type="application/json")


def titles(client: Client, query: str = "") -> list[str]:
    return [row["title"] for row in client.get(f"/api/instances/{query}").json()["results"]]


def test_an_instance_tells_where_it_stands_and_what_is_offered(instance: ProcessInstance, owner: User) -> None:
    told = signed_in(owner).get(f"/api/instances/{instance.pk}/").json()
    assert told.pop("created_at")
    assert told.pop("status_at")
    assert told == {
        "id": str(instance.pk), "title": "Summer", "type": "leave", "process": "leave", "status": "draft",
        "owner": "owner", "assignee": None, "due_at": None, "url": f"/instances/{instance.pk}/",
        "execute_url": f"/api/instances/{instance.pk}/execute/", "running": [],
        "options": [
            {
                "action": "hand_in", "caption": "Hand in", "group": "expected", "popup": False, "disabled": False,
                "url": f"/instances/{instance.pk}/", "method": "POST",
            },
            {
                "action": "@display", "caption": "Look", "group": "anytime", "popup": False, "disabled": False,
                "url": f"/instances/{instance.pk}/?action=%40display", "method": "GET",
            },
        ],
    }  # fmt: skip


def test_executing_it_answers_what_its_process_answers(instance: ProcessInstance, owner: User) -> None:
    client = signed_in(owner)
    shown = post(client, f"/api/instances/{instance.pk}/execute/", {"action": "@display"})
    assert shown.status_code == 200
    assert "3 days" in json.dumps(shown.json()["response"])
    answer = post(client, f"/api/instances/{instance.pk}/execute/", {"action": "hand_in"})
    assert answer.json() == {"response": {"redirect": f"/instances/{instance.pk}/?action=%40display"}}
    instance.refresh_from_db()
    assert instance.status == "handed in"


def test_what_goes_on_in_the_background_answers_with_its_run(owner: User) -> None:
    actions = [*ACTIONS, action("wait", "wait", config={"duration": "P1D"}, next=False)]
    instance = leave(leave_type(actions=actions), owner)
    answer = post(signed_in(owner), f"/api/instances/{instance.pk}/execute/", {"action": "wait"})
    assert (answer.status_code, answer.json()["run"]) == (202, str(Run.objects.get().pk))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"action": "approve"}, 403, "not_offered"),
        ({"action": "nothing"}, 404, "not_found"),
        ({"action": 7}, 400, "bad_request"),
        ({"parameters": []}, 400, "bad_request"),
        ({"act": "approve"}, 400, "bad_request"),
        ([], 400, "bad_request"),
    ],
)
def test_what_can_t_be_executed_says_why(
    instance: ProcessInstance, owner: User, body: Any, status: int, code: str
) -> None:
    answer = signed_in(owner).post(
        f"/api/instances/{instance.pk}/execute/", json.dumps(body), content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    instance.refresh_from_db()
    assert instance.status == "draft"


NUL, HALF = "a\0b", "\ud800"


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("execute/", {"action": NUL}, "/action"),
        ("execute/", {"action": "change", "parameters": {"days": HALF}}, "/parameters/days"),
        ("execute/", {"action": "change", "parameters": {"days": float("nan")}}, "/parameters/days"),
        ("hand-on/", {"to": NUL}, "/to"),
        ("", {"type": NUL}, "/type"),
        ("", {"process": HALF}, "/process"),
        ("", {"type": "leave", "title": NUL}, "/title"),
        ("", {"type": "leave", "data": {"days": [NUL]}}, "/data/days/0"),
    ],
)
def test_what_can_t_be_stored_is_told_with_its_place(
    instance: ProcessInstance, owner: User, path: str, body: Any, place: str
) -> None:
    before = InstanceEvent.objects.count()
    answer = post(signed_in(owner), f"/api/instances/{instance.pk}/{path}" if path else "/api/instances/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["message"].startswith(f"{place}: ")
    assert (InstanceEvent.objects.count(), ProcessInstance.objects.count()) == (before, 1)


def test_the_list_holds_what_the_caller_may_open_and_is_narrowed(type: InstanceType, owner: User, clerk: User) -> None:
    other = member("other")
    leave(type, owner, title="mine")
    leave(type, other, title="theirs")
    leave(type, other, title="for clerks", status="handed in")
    assert titles(signed_in(owner)) == ["mine"]
    client = signed_in(clerk)
    assert titles(client) == ["for clerks"]
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    assert titles(boss) == ["for clerks", "theirs", "mine"]
    assert titles(boss, "?status=draft&type=leave&process=leave") == ["theirs", "mine"]
    assert titles(boss, "?owner=me") == []
    assert titles(boss, "?type=other") == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["asked 5", "asked 4", "ruled 3", "asked 2", "ruled 1", "asked 0"]),
        ("?status=handed in", ["ruled 3", "asked 2", "ruled 1"]),
        ("?status=approved", ["asked 5", "asked 4", "asked 0"]),
        ("?status=draft", []),
        ("?type=leave&process=leave", ["asked 5", "asked 4", "ruled 3", "asked 2", "ruled 1", "asked 0"]),
        ("?owner=me", []),
        ("?assignee=me", ["asked 4"]),
    ],
)
def test_each_way_in_which_somebody_may_open_instances_is_narrowed_and_in_order(
    type: InstanceType, owner: User, query: str, wanted: list[str]
) -> None:
    clerk, helper = member("ann", "clerks", "helpers"), member("bob", "helpers")
    helpers = [Group.objects.get(name="helpers").pk]
    for number, status in enumerate(("approved", "handed in", "handed in", "handed in", "approved", "approved")):
        is_asked = number not in (1, 3)
        made = leave(type, owner, title=f"{'asked' if is_asked else 'ruled'} {number}", status=status)
        if is_asked:
            assign(made.pk, Assignment(groups=helpers), doer=STEPLINE)
        if number == 4:
            claim_instance(made.pk, user=clerk)

    assert titles(signed_in(clerk), query) == wanted
    if "me" not in query and "status" not in query:
        # Clerks open by the rules what is handed in, helpers what they were asked to take.
        assert titles(signed_in(helper), query) == [title for title in wanted if title.startswith("asked")]


@pytest.mark.parametrize("query", ["?owner=owner", "?page=0", "?page=x", "?status=%00"])
def test_a_list_that_can_t_be_understood_says_so(owner: User, query: str) -> None:
    assert signed_in(owner).get(f"/api/instances/{query}").status_code == 400


def test_a_list_takes_a_constant_number_of_queries(type: InstanceType, owner: User) -> None:
    client = signed_in(owner)

    def asked() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            count = len(titles(client))
        return count, len(queries)

    leave(type, owner)
    asked()
    few = asked()[1]
    for _ in range(9):
        leave(type, owner)
    assert asked() == (10, few)


def test_one_of_a_type_is_created_with_its_data(type: InstanceType, owner: User) -> None:
    answer = post(signed_in(owner), "/api/instances/", {"type": "leave", "title": "Spring", "data": {"days": 2}})
    assert answer.status_code == 201
    created = ProcessInstance.objects.get()
    assert answer.headers["Location"] == f"/api/instances/{created.pk}/"
    assert (answer.json()["status"], created.owner, created.type) == ("draft", owner, type)
    assert created.data_nodes.get().data == {"days": 2}


def test_one_of_a_process_is_created(owner: User) -> None:
    publish_process("plain", ACTIONS)
    answer = post(signed_in(owner), "/api/instances/", {"process": "plain"})
    assert (answer.status_code, answer.json()["type"], answer.json()["options"]) == (201, None, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "nothing"}, 404),
        ({"process": "nothing"}, 404),
        ({}, 400),
        ({"type": "leave", "process": "leave"}, 400),
        ({"type": "leave", "data": []}, 400),
        ({"type": "leave", "owner": 1}, 400),
    ],
)
def test_what_can_t_be_created_leaves_nothing(type: InstanceType, owner: User, body: dict, status: int) -> None:
    assert post(signed_in(owner), "/api/instances/", body).status_code == status
    assert not ProcessInstance.objects.exists()


def test_work_is_claimed_given_back_and_put_off(instance: ProcessInstance, owner: User, clerk: User) -> None:
    set_status(instance.pk, "handed in", doer=STEPLINE)
    assign(instance.pk, Assignment(groups=[clerk.groups.get().pk]), doer=STEPLINE)
    client, address = signed_in(clerk), f"/api/instances/{instance.pk}/"
    assert [row["title"] for row in client.get("/api/inbox/").json()["instances"]] == ["Summer"]
    assert post(client, f"{address}claim/").json()["assignee"] == "clerk"
    assert post(client, f"{address}release/").json()["assignee"] is None
    due = post(signed_in(owner), f"{address}due/", {"due_at": "2026-12-01T09:00:00+01:00"})
    assert due.json()["due_at"] == "2026-12-01T08:00:00+00:00"
    assert post(signed_in(owner), f"{address}due/", {"due_at": None}).json()["due_at"] is None


def test_whoever_hands_it_on_out_of_their_sight_is_told_its_id(instance: ProcessInstance) -> None:
    ann = member("ann", "helpers")
    member("bob", "helpers")
    assign(instance.pk, Assignment(groups=[ann.groups.get().pk]), doer=STEPLINE)
    client, address = signed_in(ann), f"/api/instances/{instance.pk}/"
    post(client, f"{address}claim/")
    assert post(client, f"{address}hand-on/", {"to": "bob"}).json()["assignee"] == "bob"


@pytest.mark.parametrize(
    ("deed", "body", "status"),
    [
        ("hand-on", {}, 400),
        ("hand-on", {"to": "nobody"}, 409),
        ("due", {}, 400),
        ("due", {"due_at": "tomorrow"}, 400),
        ("due", {"due_at": "2026-12-01T09:00:00"}, 400),
        ("due", {"due_at": "2026-13-01T09:00:00+01:00"}, 400),
        ("claim", {}, 200),
        ("release", {}, 200),
    ],
)
def test_a_deed_that_can_t_be_done_says_why(
    instance: ProcessInstance, owner: User, deed: str, body: dict, status: int
) -> None:
    assert post(signed_in(owner), f"/api/instances/{instance.pk}/{deed}/", body).status_code == status


def test_the_history_is_told(instance: ProcessInstance, owner: User) -> None:
    client = signed_in(owner)
    post(client, f"/api/instances/{instance.pk}/execute/", {"action": "change", "parameters": {"days": 5}})
    events = client.get(f"/api/instances/{instance.pk}/history/").json()["events"]
    assert [(event["kind"], event["by"], event["action"]) for event in events] == [
        ("data", "owner", "save"), ("executed", "owner", "change"), ("created", "owner", ""),
    ]  # fmt: skip
    assert events[0]["changes"] == [{"path": "/days", "before": 3, "after": 5}]


@pytest.mark.parametrize("deed", ["", "history/", "execute/", "claim/", "release/", "hand-on/", "due/"])
def test_what_is_others_looks_like_what_isn_t_there(instance: ProcessInstance, deed: str) -> None:
    for client in (signed_in(member("other")), Client()):
        answers = []
        for key in (instance.pk, uuid.uuid4()):
            path = f"/api/instances/{key}/{deed}"
            body = {"to": "owner"} if deed == "hand-on/" else {"due_at": None} if deed == "due/" else {}
            answer = client.get(path) if deed in ("", "history/") else post(client, path, body)
            answers.append((answer.status_code, answer.json()))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


def test_posting_needs_the_token(instance: ProcessInstance, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for path in ("/api/instances/", f"/api/instances/{instance.pk}/execute/", f"/api/instances/{instance.pk}/claim/"):
        assert post(client, path, {"type": "leave"}).status_code == 403
