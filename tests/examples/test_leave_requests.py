"""The example leave_requests, as its team tests it: from asking to the days in the calendar."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from examples.leave_requests.models import Department, LeaveDay, LeaveKind, LeaveRequest
from processes.errors import ProcessError
from processes.models import ProcessTemplate
from processes.services.authoring.templates import check_draft
from processes.services.errors import InstanceNotFoundError, NotOfferedError, WrongStatusError
from processes.services.instances import create_instance
from tasks.services.work import work_off
from tests.processes.pages.browsing import main_of
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

FOLDER = Path(__file__).resolve().parents[2] / "examples/leave_requests"


@pytest.fixture(autouse=True)
def _loaded() -> None:
    call_command("load_examples", verbosity=0)


@pytest.fixture
def mara() -> User:
    return User.objects.create_user("mara")


@pytest.fixture
def boss() -> User:
    return User.objects.create_user("boss")


@pytest.fixture
def sales(boss: User) -> Department:
    return Department.objects.create(name="Sales", manager=boss)


@pytest.fixture
def leave(mara: User, sales: Department) -> LeaveRequest:
    """From a Thursday to the Tuesday after it."""
    return LeaveRequest.objects.create(
        employee=mara,
        department=sales,
        kind=LeaveKind.objects.create(name="Holiday"),
        first_day=date(2026, 6, 4),
        last_day=date(2026, 6, 9),
    )


def visitor(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def chosen(client: Client, leave: LeaveRequest, action: str) -> Any:
    """Press a button of the request's page."""
    return client.post(leave.process_url, {"action": action}, follow=True)


def test_its_definition_may_be_published() -> None:
    found = json.loads((FOLDER / "process_templates/leave-request.json").read_text(encoding="utf-8"))
    check_draft(slug=found["name"], definition=json.dumps(found["definition"]), bindings={}, extends=[])
    assert all(action["comment"] for action in found["definition"]["actions"])


@pytest.mark.usefixtures("kit")
def test_from_asking_to_the_calendar(mara: User, boss: User, sales: Department) -> None:
    kind = LeaveKind.objects.create(name="Holiday")
    asking, deciding = visitor(mara), visitor(boss)
    form = {"kind": kind.pk, "department": sales.pk, "first_day": "2026-06-04", "last_day": "2026-06-09", "note": ""}
    shown = asking.post("/leave/new/", form, follow=True)
    leave = LeaveRequest.objects.get()
    assert shown.redirect_chain == [(leave.get_absolute_url(), 303)]
    assert "Hand in" in main_of(shown)
    assert "Take back" in main_of(chosen(asking, leave, "hand_in"))
    waiting = main_of(deciding.get("/leave/"))
    assert "Waiting for you" in waiting
    assert leave.get_absolute_url() in waiting
    approved = chosen(deciding, leave, "approve")
    assert approved.redirect_chain[0] == (leave.get_absolute_url(), 303)
    assert "Waiting for a worker" in main_of(approved)
    assert work_off("default") == 1
    assert "Booked" in main_of(asking.get(leave.get_absolute_url()))
    days = [one.day.isoformat() for one in LeaveDay.objects.all()]
    assert days == ["2026-06-04", "2026-06-05", "2026-06-08", "2026-06-09"]


def test_whoever_starts_it_from_the_home_page_is_led_to_the_form_for_a_new_request(mara: User) -> None:
    asking = visitor(mara)
    assert 'href="/p/leave-request/"' in main_of(asking.get("/"))
    shown = asking.get("/p/leave-request/", follow=True)
    assert shown.redirect_chain[-1][0] == "/leave/new/"
    assert "Ask for a leave" in main_of(shown)


def test_what_needs_a_request_says_so_to_whoever_has_none(mara: User) -> None:
    answer = visitor(mara).post("/p/leave-request/", {"action": "hand_in"})
    assert answer.status_code == 409
    assert "open that, and choose there what is to be done" in main_of(answer)


def test_a_leave_that_ends_before_it_begins_is_refused(mara: User, sales: Department) -> None:
    kind = LeaveKind.objects.create(name="Holiday")
    form = {"kind": kind.pk, "department": sales.pk, "first_day": "2026-06-04", "last_day": "2026-06-03"}
    answer = visitor(mara).post("/leave/new/", form)
    assert (answer.status_code, LeaveRequest.objects.count()) == (422, 0)
    assert "The last day comes before the first." in main_of(answer)


def test_a_request_that_finds_no_process_is_refused(mara: User, sales: Department) -> None:
    ProcessTemplate.objects.filter(slug="leave-request").update(published_plan=None)
    kind = LeaveKind.objects.create(name="Holiday")
    form = {"kind": kind.pk, "department": sales.pk, "first_day": "2026-06-04", "last_day": "2026-06-05"}
    answer = visitor(mara).post("/leave/new/", form)
    assert (answer.status_code, LeaveRequest.objects.count()) == (422, 0)
    assert "has nothing published" in main_of(answer)


@pytest.mark.usefixtures("kit")
def test_days_are_booked_once_however_often_the_work_is_done(leave: LeaveRequest, mara: User, boss: User) -> None:
    LeaveDay.objects.create(request=leave, day=date(2026, 6, 5))
    leave.execute(user=mara, action="hand_in")
    leave.execute(user=boss, action="approve")
    assert work_off("default") == 1
    assert leave.booked.count() == 4


def test_of_two_who_decide_one_wins(leave: LeaveRequest, mara: User, boss: User) -> None:
    leave.execute(user=mara, action="hand_in")
    leave.execute(user=boss, action="refuse")
    with pytest.raises((NotOfferedError, WrongStatusError)):
        leave.execute(user=boss, action="approve")
    assert leave.status == "refused"


@pytest.mark.parametrize("action", ["approve", "refuse", "book", "booked", "lead"])
def test_nobody_decides_about_their_own_leave(leave: LeaveRequest, mara: User, action: str) -> None:
    leave.execute(user=mara, action="hand_in")
    with pytest.raises(ProcessError):
        leave.execute(user=mara, action=action)
    assert leave.status == "handed in"


def test_the_manager_of_another_department_finds_nothing(leave: LeaveRequest, mara: User) -> None:
    other = User.objects.create_user("other")
    Department.objects.create(name="Production", manager=other)
    leave.execute(user=mara, action="hand_in")
    with pytest.raises(InstanceNotFoundError):
        leave.execute(user=other, action="approve")
    client = visitor(other)
    assert client.get(leave.get_absolute_url()).status_code == 404
    assert leave.get_absolute_url() not in main_of(client.get("/leave/"))


def test_a_draft_is_nobody_else_s_business(leave: LeaveRequest, boss: User) -> None:
    assert visitor(boss).get(leave.get_absolute_url()).status_code == 404


def test_whoever_isn_t_signed_in_is_asked_to(client: Client, leave: LeaveRequest) -> None:
    for address in ("/leave/", "/leave/new/", leave.get_absolute_url()):
        assert client.get(address).status_code == 302


def test_the_instance_leads_to_the_request(leave: LeaveRequest, mara: User) -> None:
    answer = visitor(mara).get(leave.process_url)
    assert answer.headers["Location"] == leave.get_absolute_url()


def test_an_instance_without_a_request_leads_to_the_form_for_a_new_one(mara: User) -> None:
    alone = create_instance(template=ProcessTemplate.objects.get(slug="leave-request"), owner=mara)
    answer = visitor(mara).get(f"/instances/{alone.pk}/?action=%40display")
    assert answer.headers["Location"] == "/leave/new/"


def test_days_are_booked_of_requests_only(mara: User, kit: Any) -> None:  # noqa: F811
    run_id = kit.start({"name": "book", "script": "leave_request_book"}, user=mara)
    kit.work()
    assert kit.run(run_id).error["message"] == "This process belongs to a leave request."
