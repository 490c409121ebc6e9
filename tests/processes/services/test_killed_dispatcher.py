"""A dispatcher is killed at any point while it does what is due: each due time starts one run, and never a second.

So it does with what isn't done in time: each step of an escalation happens once.
"""

from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from django.utils import timezone

from processes.domain.escalation import EscalationStep
from processes.models import InstanceEvent, ProcessInstance, Run, Trigger, TriggerFiring
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.escalating import escalate_due
from processes.services.firing import fire_due
from tasks.models import Job
from tests.child import child
from tests.processes.services.instance_kit import leave, leave_type, member
from tests.processes.services.trigger_kit import a_trigger, make_due

Kill = Callable[[str], bool]


@pytest.fixture
def kill(transactional_db: None) -> Iterator[Kill]:
    with child("tests.killed_dispatcher") as ask:
        yield ask


def test_a_dispatcher_killed_at_any_point_starts_each_due_time_once(kill: Kill) -> None:
    trigger, done_by_the_dead, point, killed = a_trigger(), set(), 0, True
    while killed:
        point += 1
        make_due(trigger)
        killed = kill(str(point))
        done_by_the_dead.add(Run.objects.count())

        # The server may need a moment to see that the other side is gone, and to let go of the row.
        give_up_at = monotonic() + 20
        while Trigger.objects.filter(pk=trigger.pk, next_at__lte=timezone.now()).exists():
            fire_due(limit=10)
            assert monotonic() < give_up_at
        runs, firings = list(Run.objects.all()), list(TriggerFiring.objects.all())
        assert [run.pk for run in runs] == [firing.run_id for firing in firings], f"killed at point {point}"
        assert (len(runs), Job.objects.count()) == (1, 1), f"killed at point {point}"
        for run in runs:
            run.root.delete()
        TriggerFiring.objects.all().delete()
    assert done_by_the_dead == {0, 1}, "it was killed before it was done, and after"
    assert point > 7, "there are more points than that"


def test_a_dispatcher_killed_at_any_point_escalates_once(kill: Kill) -> None:
    helper, director = member("helper"), member("director")
    instance = leave(leave_type(), member("owner"))
    step = EscalationStep(users=(director.pk,), action="remind")
    done_by_the_dead, point, killed = set(), 0, True
    while killed:
        point += 1
        due_at = timezone.now()
        assign(instance.pk, Assignment(users=[helper.pk], due_at=due_at, escalation=[step]), doer=STEPLINE)
        killed = kill(f"escalate {point}")
        done_by_the_dead.add(Run.objects.count())

        give_up_at = monotonic() + 20
        while ProcessInstance.objects.filter(escalate_at__isnull=False).exists():
            escalate_due(limit=10)
            assert monotonic() < give_up_at
        instance.refresh_from_db()
        told = InstanceEvent.objects.filter(kind="escalated").count()
        runs = list(Run.objects.all())
        assert (len(runs), told, instance.assignee) == (1, 1, director), f"killed at point {point}"
        runs[0].root.delete()
        InstanceEvent.objects.filter(kind="escalated").delete()
    assert done_by_the_dead == {0, 1}, "it was killed before it was done, and after"
    assert point > 7, "there are more points than that"
