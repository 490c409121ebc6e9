"""What isn't done in time: the dispatcher asks others and starts what the process says, once."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from processes.domain.escalation import EscalationStep
from processes.models import InstanceEvent, ProcessInstance, Run
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.escalating import escalate_due
from processes.services.instance_status import set_status
from processes.services.instances import context_node_of
from tasks.registry import duties
from tasks.services.work import work_off
from tests.processes.services.instance_kit import leave, leave_type, member

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def instance() -> ProcessInstance:
    return leave(leave_type(), member("owner"))


def overdue(instance: ProcessInstance, *steps: EscalationStep, by: timedelta = HOUR) -> User:
    helper = member("helper")
    due_at = timezone.now() - by
    assign(instance.pk, Assignment(users=[helper.pk], due_at=due_at, escalation=steps), doer=STEPLINE)
    return helper


def directors() -> Group:
    member("director", "directors")
    return Group.objects.get(name="directors")


def test_it_is_a_duty_of_the_dispatcher() -> None:
    assert dict(duties)["processes.escalation"] is escalate_due


def test_others_are_asked_in_the_place_of_whoever_was(instance: ProcessInstance) -> None:
    group = directors()
    overdue(instance, EscalationStep(groups=(group.pk,)))
    assert escalate_due(limit=10) == 1
    instance.refresh_from_db()
    assert instance.assignee is None
    assert instance.candidates.get().group == group
    event = InstanceEvent.objects.latest("pk")
    assert (event.kind, event.facts["groups"], event.actor_name) == ("escalated", ["directors"], "Stepline")


@pytest.mark.usefixtures("kit")
def test_an_action_of_the_process_runs_in_the_background_for_the_owner(instance: ProcessInstance) -> None:
    helper = overdue(instance, EscalationStep(action="remind"))
    escalate_due(limit=10)
    run = Run.objects.get()
    assert (run.instance, run.user) == (instance, instance.owner)
    work_off("default")
    assert context_node_of(instance).data["reminded"] is True
    instance.refresh_from_db()
    assert instance.assignee == helper


def test_each_step_has_its_time_and_happens_once(instance: ProcessInstance) -> None:
    group = directors()
    steps = (EscalationStep(action="remind"), EscalationStep(after=2 * HOUR, groups=(group.pk,)))
    overdue(instance, *steps)
    assert [escalate_due(limit=10), escalate_due(limit=10)] == [1, 0]
    instance.refresh_from_db()
    assert instance.escalate_at == instance.due_at + 2 * HOUR
    ProcessInstance.objects.update(escalate_at=timezone.now())
    assert escalate_due(limit=10) == 1
    instance.refresh_from_db()
    assert (instance.escalate_at, instance.escalation, Run.objects.count()) == (None, [], 1)


def test_what_is_done_in_time_has_no_consequence(instance: ProcessInstance) -> None:
    overdue(instance, EscalationStep(action="remind"))
    set_status(instance.pk, "approved", doer=STEPLINE)
    assert escalate_due(limit=10) == 0
    assert not Run.objects.exists()


def test_what_isn_t_due_yet_waits(instance: ProcessInstance) -> None:
    overdue(instance, EscalationStep(action="remind"), by=-HOUR)
    assert escalate_due(limit=10) == 0


def test_an_action_that_can_t_start_keeps_nothing_else_from_happening(instance: ProcessInstance) -> None:
    group = directors()
    overdue(instance, EscalationStep(action="no such action", groups=(group.pk,)))
    assert escalate_due(limit=10) == 1
    instance.refresh_from_db()
    assert instance.candidates.get().group == group


def test_no_more_are_taken_than_asked_for(instance: ProcessInstance) -> None:
    overdue(instance, EscalationStep(action="remind"))
    other = leave(instance.type, instance.owner)
    assign(
        other.pk,
        Assignment(
            users=[instance.owner.pk], due_at=timezone.now() - HOUR, escalation=[EscalationStep(action="remind")]
        ),
        doer=STEPLINE,
    )
    assert [escalate_due(limit=1), escalate_due(limit=1), escalate_due(limit=1)] == [1, 1, 0]


def test_whoever_has_gone_meanwhile_keeps_nobody_from_being_asked(instance: ProcessInstance) -> None:
    gone, group = member("gone"), directors()
    overdue(instance, EscalationStep(users=(gone.pk,), groups=(group.pk,)))
    gone.delete()
    assert escalate_due(limit=10) == 1
    instance.refresh_from_db()
    assert instance.candidates.get().group == group


def test_what_can_t_be_read_of_one_keeps_no_other_from_its_turn(instance: ProcessInstance) -> None:
    overdue(instance, EscalationStep(groups=(directors().pk,)))
    broken = leave(leave_type(slug="broken"), member("other"))
    ProcessInstance.objects.filter(pk=broken.pk).update(escalate_at=timezone.now() - 2 * HOUR)
    assert escalate_due(limit=10) == 1
    instance.refresh_from_db()
    assert instance.escalate_at is None


def test_nothing_runs_in_the_name_of_an_owner_who_is_inactive(instance: ProcessInstance) -> None:
    User.objects.filter(pk=instance.owner_id).update(is_active=False)
    group = directors()
    overdue(instance, EscalationStep(action="remind", groups=(group.pk,)))
    assert escalate_due(limit=10) == 1
    assert not Run.objects.exists()
    assert instance.candidates.get().group == group
