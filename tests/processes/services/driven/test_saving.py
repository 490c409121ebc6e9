"""Saving an object: it gets an instance of its own, once, which follows it."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from examples.leave_requests.models import Department, LeaveKind, LeaveRequest
from processes.errors import NotJsonError, ProcessError
from processes.models import AuditEntry, DataNode, ProcessInstance, Run
from processes.registry import scripts
from processes.services.authoring.templates import publish
from processes.services.driven import object_of_instance
from processes.services.errors import InstanceNotFoundError
from processes.services.instances import context_node_of
from processes.services.topics import subscribe
from tasks.services.work import work_off
from tests.processes.services.driven.leave_kit import bind, leave, load, other_process, other_rules
from tests.processes.services.instance_kit import member
from tests.processes.services.published import action, change_draft, page, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loaded() -> None:
    load()


@pytest.fixture
def employee() -> User:
    return member("mara")


@pytest.fixture
def request_(employee: User) -> LeaveRequest:
    return leave(employee)


def instance_of(request: LeaveRequest) -> ProcessInstance:
    return ProcessInstance.objects.get(pk=LeaveRequest.objects.get(pk=request.pk).instance_id)


def test_the_first_save_makes_an_instance_with_what_the_model_says(request_: LeaveRequest, employee: User) -> None:
    instance = instance_of(request_)
    assert (instance.template.slug, instance.status, instance.title) == ("leave-request", "draft", str(request_))
    assert instance.owner == employee
    assert context_node_of(instance).data == {"days": 5}
    assert request_.status == "draft"


def test_further_saves_keep_it(request_: LeaveRequest) -> None:
    before = request_.instance_id
    request_.note = "Please"
    request_.save()
    assert (instance_of(request_).pk, ProcessInstance.objects.count()) == (before, 1)


def test_its_title_owner_and_status_rules_follow(request_: LeaveRequest) -> None:
    other = member("ann")
    bind(request_.department, status_rules=other_rules())
    request_.employee, request_.kind = other, LeaveKind.objects.create(name="Parental leave")
    request_.save()
    instance = instance_of(request_)
    assert instance.title.startswith("Parental leave")
    assert (instance.owner, instance.status_rules.slug if instance.status_rules else "") == (other, "anybody")
    assert request_.instance is not None
    assert request_.instance.title == instance.title


def test_a_save_that_changes_nothing_writes_nothing_to_the_instance(request_: LeaveRequest) -> None:
    before = instance_of(request_).updated_at
    request_.save()
    assert instance_of(request_).updated_at == before


def test_an_instance_keeps_its_plan_until_it_is_moved(request_: LeaveRequest) -> None:
    bind(request_.department, process=other_process())
    request_.save()
    assert request_.process is not None
    assert (request_.process.slug, instance_of(request_).template.slug) == ("leave-by-hand", "leave-request")
    assert request_.move_plan()
    instance = instance_of(request_)
    assert (instance.template.slug, instance.status) == ("leave-by-hand", "draft")
    assert not request_.move_plan()
    assert [event.kind for event in request_.history()] == ["moved", "created"]
    assert AuditEntry.objects.filter(action="instance.moved", subject_id=instance.pk.hex).count() == 1


def test_a_new_version_of_its_process_is_taken_up_by_moving_too(request_: LeaveRequest) -> None:
    department = Department.objects.create(name="By hand")
    template = other_process()
    bind(department, process=template)
    request_ = leave(request_.employee, department=department)
    change_draft(template, [page("@display", "newer", safe=True)])
    template.refresh_from_db()
    publish(template=template)
    request_.save()
    assert instance_of(request_).plan_id != template.published_plan_id
    assert request_.move_plan()
    assert instance_of(request_).plan_id == template.published_plan_id


def test_only_named_columns_are_written_and_what_is_derived(request_: LeaveRequest) -> None:
    process = other_process()
    bind(request_.department, process=process)
    request_.note, request_.last_day = "Please", request_.first_day
    request_.save(update_fields=["note"])
    stored = LeaveRequest.objects.get(pk=request_.pk)
    assert (stored.note, stored.process, stored.last_day > stored.first_day) == ("Please", process, True)


def test_a_stale_copy_takes_no_instance_away(employee: User) -> None:
    stale = leave(employee)
    LeaveRequest.objects.filter(pk=stale.pk).update(instance=None)
    ProcessInstance.objects.all().delete()
    stale = LeaveRequest.objects.get(pk=stale.pk)
    LeaveRequest.objects.get(pk=stale.pk).save()
    stale.save()
    assert ProcessInstance.objects.count() == 1
    assert instance_of(stale).pk == stale.instance_id


def test_init_knows_the_object(employee: User) -> None:
    department = Department.objects.create(name="With init")
    actions = [action("@init", "leave_request_show"), page("@display", "shown")]
    bind(department, process=publish_process("with-init", actions))
    assert leave(employee, department=department).instance_id is not None


def test_an_init_that_fails_leaves_neither_object_nor_instance(employee: User) -> None:
    department = Department.objects.create(name="Failing")
    actions = [action("@init", "fail", config={"message": "No."}), page("@display", "shown")]
    bind(department, process=publish_process("failing", actions))
    with pytest.raises(ProcessError, match="No"):
        leave(employee, department=department)
    assert (LeaveRequest.objects.count(), ProcessInstance.objects.count()) == (0, 0)


def test_what_was_made_in_a_transaction_that_was_rolled_back_is_made_anew(request_: LeaveRequest) -> None:
    copy = LeaveRequest(
        employee=request_.employee, kind=request_.kind, department=request_.department,
        first_day=request_.first_day, last_day=request_.last_day,
    )  # fmt: skip
    with transaction.atomic():
        copy.save()
        transaction.set_rollback(True)
    copy.save()
    assert (instance_of(copy).title, copy.status) == (str(copy), "draft")
    connection.check_constraints()


def test_the_error_of_an_init_that_breaks_the_transaction_is_its_own(employee: User) -> None:
    department = Department.objects.create(name="Breaking")
    with scripts.override("test_twice", lambda app: User.objects.create(username=employee.username) and None):
        bind(department, process=publish_process("twice", [action("@init", "test_twice"), page("@display", "shown")]))
        with pytest.raises(ProcessError) as caught, transaction.atomic():
            leave(employee, department=department)
    assert (caught.value.kind, caught.value.action) == ("script_error", "@init")
    assert (LeaveRequest.objects.count(), ProcessInstance.objects.count()) == (0, 0)


def test_data_that_can_t_be_stored_is_told_with_its_place(employee: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(LeaveRequest, "get_process_data", lambda self: {"day": self.first_day})
    with pytest.raises(NotJsonError, match="/data/day"):
        leave(employee)
    assert not LeaveRequest.objects.exists()


def test_saving_again_takes_few_queries(request_: LeaveRequest) -> None:
    with CaptureQueriesContext(connection) as queries:
        LeaveRequest.objects.select_related("kind", "department", "employee").get(pk=request_.pk).save()
    # Reading it; a savepoint, bindings, two defaults, the row itself, its instance, the savepoint's end.
    assert len(queries) <= 8


def test_deleting_it_deletes_its_instance_with_its_data(request_: LeaveRequest) -> None:
    request_.delete()
    assert (ProcessInstance.objects.count(), DataNode.objects.count()) == (0, 0)
    assert AuditEntry.objects.filter(action="instance.deleted").count() == 1


def test_many_deleted_at_once_take_theirs_along(employee: User) -> None:
    for _ in range(3):
        leave(employee)
    LeaveRequest.objects.all().delete()
    assert ProcessInstance.objects.count() == 0


@pytest.mark.usefixtures("kit")
def test_an_instance_that_runs_know_stays_for_staff_only(request_: LeaveRequest, employee: User) -> None:
    clerk = member("boss")
    Department.objects.update(manager=clerk)
    request_.execute(user=employee, action="hand_in")
    request_.execute(user=clerk, action="approve")
    work_off(settings.STEPLINE_QUEUES[0])
    run = Run.objects.get()
    assert request_.instance is not None
    subscribe(request_.instance, "calendar.*")
    LeaveRequest.objects.get(pk=request_.pk).delete()
    kept = ProcessInstance.objects.get()
    assert run.instance_id == kept.pk
    assert (kept.owner, kept.assignee, kept.status_rules) == (None, None, None)
    assert not kept.subscriptions.exists()


def test_without_a_process_it_offers_nothing_and_can_t_be_executed(employee: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(LeaveRequest, "default_process", "")
    request = leave(employee)
    assert (request.instance, request.status, request.options_for(employee), request.running()) == (None, "", (), [])
    assert (request.process_url, request.history_url, list(request.history())) == ("", "", [])
    assert not request.move_plan()
    with pytest.raises(InstanceNotFoundError):
        request.execute(user=employee, action="hand_in")
    with pytest.raises(InstanceNotFoundError):
        request.set_status("approved")


def test_an_object_is_found_by_its_instance_in_two_queries(request_: LeaveRequest) -> None:
    assert request_.instance_id is not None
    with CaptureQueriesContext(connection) as queries:
        assert object_of_instance(request_.instance_id) == request_
    assert len(queries) == 2
