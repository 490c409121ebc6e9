"""A team's objects in the admin: where each stands, what may be done, and what a context binds."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from examples.leave_requests.models import Department, LeaveRequest
from processes.models import DynamicBinding, ProcessTemplate
from tasks.services.work import work_off
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture
from tests.processes.services.driven.leave_kit import bind, leave, load, other_process
from tests.processes.services.instance_kit import member
from tests.processes.services.published import page, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(admin_user: User) -> User:
    load()
    Department.objects.create(name="Sales", manager=admin_user)
    return admin_user


@pytest.fixture
def handed_in(boss: User) -> LeaveRequest:
    request = leave(member("mara"))
    request.execute(user=request.employee, action="hand_in")
    return request


def address(thing: LeaveRequest, page: str = "change") -> str:
    return reverse(f"admin:leave_requests_leaverequest_{page}", args=[thing.pk])


def executed(client: Client, thing: LeaveRequest, action: str) -> Any:
    return client.post(address(thing, "process"), {"action": action}, follow=True)


def test_the_list_shows_statuses_in_as_many_queries_for_many(admin_client: Client, handed_in: LeaveRequest) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            html = admin_client.get(reverse("admin:leave_requests_leaverequest_changelist")).content.decode()
        assert "Handed in" in html
        return len(queries)

    asked()
    one = asked()
    for _ in range(3):
        leave(handed_in.employee)
    assert asked() == one


def test_the_list_is_narrowed_by_status(admin_client: Client, handed_in: LeaveRequest) -> None:
    leave(handed_in.employee, note="A draft")
    listed = reverse("admin:leave_requests_leaverequest_changelist")
    assert "Draft" in admin_client.get(listed).content.decode().partition("changelist-filter")[2]
    rows = admin_client.get(listed, {"process_status": "handed in"}).context["cl"].queryset
    assert list(rows) == [handed_in]


def test_an_object_s_page_shows_what_its_process_offers(admin_client: Client, handed_in: LeaveRequest) -> None:
    html = admin_client.get(address(handed_in)).content.decode()
    panel = html.partition("process-panel")[2].partition("</section>")[0]
    assert "Handed in" in panel
    assert [caption in panel for caption in ("Approve", "Refuse", "Hand in")] == [True, True, False]
    assert handed_in.history_url in panel


@pytest.mark.usefixtures("kit")
def test_an_option_is_executed_and_leads_back(admin_client: Client, handed_in: LeaveRequest) -> None:
    answer = executed(admin_client, handed_in, "approve")
    assert answer.redirect_chain == [(address(handed_in), 303)]
    assert "Done: Approve" in answer.content.decode()
    assert "<progress" in answer.content.decode()
    assert work_off("default") == 1
    handed_in.refresh_from_db()
    assert handed_in.status == "booked"


@pytest.mark.parametrize("action", ["hand_in", "no such action", "", "\0"])
def test_what_isn_t_offered_is_refused_with_the_reason(
    admin_client: Client, handed_in: LeaveRequest, action: str
) -> None:
    answer = executed(admin_client, handed_in, action)
    assert answer.redirect_chain[-1][0] in (address(handed_in), handed_in.process_url)
    handed_in.refresh_from_db()
    assert handed_in.status == "handed in"


def test_what_has_a_page_to_show_leads_there(admin_client: Client, boss: User) -> None:
    department = Department.objects.create(name="Asking", manager=boss)
    template = publish_process("asking", [page("ask", "How are you?", safe=True)])
    DynamicBinding.objects.create(content_object=department, reference="leave-request", process=template)
    request = leave(boss, department=department)
    answer = admin_client.post(address(request, "process"), {"action": "ask"})
    assert (answer.status_code, answer.headers["Location"]) == (303, request.process_url)


def test_only_those_who_may_see_the_object_execute_it(client: Client, handed_in: LeaveRequest) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    Department.objects.update(manager=clerk)
    client.force_login(clerk)
    assert client.post(address(handed_in, "process"), {"action": "approve"}).status_code == 404
    handed_in.refresh_from_db()
    assert handed_in.status == "handed in"


def test_asking_for_the_address_of_options_leads_to_the_object(admin_client: Client, handed_in: LeaveRequest) -> None:
    assert admin_client.get(address(handed_in, "process")).headers["Location"] == address(handed_in)


def binding(**given: str) -> dict[str, str]:
    prefix = "processes-dynamicbinding-content_type-object_id"
    rows = {f"{prefix}-0-{name}": value for name, value in given.items()}
    return {"name": "Sales", f"{prefix}-TOTAL_FORMS": "1", f"{prefix}-INITIAL_FORMS": "0", **rows}


def test_a_department_binds_a_process_for_its_requests(admin_client: Client, boss: User) -> None:
    department, process = Department.objects.get(), other_process()
    change = reverse("admin:leave_requests_department_change", args=[department.pk])
    answer = admin_client.post(change, binding(reference="leave-request", process=str(process.pk), status_rules=""))
    assert answer.status_code == 302
    request = leave(member("mara"), department=department)
    assert request.process == process


def test_a_binding_of_nothing_is_refused(admin_client: Client, boss: User) -> None:
    department = Department.objects.get()
    change = reverse("admin:leave_requests_department_change", args=[department.pk])
    answer = admin_client.post(change, binding(reference="leave-request", process="", status_rules=""))
    assert "Choose a process, status rules, or both." in answer.content.decode()
    assert not DynamicBinding.objects.exists()


def test_what_keeps_an_object_from_getting_its_process_is_told(admin_client: Client, handed_in: LeaveRequest) -> None:
    bind(handed_in.department, process=other_process())
    ProcessTemplate.objects.filter(slug="leave-by-hand").update(published_plan=None)
    values = {
        "employee": handed_in.employee_id, "kind": handed_in.kind_id, "department": handed_in.department_id,
        "first_day": "2026-06-01", "last_day": "2026-06-05", "note": "",
    }  # fmt: skip
    answer = admin_client.post(reverse("admin:leave_requests_leaverequest_add"), values, follow=True)
    assert "Nothing was saved." in answer.content.decode()
    assert "leave-by-hand" in answer.content.decode()
    assert LeaveRequest.objects.count() == 1
