"""Offered isn't permitted: whoever asks for whatever action at whatever status gets the same answer at every entrance.

The answer is what the status rules offer to them at that moment. What they may not even open isn't there.
"""

import json
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client

from processes.errors import ProcessError
from processes.models import ProcessInstance
from processes.pages.errors import status_of
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.errors import SignInRequiredError
from processes.services.instances import execute_instance
from processes.services.offers import options_of
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


ENTRANCES: dict[str, Callable[[ProcessInstance, User | AnonymousUser, str], int]] = {
    "code": by_code,
    "page": by_page,
    "REST": by_rest,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_every_entrance_gives_everybody_the_same_answer(
    people: dict[str, User | AnonymousUser], status: str, entrance: str
) -> None:
    owner = people["owner"]
    assert isinstance(owner, User)
    instance = leave(leave_type(rules=RULES, actions=DONE), owner, status=status)
    helper = people["helper"]
    assign(instance.pk, Assignment(users=[helper.pk]), doer=STEPLINE)
    instance = ProcessInstance.objects.select_related("status_rules").get(pk=instance.pk)
    for who in PEOPLE:
        user = people[who]
        offered = {one.action for one in options_of(instance, user=user) if not one.disabled}
        for name in NAMES:
            answer = ENTRANCES[entrance](instance, user, name)
            wanted = _wanted(who, status, is_offered=name in offered)
            # A page asks somebody who isn't signed in to do so.
            is_asked = who == "nobody" and entrance == "page"
            assert answer == (302 if is_asked else wanted), (who, status, name, entrance)


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
def test_lists_and_the_admin_show_what_can_be_done(people: dict[str, User | AnonymousUser], status: str) -> None:
    boss = people["boss"]
    assert isinstance(boss, User)
    instance = leave(leave_type(rules=RULES, actions=DONE), boss, status=status)
    client = _signed_in(boss)
    offered = [one for one in options_of(instance, user=boss) if not one.disabled]
    can_be_done = [name for name in NAMES if by_rest(instance, boss, name) == 200]
    assert [one.action for one in offered] == [name for name in NAMES if name in can_be_done]
    [listed] = client.get("/api/instances/").json()["instances"]
    assert [one["action"] for one in listed["options"] if not one["disabled"]] == can_be_done
    text = client.get(f"/admin/processes/processinstance/{instance.pk}/change/").content.decode()
    shown = re.findall(r'<a class="instance-offer[^"]*" href="[^"]*">([^<]*)…</a>', text)
    assert shown == [one.caption for one in offered]
