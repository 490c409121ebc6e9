"""`{% load stepline_driven %}`: status, options and progress of an object, on a page of the team's own."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import translation

from examples.leave_requests.models import Department, LeaveRequest
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from tasks.services.work import work_off
from tests.processes.services.driven.leave_kit import leave, load
from tests.processes.services.instance_kit import member

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    load()
    found = member("boss")
    Department.objects.create(name="Sales", manager=found)
    return found


@pytest.fixture
def draft(boss: User) -> LeaveRequest:
    return leave(member("mara"))


def drawn(tag: str, thing: LeaveRequest, user: User | AnonymousUser) -> str:
    request = RequestFactory().get("/")
    request.user = user
    context = Context({"request": request, "user": user, "thing": thing, "csrf_token": "the-token"})
    return Template("{% load stepline_driven %}{% " + tag + " %}").render(context)


def captions(html: str) -> list[str]:
    return [one.strip() for one in re.findall(r"<(?:button|a) class=\"process-option[^>]*>([^<]*)</", html)]


def test_the_status_is_shown_with_who_has_it(draft: LeaveRequest, boss: User) -> None:
    assert draft.instance_id is not None
    assign(draft.instance_id, Assignment(users=[boss.pk]), doer=STEPLINE)
    html = drawn("process_status thing", LeaveRequest.objects.get(), boss)
    assert "<bdi>Draft</bdi>" in html
    assert "Assigned to boss" in html
    assert f'src="/api/instances/{draft.instance_id}/"' in html


def test_a_long_list_shows_statuses_without_components(draft: LeaveRequest, boss: User) -> None:
    html = drawn("process_status thing live=False", draft, boss)
    assert "<process-status" not in html
    assert "<bdi>Draft</bdi>" in html


def test_each_is_offered_what_is_theirs(draft: LeaveRequest, boss: User) -> None:
    assert captions(drawn("process_options thing", draft, draft.employee)) == ["Hand in", "Look at it"]
    assert captions(drawn("process_options thing", draft, boss)) == []
    assert captions(drawn("process_options thing", draft, AnonymousUser())) == []
    draft.execute(user=draft.employee, action="hand_in")
    assert captions(drawn("process_options thing", draft, boss)) == ["Approve", "Look at it", "Refuse"]


def test_what_a_page_doesn_t_need_is_left_out(draft: LeaveRequest) -> None:
    html = drawn("process_options thing without='@display nothing'", draft, draft.employee)
    assert captions(html) == ["Hand in"]
    assert 'without="@display nothing"' in html


def test_what_changes_something_is_a_form_with_the_page_s_token(draft: LeaveRequest) -> None:
    html = drawn("process_options thing in_place=True", draft, draft.employee)
    assert f'<form method="post" action="/instances/{draft.instance_id}/">' in html
    assert html.count('name="csrfmiddlewaretoken" value="the-token"') == 2
    assert " in-place" in html


def test_running_work_is_shown_until_it_has_ended(draft: LeaveRequest, boss: User) -> None:
    assert "process-run-title" not in drawn("process_progress thing", draft, boss)
    draft.execute(user=draft.employee, action="hand_in")
    draft.execute(user=boss, action="approve")
    html = drawn("process_progress thing", draft, boss)
    assert f"<bdi>{draft}</bdi>" in html
    assert "Waiting for a worker" in html
    assert work_off("default") == 1
    assert "process-run-title" not in drawn("process_progress thing", draft, boss)


def test_a_team_may_name_an_address_of_its_own(draft: LeaveRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaveRequest, "get_process_api_url", lambda thing: f"/mine/{thing.pk}/")
    assert f'src="/mine/{draft.pk}/"' in drawn("process_progress thing", draft, draft.employee)


def test_what_is_shown_is_escaped(draft: LeaveRequest) -> None:
    draft.set_status("<b>bold</b>")
    assert "&lt;b&gt;bold&lt;/b&gt;" in drawn("process_status thing", draft, draft.employee)


def test_an_object_without_a_process_shows_nothing(draft: LeaveRequest) -> None:
    draft.instance = None
    for tag in ("process_status", "process_options", "process_progress"):
        html = drawn(f"{tag} thing", draft, draft.employee)
        assert "src=" not in html
        assert captions(html) == []


def test_the_reader_s_language_is_spoken(draft: LeaveRequest) -> None:
    with translation.override("de"):
        assert "Das hat nicht geklappt" in drawn("process_options thing", draft, draft.employee)


def test_the_media_are_a_style_and_a_module(draft: LeaveRequest, client: Client) -> None:
    html = drawn("process_media", draft, draft.employee)
    found = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert found == ["/static/processes/driven.css", "/static/processes/process-options.js"]
    assert all(client.get(address).status_code == 200 for address in found)
