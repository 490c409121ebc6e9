"""Who may open an instance: its people, and whoever has a role at its status; the database says the same."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User

from processes.models import ProcessInstance
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.instance_access import may_execute_instance, visible_instances
from processes.services.instance_work import claim_instance
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db

#: Who may open it at the status draft, and at the status handed in (to which the rules offer clerks something).
WHO = {
    "anonymous": (False, False),
    "somebody": (False, False),
    "owner": (True, True),
    "inactive owner": (False, False),
    "assignee": (True, True),
    "asked": (True, True),
    "in a group that was asked": (True, True),
    "clerk": (False, True),
    "staff": (False, False),
    "staff who may change instances": (True, True),
    "superuser": (True, True),
}


def person(who: str, instance: ProcessInstance) -> User | AnonymousUser:
    if who == "anonymous":
        return AnonymousUser()
    user = User.objects.create_user(who, is_staff=who.startswith(("staff", "super")), is_superuser=who == "superuser")
    if "may change" in who:
        user.user_permissions.add(Permission.objects.get(codename="change_processinstance"))
    if who == "clerk":
        user.groups.add(Group.objects.create(name="clerks"))
    if "owner" in who:
        ProcessInstance.objects.filter(pk=instance.pk).update(owner=user)
        User.objects.filter(pk=user.pk).update(is_active="inactive" not in who)
    if "asked" in who:
        group = Group.objects.create(name="asked")
        other = member("another", "asked")
        if "group" in who:
            user.groups.add(group)
        users = [other.pk, user.pk] if who == "asked" else []
        assign(instance.pk, Assignment(users=users, groups=[] if users else [group.pk]), doer=STEPLINE)
        # Whoever was asked may still look when another one has it.
        claim_instance(instance.pk, user=other)
    if who == "assignee":
        assign(instance.pk, Assignment(users=[user.pk]), doer=STEPLINE)
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("at", [0, 1], ids=["draft", "handed in"])
def test_who_may_open_it(who: str, at: int) -> None:
    instance = leave(leave_type(), member("creator"), status=["draft", "handed in"][at])
    user = person(who, instance)
    found = ProcessInstance.objects.select_related("status_rules").get(pk=instance.pk)
    assert may_execute_instance(user, found) is WHO[who][at]
    assert visible_instances(user).filter(pk=instance.pk).exists() is WHO[who][at]


def test_a_rule_for_everyone_opens_it_to_nobody() -> None:
    instance = leave(leave_type(rules=[{"action": "approve"}]), member("owner"))
    assert not may_execute_instance(member("other"), instance)


def test_without_status_rules_it_is_its_people_s_only() -> None:
    type = leave_type()
    instance = leave(type, member("owner"), status="handed in")
    ProcessInstance.objects.update(status_rules=None)
    instance.refresh_from_db()
    assert not may_execute_instance(member("clerk", "clerks"), instance)
    assert not visible_instances(User.objects.get(username="clerk")).exists()


@pytest.mark.parametrize("role", ["owner", "assignee", "candidate", "staff"])
def test_a_group_that_is_called_as_a_reserved_role_opens_nothing(role: str) -> None:
    instance = leave(leave_type(rules=[{"role": role, "action": "approve"}]), member("owner"))
    assert not may_execute_instance(member("other", role), instance)
