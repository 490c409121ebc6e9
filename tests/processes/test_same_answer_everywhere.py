"""Offered isn't permitted: whoever asks for whatever action at whatever status gets the same answer at every entrance.

The answer is what the status rules offer to them at that moment. What they may not even open isn't there.
"""

import json
import re
import uuid
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connections
from django.test import Client

from processes.errors import ProcessError
from processes.models import ProcessInstance
from processes.pages.errors import status_of
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.errors import SignInRequiredError
from processes.services.instances import execute_instance
from processes.services.offers import options_of
from tasks.live import current_hub
from tasks.live.consumer import TasksConsumer
from tests.processes.services.instance_kit import ACTIONS, leave, leave_type, member
from tests.processes.services.published import action

pytestmark = pytest.mark.django_db

STATUSES = ("draft", "handed in", "approved")
PEOPLE = ("owner", "clerk", "helper", "staff", "boss", "other", "nobody")
NAMES = ("hand_in", "approve", "comment", "stop", "look")

RULES = [
    {"role": "owner", "status": "draft", "action": "hand_in"},
    {"role": "clerks", "status": "handed in", "action": "approve", "if": "data.days < 10"},
    {"role": ["assignee", "owner"], "status": "!approved", "action": "comment"},
    {"role": "staff", "status": "*", "action": "stop"},
    {"role": ["clerks", "owner"], "status": "approved", "action": {"action": "look", "disabled": True}},
]
#: Each leaves the status as it is: so that one instance serves all who ask.
DONE = [*ACTIONS[:2], *(action(name, "noop", next=False) for name in NAMES)]


@pytest.fixture
def people() -> dict[str, User | AnonymousUser]:
    return make_people()


def make_people() -> dict[str, User | AnonymousUser]:
    staff = User.objects.create_user("staff", is_staff=True)
    return {
        "owner": member("owner"),
        "clerk": member("clerk", "clerks"),
        "helper": member("helper"),
        "staff": staff,
        "boss": User.objects.create_superuser("boss"),
        "other": member("other"),
        "nobody": AnonymousUser(),
    }


def by_code(instance: ProcessInstance, user: User | AnonymousUser, name: str) -> int:
    try:
        execute_instance(instance=instance, user=user, action=name)  # type: ignore[arg-type]  # somebody not signed in
    except SignInRequiredError:
        return 404  # What an entrance makes of it is its own: a page asks to sign in.
    except ProcessError as error:
        return status_of(error)
    return 200


def by_page(instance: ProcessInstance, user: User | AnonymousUser, name: str) -> int:
    return _signed_in(user).post(f"/instances/{instance.pk}/", {"action": name}).status_code


def by_rest(instance: ProcessInstance, user: User | AnonymousUser, name: str) -> int:
    body = json.dumps({"action": name})
    path = f"/api/instances/{instance.pk}/execute/"
    return _signed_in(user).post(path, body, content_type="application/json").status_code


def by_name(instance: ProcessInstance, user: User | AnonymousUser, name: str) -> int:
    body = json.dumps({"instance": str(instance.pk), "action": name})
    path = "/api/rpc/instances.execute"
    return _signed_in(user).post(path, body, content_type="application/json").status_code


ENTRANCES: dict[str, Callable[[ProcessInstance, User | AnonymousUser, str], int]] = {
    "code": by_code,
    "page": by_page,
    "REST": by_rest,
    "RPC": by_name,
}
#: What a call over the WebSocket is told, as the status of the others.
CODES = {"instance_not_found": 404, "not_offered": 403}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_every_entrance_gives_everybody_the_same_answer(
    people: dict[str, User | AnonymousUser], status: str, entrance: str
) -> None:
    instance = instance_at(status, people)
    for who in PEOPLE:
        user = people[who]
        offered = {one.action for one in options_of(instance, user=user) if not one.disabled}
        for name in NAMES:
            answer = ENTRANCES[entrance](instance, user, name)
            wanted = _wanted(who, status, is_offered=name in offered)
            # A page asks somebody who isn't signed in to do so.
            is_asked = who == "nobody" and entrance == "page"
            assert answer == (302 if is_asked else wanted), (who, status, name, entrance)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.django_db(transaction=True)
async def test_the_websocket_gives_everybody_the_same_answer(broker: object, status: str) -> None:
    people, instance = await sync_to_async(_people_and_instance)(status)
    for who in PEOPLE:
        user = people[who]
        options = await sync_to_async(options_of)(instance, user=user)
        offered = {one.action for one in options if not one.disabled}
        for name, answer in zip(NAMES, await by_socket(instance, user), strict=True):
            assert answer == _wanted(who, status, is_offered=name in offered), (who, status, name)
    await current_hub().close()
    await sync_to_async(connections.close_all)()


async def by_socket(instance: ProcessInstance, user: User | AnonymousUser) -> list[int]:
    """Return what each of the actions is answered, all of them asked on one socket."""
    socket = WebsocketCommunicator(TasksConsumer.as_asgi(), "/ws/")
    socket.scope["user"] = user
    assert (await socket.connect())[0]
    answers = []
    for name in NAMES:
        arguments = {"instance": str(instance.pk), "action": name}
        call = {"type": "call", "requestId": str(uuid.uuid4()), "fn": "instances.execute", "args": arguments}
        await socket.send_to(text_data=json.dumps(call))
        while (told := json.loads(await socket.receive_from(timeout=10)))["type"] not in ("result", "error"):
            pass
        answers.append(200 if told["type"] == "result" else CODES[told["code"]])
    await socket.disconnect()
    return answers


def _people_and_instance(status: str) -> tuple[dict[str, User | AnonymousUser], ProcessInstance]:
    people = make_people()
    return people, instance_at(status, people)


def instance_at(status: str, people: dict[str, User | AnonymousUser]) -> ProcessInstance:
    """Return an instance at a status, which the helper has been asked to look after."""
    owner, helper = people["owner"], people["helper"]
    assert isinstance(owner, User)
    instance = leave(leave_type(rules=RULES, actions=DONE), owner, status=status)
    assign(instance.pk, Assignment(users=[helper.pk]), doer=STEPLINE)
    return ProcessInstance.objects.select_related("status_rules", "template").get(pk=instance.pk)


def _wanted(who: str, status: str, *, is_offered: bool) -> int:
    opens = who in ("owner", "helper", "boss", "staff") or (who == "clerk" and status in ("handed in", "approved"))
    if not opens:
        return 404
    return 200 if is_offered else 403


def _signed_in(user: User | AnonymousUser) -> Client:
    client = Client()
    if isinstance(user, User):
        client.force_login(user)
    return client


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("who", ["owner", "clerk", "helper", "staff"])
def test_the_admin_offers_to_its_users_what_every_entrance_offers(
    people: dict[str, User | AnonymousUser], status: str, who: str
) -> None:
    instance, user = instance_at(status, people), people[who]
    assert isinstance(user, User)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_processinstance"))
    user = User.objects.get(pk=user.pk)
    options = options_of(instance, user=user)
    text = _signed_in(user).get(f"/admin/processes/processinstance/{instance.pk}/change/").content.decode()
    opens = _signed_in(user).get(f"/api/instances/{instance.pk}/").status_code == 200
    shown = re.findall(r'<a class="instance-offer[^"]*" href="[^"]*"( aria-disabled="true")?>([^<]*)…</a>', text)
    assert [(name, bool(disabled)) for disabled, name in shown] == [
        (one.caption, one.disabled) for one in options if opens
    ]
    can_be_done = [name for name in NAMES if by_rest(instance, user, name) == 200]
    assert [name for name in NAMES if name in {one.action for one in options if not one.disabled}] == can_be_done


@pytest.mark.parametrize("status", STATUSES)
def test_lists_and_the_admin_show_what_can_be_done(people: dict[str, User | AnonymousUser], status: str) -> None:
    boss = people["boss"]
    assert isinstance(boss, User)
    instance = leave(leave_type(rules=RULES, actions=DONE), boss, status=status)
    client = _signed_in(boss)
    offered = [one for one in options_of(instance, user=boss) if not one.disabled]
    can_be_done = [name for name in NAMES if by_rest(instance, boss, name) == 200]
    assert [one.action for one in offered] == [name for name in NAMES if name in can_be_done]
    [listed] = client.get("/api/instances/").json()["results"]
    assert [one["action"] for one in listed["options"] if not one["disabled"]] == can_be_done
    text = client.get(f"/admin/processes/processinstance/{instance.pk}/change/").content.decode()
    shown = re.findall(r'<a class="instance-offer[^"]*" href="[^"]*">([^<]*)…</a>', text)
    assert shown == [one.caption for one in offered]
