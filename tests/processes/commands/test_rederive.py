"""`manage.py rederive`: after bindings or defaults have changed, all objects get what is theirs now."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from examples.leave_requests.models import Department, LeaveRequest
from processes.models import ProcessInstance, ProcessTemplate
from processes.services.driven import rederiving
from tests.processes.services.driven.leave_kit import bind, leave, load, other_process, other_rules
from tests.processes.services.instance_kit import member
from tests.processes.services.published import action, page, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loaded() -> None:
    load()


@pytest.fixture
def employee() -> User:
    return member("mara")


@pytest.fixture
def small_batches() -> Iterator[None]:
    before, rederiving.BATCH = rederiving.BATCH, 2  # type: ignore[misc]
    yield
    rederiving.BATCH = before  # type: ignore[misc]


def rederived(*arguments: str, **options: Any) -> list[str]:
    out = StringIO()
    call_command("rederive", *arguments, stdout=out, stderr=out, **options)
    return out.getvalue().splitlines()


def test_what_is_as_it_should_be_stays(employee: User) -> None:
    leave(employee)
    assert rederived() == ["0 changed, 0 failed"]


def test_what_has_changed_is_written_and_told(employee: User) -> None:
    request = leave(employee)
    bind(request.department, process=other_process(), status_rules=other_rules())
    assert rederived("leave_requests.LeaveRequest") == [
        f"leave_requests.LeaveRequest {request.pk}: process leave-request -> leave-by-hand, "
        "status rules leave-request -> anybody",
        "1 changed, 0 failed",
    ]
    request.refresh_from_db()
    assert request.process is not None
    assert request.instance is not None
    assert request.instance.status_rules is not None
    assert (request.process.slug, request.instance.status_rules.slug) == ("leave-by-hand", "anybody")
    assert request.instance.template.slug == "leave-request"
    assert rederived() == ["0 changed, 0 failed"]


def test_instances_follow_to_their_plans_only_if_that_is_said(employee: User) -> None:
    request = leave(employee)
    bind(request.department, process=other_process())
    rederived()
    assert rederived(move=True) == [f"leave_requests.LeaveRequest {request.pk}: plan moved", "1 changed, 0 failed"]
    assert ProcessInstance.objects.get().template.slug == "leave-by-hand"
    assert rederived(move=True) == ["0 changed, 0 failed"]


def test_a_dry_run_tells_the_same_and_changes_nothing(employee: User) -> None:
    request = leave(employee)
    bind(request.department, process=other_process())
    before = LeaveRequest.objects.values().get()
    told = rederived(dry_run=True, move=True)
    assert told == [
        f"leave_requests.LeaveRequest {request.pk}: process leave-request -> leave-by-hand, plan moved",
        "1 would change, 0 failed",
    ]
    assert LeaveRequest.objects.values().get() == before
    assert ProcessInstance.objects.get().template.slug == "leave-request"


def test_what_had_no_process_gets_its_instance(employee: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setattr(LeaveRequest, "default_process", "")
        request = leave(employee)
    assert rederived() == [
        f"leave_requests.LeaveRequest {request.pk}: process none -> leave-request, instance created",
        "1 changed, 0 failed",
    ]
    request.refresh_from_db()
    assert request.status == "draft"


@pytest.mark.usefixtures("small_batches")
def test_all_batches_are_gone_through(employee: User) -> None:
    requests = [leave(employee) for _ in range(5)]
    bind(requests[0].department, process=other_process())
    assert rederived()[-1] == "5 changed, 0 failed"
    assert not LeaveRequest.objects.exclude(process__slug="leave-by-hand").exists()


def test_one_that_fails_is_told_and_left_and_the_others_are_done(employee: User) -> None:
    bad, good = Department.objects.create(name="Bad"), Department.objects.create(name="Good")
    left, done = leave(employee, department=bad), leave(employee, department=good)
    template = publish_process("failing", [page("@display", "shown")])
    bind(bad, process=template)
    bind(good, process=other_process())
    ProcessTemplate.objects.filter(pk=template.pk).update(published_plan=None)
    out = StringIO()
    with pytest.raises(CommandError, match="left as they were"):
        call_command("rederive", "--move", stdout=out, stderr=out)
    assert f"LeaveRequest {left.pk}: " in out.getvalue()
    assert "1 changed, 1 failed" in out.getvalue()
    slugs = dict(LeaveRequest.objects.values_list("pk", "process__slug"))
    assert slugs == {left.pk: "leave-request", done.pk: "leave-by-hand"}


def test_an_init_that_fails_leaves_the_object_without_an_instance(
    employee: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(LeaveRequest, "default_process", "")
        request = leave(employee)
    failing = [action("@init", "fail", config={"message": "No."}), page("@display", "shown")]
    bind(request.department, process=publish_process("failing", failing))
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("rederive", stdout=out, stderr=out)
    request.refresh_from_db()
    assert (request.process, request.instance, ProcessInstance.objects.count()) == (None, None, 0)
    assert f"LeaveRequest {request.pk}: No." in out.getvalue()


@pytest.mark.parametrize("method", ["process_context", "get_process_title"])
def test_what_a_team_s_own_method_raises_is_told_and_the_others_are_done(
    employee: User, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, other = leave(employee), leave(employee)
    bind(request.department, status_rules=other_rules())
    asked = getattr(LeaveRequest, method)

    def ask(self: LeaveRequest) -> Any:
        if self.pk == request.pk:
            raise ZeroDivisionError("nobody works here")
        return asked(self)

    monkeypatch.setattr(LeaveRequest, method, ask)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("rederive", stdout=out, stderr=out)
    assert out.getvalue().splitlines() == [
        f"leave_requests.LeaveRequest {request.pk}: ZeroDivisionError: nobody works here",
        f"leave_requests.LeaveRequest {other.pk}: status rules leave-request -> anybody",
        "1 changed, 1 failed",
    ]


def test_a_model_that_no_process_drives_is_named() -> None:
    with pytest.raises(CommandError, match=r'"leave_requests\.LeaveRequests".* Did you mean "leave_requests'):
        rederived("leave_requests.LeaveRequests")
