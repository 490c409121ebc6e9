"""Which process and which status rules an object gets: its own binding, its context's, its model's default."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from examples.leave_requests.models import Department, LeaveKind, LeaveRequest
from processes.models import DynamicBinding, ProcessTemplate, StatusRules
from processes.services.driven import derive
from processes.services.errors import DrivenProcessError
from tests.processes.services.driven.leave_kit import bind, leave, load, other_process, other_rules
from tests.processes.services.instance_kit import member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loaded() -> None:
    load()


@pytest.fixture
def employee() -> User:
    return member("mara")


def derived(request: LeaveRequest) -> tuple[str, str]:
    request.save()
    request.refresh_from_db()
    assert request.process is not None
    assert request.status_rules is not None
    return request.process.slug, request.status_rules.slug


def test_without_bindings_both_are_the_defaults_of_the_model(employee: User) -> None:
    assert derived(leave(employee)) == ("leave-request", "leave-request")


def test_the_nearest_binding_wins_for_each_of_the_two(employee: User) -> None:
    request = leave(employee)
    bind(request.department, process=other_process("of-department"), status_rules=other_rules("of-department"))
    assert derived(request) == ("of-department", "of-department")
    bind(request.kind, process=other_process("of-kind"))
    assert derived(request) == ("of-kind", "of-department")
    bind(request, status_rules=other_rules("of-request"))
    assert derived(request) == ("of-kind", "of-request")


def test_what_another_object_or_another_reference_binds_is_not_its_own(employee: User) -> None:
    request = leave(employee)
    bind(LeaveKind.objects.create(name="Parental leave"), process=other_process("of-another"))
    bind(request.department, process=other_process("of-claims"), reference="claim")
    assert derived(request) == ("leave-request", "leave-request")


def test_a_key_alone_is_no_object(employee: User) -> None:
    # A department with the very key of the kind binds nothing for it.
    request = leave(employee)
    twin = Department.objects.create(pk=request.kind.pk + 1000, name="Twin")
    request.kind = LeaveKind.objects.create(pk=twin.pk, name="Twin")
    bind(twin, process=other_process("of-twin"))
    assert derived(request) == ("leave-request", "leave-request")


@pytest.mark.parametrize("model", [ProcessTemplate, StatusRules])
def test_a_default_that_isn_t_there_is_named_with_its_cure(
    model: type[ProcessTemplate] | type[StatusRules], employee: User
) -> None:
    model._default_manager.filter(slug="leave-request").update(slug="gone")
    with pytest.raises(DrivenProcessError, match=r"leave_requests\.LeaveRequest has the default .* “leave-request”"):
        leave(employee)
    assert not LeaveRequest.objects.exists()


def test_a_default_that_nobody_needs_may_be_missing(employee: User) -> None:
    department = Department.objects.create(name="By hand")
    bind(department, process=other_process(), status_rules=other_rules())
    ProcessTemplate.objects.filter(slug="leave-request").update(slug="gone")
    StatusRules.objects.filter(slug="leave-request").update(slug="gone")
    assert derived(leave(employee, department=department)) == ("leave-by-hand", "anybody")


def test_many_take_no_more_queries_than_one(employee: User) -> None:
    for number in range(6):
        department = Department.objects.create(name=f"Number {number}")
        bind(department, process=other_process(f"process-{number}"))
        leave(employee, department=department)
    rows = LeaveRequest.objects.select_related("kind", "department").order_by("pk")

    def asked(count: int) -> int:
        found = list(rows[:count])
        with CaptureQueriesContext(connection) as queries:
            assert len({one.process_id for one in derive(found)}) == count
        return len(queries)

    asked(1)
    assert asked(6) == asked(1) <= 3


def test_bindings_go_with_what_binds() -> None:
    kind = LeaveKind.objects.create(name="Parental leave")
    bind(kind, process=other_process())
    kind.delete()
    assert not DynamicBinding.objects.exists()
