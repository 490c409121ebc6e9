"""Managers of a team's model: what a user may open, what waits for them, what has a status."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from examples.leave_requests.models import Department, LeaveRequest
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from tests.processes.services.driven.leave_kit import leave, load
from tests.processes.services.instance_kit import member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loaded() -> None:
    load()


@pytest.fixture
def employee() -> User:
    return member("mara")


@pytest.fixture
def boss() -> User:
    found = member("boss")
    Department.objects.create(name="Sales", manager=found)
    return found


@pytest.fixture
def draft(boss: User, employee: User) -> LeaveRequest:
    return leave(employee)


@pytest.fixture
def handed_in(boss: User, employee: User) -> LeaveRequest:
    request = leave(employee, note="Handed in")
    request.execute(user=employee, action="hand_in")
    return request


def test_whoever_may_open_the_instance_finds_the_object(
    draft: LeaveRequest, handed_in: LeaveRequest, employee: User, boss: User
) -> None:
    found = [set(LeaveRequest.objects.for_user(user)) for user in (employee, boss, member("other"), AnonymousUser())]
    assert found == [{draft, handed_in}, {handed_in}, set(), set()]


def test_what_the_rules_expect_of_somebody_waits_for_them(
    draft: LeaveRequest, handed_in: LeaveRequest, employee: User, boss: User
) -> None:
    found = [list(LeaveRequest.objects.waiting_for(user)) for user in (employee, boss, AnonymousUser())]
    assert found == [[draft], [handed_in], []]


def test_what_is_assigned_to_somebody_waits_for_them(handed_in: LeaveRequest) -> None:
    helper = member("helper")
    assert handed_in.instance_id is not None
    assign(handed_in.instance_id, Assignment(users=[helper.pk]), doer=STEPLINE)
    assert list(LeaveRequest.objects.waiting_for(helper)) == [handed_in]


def test_objects_are_found_by_their_status_and_by_further_filters(draft: LeaveRequest, handed_in: LeaveRequest) -> None:
    rows = LeaveRequest.objects
    assert list(rows.with_status("draft")) == [draft]
    assert set(rows.with_status("draft", "handed in")) == {draft, handed_in}
    assert list(rows.with_status("handed in").filter(note="Handed in").exclude(pk=draft.pk)) == [handed_in]
    assert list(rows.with_status("booked")) == []


def test_a_list_with_statuses_is_one_query(draft: LeaveRequest, handed_in: LeaveRequest) -> None:
    with CaptureQueriesContext(connection) as queries:
        found = {(one.pk, one.status) for one in LeaveRequest.objects.with_process()}
    assert (len(queries), found) == (1, {(draft.pk, "draft"), (handed_in.pk, "handed in")})


def test_a_status_can_be_set_by_the_team_s_own_code(draft: LeaveRequest, employee: User) -> None:
    assert draft.set_status("refused", user=employee)
    assert (draft.status, draft.set_status("refused")) == ("refused", False)
    assert next((event.kind, event.actor_name) for event in draft.history()) == ("status", "mara")
