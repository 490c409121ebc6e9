"""Processes and instances called by name, as functions are (docs/rpc.md)."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test import Client

from processes.models import Access, ProcessInstance, ProcessTemplate, Run
from tasks.models import TaskRoot
from tests.processes.services.conftest import RunKit, kit
from tests.processes.services.instance_kit import leave, leave_type, member
from tests.processes.services.published import action, publish_process

__all__ = ["kit"]

TAKES = [action("note", "set_data", config={"values": {"seen": "%{param:rows}"}}), action("end", "noop", next=False)]


def call(client: Client, name: str, arguments: object = None) -> Any:
    return client.post(f"/api/rpc/{name}", json.dumps(arguments or {}), content_type="application/json")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def user(transactional_db: None) -> User:
    return User.objects.create_user("caller")


def test_a_process_is_started_with_the_arguments_as_parameters(kit: RunKit, user: User) -> None:
    publish_process("count-rows", TAKES, access=Access.SIGNED_IN)
    client = signed_in(user)

    answer = call(client, "count-rows", {"rows": 3, "action": "end", "data": {"seen": "forged"}})

    run = Run.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"run_id": str(run.pk)})
    assert run.user == user
    kit.work()
    run.refresh_from_db()
    assert run.status == "completed"
    assert kit.data(run.pk) == {"seen": 3}


def test_its_followers_are_told_what_it_began_with(user: User) -> None:
    publish_process("count-rows", TAKES)
    run_id = call(signed_in(user), "count-rows", {"rows": 3}).json()["run_id"]

    first = TaskRoot.objects.get(pk=run_id).updates.order_by("seq").first()
    assert first is not None
    assert json.loads(first.body)["input"] == {"rows": 3}


def test_a_run_may_enter_where_the_process_lets_requests_enter(kit: RunKit, user: User) -> None:
    publish_process("two-ways", [*TAKES, action("hidden", "noop", entry=False)])
    client = signed_in(user)

    assert call(client, "two-ways.end").status_code == 200
    assert call(client, "two-ways.hidden").status_code == 404
    assert call(client, "two-ways.nowhere").status_code == 404
    kit.work()
    assert kit.data(Run.objects.get().pk) == {}


@pytest.mark.parametrize(
    ("access", "who", "status"),
    [
        (Access.PUBLIC, "nobody", 200),
        (Access.SIGNED_IN, "nobody", 401),
        (Access.SIGNED_IN, "user", 200),
        (Access.STAFF, "user", 404),
        (Access.GROUPS, "user", 404),
        (Access.GROUPS, "member", 200),
    ],
)
@pytest.mark.django_db
def test_who_may_execute_a_process_may_call_it(access: Access, who: str, status: int) -> None:
    template = publish_process("guarded", TAKES, access=access)
    people = {"user": User.objects.create_user("user"), "member": member("member", "clerks")}
    template.groups.add(Group.objects.get(name="clerks"))
    client = signed_in(people[who]) if who in people else Client()

    assert call(client, "guarded").status_code == status
    assert Run.objects.count() == (status == 200)


@pytest.mark.django_db
def test_a_run_that_anybody_starts_is_found_by_their_session() -> None:
    publish_process("open", TAKES, access=Access.PUBLIC)
    nobody = Client()
    run_id = call(nobody, "open").json()["run_id"]

    assert nobody.get(f"/api/tasks/{run_id}/").status_code == 200
    assert Client().get(f"/api/tasks/{run_id}/").status_code == 404


@pytest.mark.django_db
def test_arguments_of_a_process_that_can_t_be_stored_are_told_with_their_place() -> None:
    publish_process("count-rows", TAKES)
    answer = call(signed_in(member("caller")), "count-rows", {"rows": [1, "a\0b"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["message"].startswith("/rows/1: ")
    assert not Run.objects.exists()


@pytest.mark.parametrize("name", ["never", "draft", "base", "a.b.c", "-", "%00", "x" * 60])
@pytest.mark.django_db
def test_what_is_no_published_process_isnt_there(name: str) -> None:
    ProcessTemplate.objects.create(slug="draft", title="Draft", access=Access.PUBLIC)
    publish_process("base", TAKES, abstract=True)
    boss = User.objects.create_superuser("boss")

    answer = call(signed_in(boss), name)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_function")


@pytest.mark.django_db
def test_an_instance_is_created_executed_and_handed_around() -> None:
    leave_type()
    owner, clerk = member("owner"), member("clerk", "clerks")
    client = signed_in(owner)

    created = call(client, "instances.create", {"type": "leave", "title": "Summer", "data": {"days": 3}}).json()
    assert (created["title"], created["status"], created["owner"]) == ("Summer", "draft", "owner")
    answer = call(client, "instances.execute", {"instance": created["id"], "action": "hand_in"})
    assert answer.status_code == 200
    instance = ProcessInstance.objects.get(pk=created["id"])
    assert instance.status == "handed in"

    seen = call(signed_in(clerk), "instances.get", {"instance": created["id"]}).json()
    assert [option["action"] for option in seen["options"]] == ["approve", "refuse", "@display"]
    waiting = call(signed_in(clerk), "instances.inbox").json()
    assert waiting == signed_in(clerk).get("/api/inbox/").json()
    assert seen == signed_in(clerk).get(f"/api/instances/{created['id']}/").json()


@pytest.mark.parametrize("name", ["get", "inbox", "create", "execute", "claim", "release", "hand_on"])
@pytest.mark.django_db
def test_for_somebody_who_hasnt_signed_in_there_is_no_instance(name: str) -> None:
    instance = leave(leave_type(), member("owner"))
    given: dict[str, object] = {"inbox": {}, "create": {"type": "leave"}}.get(name, {"instance": str(instance.pk)})
    if name == "hand_on":
        given["to"] = "owner"

    answer = call(Client(), f"instances.{name}", given)
    assert (answer.status_code, answer.json()["code"]) == (404, "instance_not_found")


@pytest.mark.parametrize(
    ("name", "arguments", "status", "code"),
    [
        ("instances.get", {"instance": "no-uuid"}, 400, "invalid_arguments"),
        ("instances.get", {"instance": str(uuid.UUID(int=1))}, 404, "instance_not_found"),
        ("instances.create", {}, 400, "bad_request"),
        ("instances.create", {"type": "leave", "process": "leave"}, 400, "bad_request"),
        ("instances.create", {"type": "nothing"}, 404, "template_not_found"),
        ("instances.inbox", {"page": 0}, 400, "invalid_arguments"),
        ("instances.execute", {"instance": str(uuid.UUID(int=1)), "parameters": []}, 400, "invalid_arguments"),
        ("instances.execute", {"instance": str(uuid.UUID(int=1)), "action": "a\0b"}, 400, "invalid_arguments"),
        ("instances.execute", {"instance": str(uuid.UUID(int=1)), "parameters": {"a": "\0"}}, 400, "invalid_arguments"),
        ("instances.hand_on", {"instance": str(uuid.UUID(int=1)), "to": "\0"}, 400, "invalid_arguments"),
        ("instances.create", {"type": "\0"}, 400, "invalid_arguments"),
        ("instances.create", {"process": "leave", "title": "\0"}, 400, "invalid_arguments"),
        ("instances.create", {"type": "leave", "data": {"\0": 1}}, 400, "invalid_arguments"),
    ],
)
@pytest.mark.django_db
def test_a_bad_call_is_told_what_is_wrong(name: str, arguments: dict[str, Any], status: int, code: str) -> None:
    answer = call(signed_in(member("caller")), name, arguments)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.django_db
def test_a_process_that_is_started_again_under_its_key_is_one_run() -> None:
    publish_process("count-rows", TAKES)
    publish_process("count-more", TAKES)
    client = signed_in(member("caller"))

    def start(name: str, rows: int, key: str = "monday") -> Any:
        body = json.dumps({"rows": rows})
        headers = {"Idempotency-Key": key}
        return client.post(f"/api/rpc/{name}", body, content_type="application/json", headers=headers)

    first = start("count-rows", 3).json()
    assert start("count-rows", 3).json() == first
    assert start("count-rows", 4).json()["code"] == "key_reused"
    assert Run.objects.count() == TaskRoot.objects.count() == 1
    assert start("count-more", 3).json() != first
    assert start("count-rows", 3, "tuesday").json() != first
    assert Run.objects.count() == 3


def test_of_several_that_start_it_at_once_one_does(user: User) -> None:
    publish_process("count-rows", TAKES)
    together = threading.Barrier(4)

    def start() -> Any:
        client = signed_in(user)
        headers = {"Idempotency-Key": "monday"}
        try:
            together.wait(10)
            return client.post("/api/rpc/count-rows", "{}", content_type="application/json", headers=headers).json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        told = [future.result() for future in [pool.submit(start) for _ in range(4)]]

    assert [one == told[0] for one in told] == [True] * 4, told
    assert Run.objects.count() == TaskRoot.objects.count() == 1
