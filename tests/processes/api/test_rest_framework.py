"""A team's objects in Django REST framework: the mixins for its serializers and viewsets."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

pytest.importorskip("rest_framework", reason="the framework isn't installed: `make dev-environment` does that")

from rest_framework import viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.routers import SimpleRouter

from examples.leave_requests.models import Department, LeaveRequest
from processes.api.rest_framework import ProcessDrivenSerializer, ProcessDrivenViewSet
from tasks.services.work import work_off
from tests.processes.services.driven.leave_kit import bind, leave, load, other_rules
from tests.processes.services.instance_kit import member

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class LeaveSerializer(ProcessDrivenSerializer):
    class Meta:
        model = LeaveRequest
        fields = ("id", "note", "status", "options", "running", "process_url")


class LeaveViewSet(ProcessDrivenViewSet, viewsets.ReadOnlyModelViewSet):
    serializer_class = LeaveSerializer
    permission_classes = (IsAuthenticated,)
    queryset = LeaveRequest.objects.all()

    def get_queryset(self) -> Any:
        return LeaveRequest.objects.with_process().for_user(self.request.user)


router = SimpleRouter()
router.register("leave", LeaveViewSet)
urlpatterns = [path("theirs/", include(router.urls)), path("", include("config.urls"))]


@pytest.fixture
def boss() -> User:
    load()
    found = member("boss")
    Department.objects.create(name="Sales", manager=found)
    return found


@pytest.fixture
def handed_in(boss: User) -> LeaveRequest:
    request = leave(member("mara"))
    request.execute(user=request.employee, action="hand_in")
    return request


def visitor(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def sent(client: Client, thing: LeaveRequest, body: Any) -> Any:
    return client.post(f"/theirs/leave/{thing.pk}/execute/", json.dumps(body), content_type="application/json")


def test_a_serializer_says_where_an_object_stands_for_the_caller(handed_in: LeaveRequest, boss: User) -> None:
    told = visitor(boss).get(f"/theirs/leave/{handed_in.pk}/").json()
    assert [option["action"] for option in told.pop("options")] == ["approve", "refuse", "@display"]
    assert told == {
        "id": handed_in.pk, "note": "", "status": "handed in", "running": [], "process_url": handed_in.process_url,
    }  # fmt: skip
    told = visitor(handed_in.employee).get(f"/theirs/leave/{handed_in.pk}/").json()
    assert [option["action"] for option in told["options"]] == ["take_back", "@display"]


def test_a_list_takes_no_more_queries_for_many(handed_in: LeaveRequest) -> None:
    # A role that a team's function gives is asked of each object; these rules name none.
    bind(handed_in.department, status_rules=other_rules())
    handed_in.save()
    client = visitor(handed_in.employee)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert all(one["options"] for one in client.get("/theirs/leave/").json())
        return len(queries)

    asked()
    one = asked()
    for _ in range(4):
        leave(handed_in.employee)
    assert asked() == one


def test_an_action_is_executed_and_goes_on_in_the_background(handed_in: LeaveRequest, boss: User) -> None:
    answer = sent(visitor(boss), handed_in, {"action": "approve"})
    told = answer.json()
    assert (answer.status_code, told["status"], [run["id"] for run in told["running"]]) == (
        202, "approved", [told["run"]],
    )  # fmt: skip
    assert work_off("default") == 1
    assert visitor(boss).get(f"/theirs/leave/{handed_in.pk}/").json()["status"] == "booked"


def test_errors_are_answered_as_by_stepline_s_own_api(handed_in: LeaveRequest, boss: User) -> None:
    answers = [
        sent(visitor(boss), handed_in, {"action": "hand_in"}),
        sent(visitor(boss), handed_in, ["hand_in"]),
        sent(visitor(member("other")), handed_in, {"action": "approve"}),
        visitor(boss).get(f"/theirs/leave/{handed_in.pk}/history/?page=none"),
        visitor(boss).get("/theirs/leave/none/history/"),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (403, "not_offered"),
        (400, "bad_request"),
        (404, "instance_not_found"),
        (400, "bad_request"),
        (404, "instance_not_found"),
    ]


def test_the_history_is_told_the_newest_first(handed_in: LeaveRequest) -> None:
    told = visitor(handed_in.employee).get(f"/theirs/leave/{handed_in.pk}/history/").json()
    assert told["events"][-1]["kind"] == "created"
    assert "handed in" in {event["status_after"] for event in told["events"]}


def test_the_viewset_s_own_permissions_are_asked_too(handed_in: LeaveRequest) -> None:
    assert sent(Client(), handed_in, {"action": "approve"}).status_code == 403
    handed_in.refresh_from_db()
    assert handed_in.status == "handed in"
