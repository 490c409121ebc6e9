"""How long what has ended is kept, and that it goes then, with everything that belongs to it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tasks.models import Attempt, Job, Node, TaskRoot, Update
from tasks.registry import JobContext
from tasks.services import dispatch
from tasks.services.cursors import is_postgresql
from tasks.services.dispatch import purge_finished
from tasks.services.work import work_off
from tasks.tracking import subtask
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def fails(context: JobContext) -> None:
    with subtask("Trying"):
        raise RuntimeError


def ended(kit: Any, attempts: int = 1) -> Any:
    job = kit.declare(fails, attempts=attempts, delay_seconds=0).enqueue()
    while Job.objects.get(pk=job.root_id).status in {"pending", "retry"}:
        work_off("default")
    return job


def kept_days(job: Any) -> float:
    root = TaskRoot.objects.get(pk=job.root_id)
    return round((root.purge_at - timezone.now()) / timedelta(days=1))


def test_what_has_ended_is_kept_for_a_month_and_dead_letters_for_three(kit: Any) -> None:
    assert (kept_days(ended(kit)), kept_days(ended(kit, attempts=2))) == (30, 90)


def test_the_settings_say_otherwise(kit: Any, settings: Any) -> None:
    settings.STEPLINE_KEPT_DAYS, settings.STEPLINE_DEAD_LETTERS_KEPT_DAYS = 3, 7
    assert (kept_days(ended(kit)), kept_days(ended(kit, attempts=2))) == (3, 7)


def test_then_it_goes_with_its_nodes_its_log_and_its_attempts_and_nothing_else_does(kit: Any) -> None:
    old, young = ended(kit, attempts=2), ended(kit)
    TaskRoot.objects.filter(pk=old.root_id).update(purge_at=timezone.now() - timedelta(seconds=1))
    assert Attempt.objects.filter(job_id=old.root_id).count() == 2
    assert purge_finished() == 1
    assert [model.objects.count() for model in (TaskRoot, Job, Node)] == [1, 1, 1]
    assert set(Update.objects.values_list("root_id", flat=True)) == {young.root_id}
    assert Attempt.objects.count() == 1


def test_it_goes_in_batches(kit: Any) -> None:
    for _ in range(5):
        ended(kit)
    TaskRoot.objects.update(purge_at=timezone.now() - timedelta(seconds=1))
    assert [purge_finished(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_what_repeats_or_was_started_by_something_that_goes_stays(kit: Any) -> None:
    old, child, repetition = ended(kit), ended(kit), ended(kit)
    TaskRoot.objects.filter(pk=child.root_id).update(parent=old.root_id)
    TaskRoot.objects.filter(pk=repetition.root_id).update(previous=old.root_id)
    TaskRoot.objects.filter(pk=old.root_id).update(purge_at=timezone.now() - timedelta(seconds=1))
    assert purge_finished() == 1
    assert set(TaskRoot.objects.values_list("parent", "previous")) == {(None, None)}


def overdue(*jobs: Any) -> None:
    TaskRoot.objects.filter(pk__in=[job.root_id for job in jobs]).update(purge_at=timezone.now() - timedelta(seconds=1))


def test_what_was_started_by_something_stays_as_long_as_that(kit: Any) -> None:
    parent, child = ended(kit), ended(kit)
    TaskRoot.objects.filter(pk=child.root_id).update(parent=parent.root_id)
    overdue(child)
    assert purge_finished() == 0
    overdue(parent)
    assert [purge_finished() for _ in range(3)] == [1, 1, 0]


def test_what_has_started_something_stays_until_that_has_ended_however_far_below(kit: Any) -> None:
    top, middle = ended(kit), ended(kit)
    alive = kit.declare(fails).enqueue()
    TaskRoot.objects.filter(pk=middle.root_id).update(parent=top.root_id)
    TaskRoot.objects.filter(pk=alive.root_id).update(parent=middle.root_id)
    overdue(top, middle)
    assert purge_finished() == 0
    work_off("default")
    overdue(alive)
    assert [purge_finished() for _ in range(4)] == [1, 1, 1, 0]


def test_what_is_being_repeated_stays_until_that_has_ended(kit: Any) -> None:
    old = ended(kit)
    repetition = kit.declare(fails).enqueue()
    TaskRoot.objects.filter(pk=repetition.root_id).update(previous=old.root_id)
    overdue(old)
    assert purge_finished() == 0
    work_off("default")
    assert purge_finished() == 1


def test_what_somebody_is_about_to_repeat_is_passed_over(kit: Any) -> None:
    if not is_postgresql():
        pytest.skip("SQLite has one lock, for the whole database.")
    job, free = ended(kit), ended(kit)
    overdue(job, free)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.root_id)
        assert together(purge_finished) == [1]
        # Whoever repeats it refers to it: what the purge had locked would wait for this, and this for the purge.
        TaskRoot.objects.select_for_update().get(pk=job.root_id)
    assert purge_finished() == 1


def test_the_dispatcher_sees_to_it(kit: Any) -> None:
    ended(kit)
    TaskRoot.objects.update(purge_at=timezone.now() - timedelta(seconds=1))
    assert dispatch.tick().purged == 1
