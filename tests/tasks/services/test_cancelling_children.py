"""Cancelling work, and with it what it has started."""

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tasks.domain.outcomes import Parked
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext
from tasks.services.cancelling import cancel, cancel_orphans
from tasks.services.dispatch import tick
from tasks.services.work import work_off

pytestmark = pytest.mark.django_db(transaction=True)


def nothing(context: JobContext) -> None: ...


@pytest.fixture
def family(kit: Any) -> dict[str, Any]:
    """A parent that is parked, its child, and the child's child; and one that was detached."""
    grandchild, detached = kit.declare(nothing, queue="later"), kit.declare(nothing, queue="later").using(detached=True)

    def middle(context: JobContext) -> Any:
        grandchild.enqueue()
        return Parked()

    child = kit.declare(middle)

    def top(context: JobContext) -> Any:
        child.enqueue()
        detached.enqueue()
        return Parked()

    parent = kit.declare(top).enqueue()
    assert work_off("default")
    assert work_off("default")
    rows = {job.function.split(".")[1]: job for job in Job.objects.exclude(pk=parent.root_id)}
    below = TaskRoot.objects.get(parent_id=rows["middle"].pk).pk
    alone = Job.objects.filter(queue="later").exclude(pk=below).get()
    return {"parent": parent.root_id, "child": rows["middle"].pk, "grandchild": below, "detached": alone.pk}


def statuses(family: dict[str, Any]) -> dict[str, str]:
    by_id = dict(Job.objects.values_list("pk", "status"))
    return {name: by_id[pk] for name, pk in family.items()}


def test_it_reaches_everything_below_and_nothing_that_was_detached(family: dict[str, Any]) -> None:
    cancel(root_id=family["parent"], reason="not needed")
    assert statuses(family) == {
        "parent": "cancelled",
        "child": "cancelled",
        "grandchild": "cancelled",
        "detached": "pending",
    }


def test_the_dispatcher_does_no_more_of_it_at_once_than_it_has_time_for(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = kit.declare(nothing, queue="later")

    def top(context: JobContext) -> Any:
        for _ in range(5):
            part.enqueue()
        return Parked()

    parent = kit.declare(top).enqueue()
    assert work_off("default")
    # Its worker heard of it, and has not stopped yet: there is nothing more to ask it.
    held = Job.objects.filter(queue="later").earliest("pk")
    Job.objects.filter(pk=held.pk).update(status="running", cancel_requested_at=timezone.now())
    monkeypatch.setattr("tasks.services.cancelling.cancel_below", lambda **_: 0)
    cancel(root_id=parent.root_id, reason="not needed")
    monkeypatch.undo()
    assert [cancel_orphans(limit=3), cancel_orphans(limit=3), cancel_orphans(limit=3)] == [3, 1, 0]
    rest = Job.objects.filter(queue="later").exclude(pk=held.pk)
    assert set(rest.values_list("status", flat=True)) == {"cancelled"}


def test_the_dispatcher_finds_what_was_missed(family: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # As if the process had died right after its commit.
        patch.setattr(transaction, "on_commit", lambda *_, **__: None)
        cancel(root_id=family["parent"], reason="not needed")
    assert statuses(family)["child"] == "waiting"
    assert tick().cancelled == 2
    assert statuses(family)["grandchild"] == "cancelled"
    assert tick().cancelled == 0


def test_a_parent_that_completes_leaves_its_children_alone(kit: Any) -> None:
    child = kit.declare(nothing, queue="later")

    def top(context: JobContext) -> None:
        child.enqueue()

    kit.declare(top).enqueue()
    assert work_off("default")
    assert tick().cancelled == 0
    assert Job.objects.get(queue="later").status == "pending"
