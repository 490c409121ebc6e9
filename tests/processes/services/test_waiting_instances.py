"""The inbox: what waits for somebody, the most urgent first, in a constant number of queries."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from processes.models import InstanceType, ProcessInstance, StatusRules
from processes.registry import roles
from processes.registry.roles import RoleFilter
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.instance_access import newest_visible, visible_instances
from processes.services.waiting_instances import list_waiting, waiting_instances
from tests.processes.services.instance_kit import RULES, leave, leave_type, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def type() -> InstanceType:
    return leave_type()


@pytest.fixture
def owner() -> User:
    return member("owner")


@pytest.fixture
def clerk() -> User:
    return member("clerk", "clerks", "helpers")


def titles(user: User) -> list[str]:
    rows, _more = list_waiting(user)
    assert {row.instance.pk for row in rows} <= set(waiting_instances(user).values_list("pk", flat=True))
    return [row.instance.title for row in rows]


def given(instance: ProcessInstance, *users: User, group: str = "", due: timedelta | None = None) -> ProcessInstance:
    assign(
        instance.pk,
        Assignment(
            users=[user.pk for user in users],
            groups=[Group.objects.get(name=group).pk] if group else [],
            due_at=None if due is None else timezone.now() + due,
        ),
        doer=STEPLINE,
    )
    instance.refresh_from_db()
    return instance


def test_what_is_assigned_to_somebody_waits_for_them(type: InstanceType, owner: User, clerk: User) -> None:
    given(leave(type, owner, status="approved"), clerk)
    [row], more = list_waiting(clerk)
    assert (row.is_mine, more) == (True, False)
    assert titles(owner) == []


def test_what_is_given_to_a_group_waits_for_its_members_until_one_has_it(
    type: InstanceType, owner: User, clerk: User
) -> None:
    other = member("other", "helpers")
    instance = given(leave(type, owner, status="approved"), group="helpers")
    assert (titles(clerk), titles(other), titles(owner)) == (["Summer"], ["Summer"], [])
    given(instance, other)
    assert (titles(clerk), titles(other)) == ([], ["Summer"])


def test_what_the_rules_expect_of_a_role_waits_for_those_who_have_it(
    type: InstanceType, owner: User, clerk: User
) -> None:
    leave(type, owner, status="handed in", title="Handed in")
    leave(type, owner, title="Draft")
    leave(type, owner, status="approved", title="Approved")
    assert (titles(clerk), titles(owner)) == (["Handed in"], ["Draft"])
    [row], _ = list_waiting(clerk)
    assert [option.action for option in row.expected] == ["approve"]


def test_what_somebody_has_waits_for_nobody_else(type: InstanceType, owner: User, clerk: User) -> None:
    given(leave(type, owner, status="handed in"), member("other"))
    assert titles(clerk) == []


def test_a_rule_whose_condition_isn_t_fulfilled_expects_nothing(owner: User, clerk: User) -> None:
    rule = {"role": "clerks", "if": "data.days > 5", "action": {"action": "approve", "group": "expected"}}
    type = leave_type(rules=[rule])
    leave(type, owner, title="Short")
    leave(type, owner, title="Long", data={"days": 9})
    assert titles(clerk) == ["Long"]


@pytest.mark.parametrize(("status", "waits"), [("handed in", True), ("refused", False), ("", True)])
def test_a_rule_may_mean_all_statuses_but_one(owner: User, clerk: User, status: str, waits: bool) -> None:
    rule = {"role": "clerks", "status": "!refused", "action": {"action": "approve", "group": "expected"}}
    instance = leave(leave_type(rules=[rule], status=""), owner, status=status)
    assert bool(titles(clerk)) is waits
    assert visible_instances(clerk).filter(pk=instance.pk).exists() is waits


def test_a_role_of_the_team_s_own_finds_them_by_its_filter(owner: User, clerk: User) -> None:
    roles.role("namesake", filter=_named)(_is_named)
    try:
        type = leave_type(rules=[{"role": "namesake", "action": {"action": "approve", "group": "expected"}}])
        leave(type, owner, title="clerk")
        leave(type, owner, title="somebody")
        assert titles(clerk) == ["clerk"]
    finally:
        roles.unregister("namesake")


def test_the_most_urgent_comes_first_whatever_the_way_it_waits(type: InstanceType, owner: User, clerk: User) -> None:
    hour = timedelta(hours=1)
    leave(type, owner, status="handed in", title="without a date")
    given(leave(type, owner, status="approved", title="in three hours"), group="helpers", due=3 * hour)
    given(leave(type, owner, status="approved", title="overdue"), clerk, due=-hour)
    given(leave(type, owner, status="approved", title="in an hour"), clerk, due=hour)
    assert titles(clerk) == ["overdue", "in an hour", "in three hours", "without a date"]


def test_it_is_read_a_page_at_a_time(type: InstanceType, owner: User, clerk: User) -> None:
    for number in range(5):
        leave(type, owner, status="handed in", title=str(number))
    pages = [list_waiting(clerk, first=first, count=2) for first in (0, 2, 4, 6)]
    assert [[row.instance.title for row in rows] for rows, _ in pages] == [["0", "1"], ["2", "3"], ["4"], []]
    assert [more for _, more in pages] == [True, True, False, False]


@pytest.mark.parametrize("user", [AnonymousUser(), User(is_active=False)])
def test_nothing_waits_for_somebody_who_isn_t_signed_in_or_is_inactive(user: User | AnonymousUser) -> None:
    assert list_waiting(user) == ([], False)
    assert not waiting_instances(user).exists()


def test_the_number_of_queries_depends_on_no_number_of_instances(owner: User, clerk: User) -> None:
    type = leave_type(rules=[*RULES, {"role": "clerks", "if": "data.days > 2", "action": "refuse"}])

    def asked() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            rows, _more = list_waiting(clerk)
        return len(rows), len(queries)

    leave(type, owner, status="handed in")
    asked()
    few = asked()
    for number in range(12):
        given(leave(type, owner, status="handed in", title=str(number)), group="helpers")
    assert asked() == (13, few[1])
    assert few[1] <= 8


def _named(user: User) -> Q:
    return Q(title=user.username)


def _is_named(user: User, instance: ProcessInstance) -> bool:
    return instance.title == user.username


def test_however_many_statuses_the_rules_name_what_waits_is_found(owner: User, clerk: User) -> None:
    named = [[f"step {number} of {part}" for number in range(100)] for part in range(12)]
    expected = {"action": "approve", "group": "expected"}
    type = leave_type(rules=[{"role": "clerks", "status": statuses, "action": expected} for statuses in named])
    leave(type, owner, title="here", status="step 99 of 11")
    assert titles(clerk) == ["here"]
    assert [instance.title for instance in visible_instances(clerk)] == ["here"]
    assert [instance.title for instance in newest_visible(clerk, count=5)[0]] == ["here"]


def _raises(user: User) -> Q:
    raise AttributeError(f"{user} has no employee")


@pytest.mark.parametrize("filter", [_raises, lambda user: Q(owner__employee=user.pk), lambda user: None], ids="abc")
def test_a_role_whose_filter_fails_keeps_no_list_from_being_shown(
    filter: RoleFilter, owner: User, clerk: User, caplog: pytest.LogCaptureFixture
) -> None:
    roles.role("broken", filter=filter)(_is_named)
    try:
        expected = {"action": "approve", "group": "expected"}
        type = leave_type(rules=[{"role": ["broken", "clerks"], "action": expected}])
        leave(type, owner, title="here")
        assert titles(clerk) == ["here"]
        assert titles(owner) == []
        assert 'The filter of the role "broken"' in caplog.text
    finally:
        roles.unregister("broken")


def test_rules_that_can_t_be_read_keep_no_other_rules_from_being_followed(
    type: InstanceType, owner: User, clerk: User
) -> None:
    StatusRules.objects.create(slug="broken", title="Broken", rules="[{]")
    leave(type, owner, title="here", status="handed in")
    assert titles(clerk) == ["here"]


@pytest.mark.parametrize("role", ["owner", "assignee", "candidate", "staff"])
def test_a_group_that_is_called_as_a_reserved_role_gives_nobody_that_role(role: str, owner: User) -> None:
    leave(leave_type(rules=[{"role": role, "action": {"action": "approve", "group": "expected"}}]), owner)
    other = member("other", role)
    assert titles(other) == []
    assert not visible_instances(other).exists()
    assert not newest_visible(other, count=5)[0]
