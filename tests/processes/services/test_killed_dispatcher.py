"""A dispatcher is killed at any point while it starts what is due: each due time starts one run, and never a second."""

from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from django.utils import timezone

from processes.models import Run, Trigger, TriggerFiring
from processes.services.firing import fire_due
from tasks.models import Job
from tests.child import child
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
