"""A team's own objects over HTTP: the addresses that `object_urls` gives."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import include, path

from examples.leave_requests.models import Department, LeaveRequest
from processes.api.driven import object_urls
from tasks.services.work import work_off
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture
from tests.processes.services.driven.leave_kit import leave, load
from tests.processes.services.instance_kit import member

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [
    # First: what isn't found below /api/ is answered there.
    path("api/leave-requests/", include((object_urls(LeaveRequest), "leave-api"))),
    path("", include("config.urls")),
]


@pytest.fixture
def boss() -> User:
    load()
    found = member("boss")
    Department.objects.create(name="Sales", manager=found)
    return found


@pytest.fixture
def draft(boss: User) -> LeaveRequest:
    return leave(member("mara"))


@pytest.fixture
def employee(draft: LeaveRequest, client: Client) -> Client:
    client.force_login(draft.employee)
    return client


def sent(client: Client, draft: LeaveRequest, body: Any) -> Any:
    address = f"/api/leave-requests/{draft.pk}/execute/"
    return client.post(address, body if isinstance(body, str) else json.dumps(body), content_type="application/json")


def test_it_says_where_an_object_stands_and_what_is_offered(employee: Client, draft: LeaveRequest) -> None:
    told = employee.get(f"/api/leave-requests/{draft.pk}/").json()
    assert [option["action"] for option in told.pop("options")] == ["hand_in", "@display"]
    assert told == {
        "id": str(draft.pk), "status": "draft", "assignee": None, "due_at": None, "running": [],
        "process_url": f"/instances/{draft.instance_id}/", "history_url": f"/instances/{draft.instance_id}/history/",
    }  # fmt: skip


def test_executing_answers_with_how_it_stands_then(employee: Client, draft: LeaveRequest) -> None:
    answer = sent(employee, draft, {"action": "hand_in"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["response"]["redirect"]) == ("handed in", draft.get_absolute_url())
    assert [option["action"] for option in told["options"]] == ["take_back", "@display"]


@pytest.mark.usefixtures("kit")
def test_what_goes_on_in_the_background_is_accepted_with_its_run(draft: LeaveRequest, boss: User) -> None:
    draft.execute(user=draft.employee, action="hand_in")
    client = Client()
    client.force_login(boss)
    answer = sent(client, draft, {"action": "approve", "parameters": {}})
    told = answer.json()
    assert (answer.status_code, told["status"]) == (202, "approved")
    assert [run["id"] for run in told["running"]] == [told["run"]]
    assert work_off("default") == 1
    told = client.get(f"/api/leave-requests/{draft.pk}/").json()
    assert (told["status"], told["running"]) == ("booked", [])


def test_the_history_is_told_the_newest_first(employee: Client, draft: LeaveRequest) -> None:
    sent(employee, draft, {"action": "hand_in"})
    told = employee.get(f"/api/leave-requests/{draft.pk}/history/").json()
    assert [event["kind"] for event in told["events"]][-1] == "created"
    assert {"status", "created"} <= {event["kind"] for event in told["events"]}
    assert told["more"] is False


@pytest.mark.parametrize("body", ["[]", '{"action": 3}', "{}", '{"action": "hand_in", "parameters": []}', '{"do": 1}'])
def test_what_can_t_be_read_is_refused(employee: Client, draft: LeaveRequest, body: str) -> None:
    answer = sent(employee, draft, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_what_isn_t_offered_is_refused_as_everywhere(employee: Client, draft: LeaveRequest) -> None:
    answer = sent(employee, draft, {"action": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_offered")


@pytest.mark.parametrize("visitor", ["other", None])
def test_for_everybody_else_there_is_no_such_object(draft: LeaveRequest, visitor: str | None) -> None:
    client = Client()
    if visitor is not None:
        client.force_login(member(visitor))
    answers = [
        client.get(f"/api/leave-requests/{draft.pk}/"),
        client.get(f"/api/leave-requests/{draft.pk + 1}/"),
        client.get(f"/api/leave-requests/{draft.pk}/history/"),
        sent(client, draft, {"action": "hand_in"}),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "instance_not_found")] * 4


def test_executing_needs_the_token_of_the_site(draft: LeaveRequest) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(draft.employee)
    assert sent(client, draft, {"action": "hand_in"}).status_code == 403
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_an_instance_tells_what_is_at_work_on_it(draft: LeaveRequest, boss: User) -> None:
    draft.execute(user=draft.employee, action="hand_in")
    answer = draft.execute(user=boss, action="approve")
    client = Client()
    client.force_login(boss)
    told = client.get(f"/api/instances/{draft.instance_id}/").json()
    assert [run["id"] for run in told["running"]] == [str(answer.run_id)]
