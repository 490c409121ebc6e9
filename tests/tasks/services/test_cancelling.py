"""Cancelling trees that have a writer and no job, and what they have started."""

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tasks import check_cancelled, current_node, start_task, subtask
from tasks.domain.bounds import ERROR_CHARS, MESSAGE_CHARS
from tasks.domain.outcomes import Cancelled, Yielded
from tasks.errors import IllegalTransition, TaskCancelled, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel, cancel_below, request_cancel
from tasks.services.enqueuing import enqueue
from tasks.services.reading import read_snapshot
from tasks.services.roots import Owner, create_root
from tasks.services.work import work_off
from tasks.tracking import Task
from tests.tasks.conftest import Trees
from tests.tasks.services.conftest import JobKit

OWNER = Viewer(session_key="owner")


@pytest.fixture
def task(trees: Trees) -> Iterator[Task]:
    task = start_task("Import", owner=Owner(session_key="owner"), shared=True)
    yield task
    task.close()


def beat(task: Task) -> None:
    """Do what the heart does within a second."""
    task.node.recorder.beat()  # type: ignore[attr-defined]


def test_a_writer_hears_that_its_owner_wants_an_end(task: Task, trees: Trees) -> None:
    request_cancel(root_id=task.id, viewer=OWNER)
    assert read_snapshot(task.id).status == "cancel_requested"
    task.check_cancelled()
    beat(task)

    def work() -> None:
        with task, subtask("Outer"), subtask("Inner"):
            check_cancelled()

    with pytest.raises(TaskCancelled):
        work()
    assert {status for status, _ in trees.shape(task.id).values()} == {"cancelled"}
    assert trees.types(task.id)[-1] == "taskAborted"


def test_the_heart_tells_it_within_a_second(task: Task, trees: Trees) -> None:
    request_cancel(root_id=task.id, viewer=OWNER)
    told = _wait_until_cancelled(task)
    assert told


def _wait_until_cancelled(task: Task) -> bool:
    pause = threading.Event()
    for _ in range(500):
        try:
            task.check_cancelled()
        except TaskCancelled:
            return True
        pause.wait(0.02)
    return False


def test_asking_twice_is_asking_once(task: Task, trees: Trees) -> None:
    for _ in range(2):
        assert request_cancel(root_id=task.id, viewer=OWNER) == "cancel_requested"
    assert trees.types(task.id).count("taskStatus") == 2  # that it runs, and that it is to end


def test_work_that_is_done_anyway_has_completed(task: Task, trees: Trees) -> None:
    request_cancel(root_id=task.id, viewer=OWNER)
    task.close()
    assert trees.read(task.id).status == "completed"
    with pytest.raises(IllegalTransition):
        request_cancel(root_id=task.id, viewer=OWNER)


def test_only_its_owner_may(task: Task) -> None:
    with pytest.raises(IllegalTransition):
        request_cancel(root_id=task.id, viewer=Viewer(session_key="another"))
    with pytest.raises(TaskNotFound):
        request_cancel(root_id=uuid.uuid4(), viewer=OWNER)


def test_what_nobody_works_on_yet_is_not_there_to_be_cancelled(trees: Trees) -> None:
    root = create_root(title="Indicator", owner=Owner(session_key="owner"))
    with pytest.raises(TaskNotFound):
        request_cancel(root_id=root.pk, viewer=OWNER)


def test_the_end_reaches_what_was_started_and_is_not_detached(task: Task, trees: Trees, kit: JobKit) -> None:
    name = kit.register(lambda context: None)
    with task.activate():
        inner, detached = start_task("Inner"), start_task("Detached", detached=True)
        with inner.activate():
            innermost = start_task("Innermost")
            done = start_task("Done")
            done.close()
    job = enqueue(name, owner=Owner())
    TaskRoot.objects.filter(pk=job.root_id).update(parent=inner.id)

    request_cancel(root_id=task.id, viewer=OWNER)

    for each in (inner, innermost, detached):
        beat(each)
    for each in (inner, innermost):
        with pytest.raises(TaskCancelled):
            each.check_cancelled()
    detached.check_cancelled()
    job.refresh_from_db()
    assert job.status == "cancelled"
    for each in (innermost, inner, detached):
        each.close()
    assert cancel_below(root_id=task.id) == 0


def test_code_deep_in_a_job_hears_of_it(trees: Trees, kit: JobKit) -> None:
    def deep() -> None:
        check_cancelled()

    def body(context: JobContext) -> None:
        with subtask("Deep"):
            deep()
            request_cancel(root_id=context.id, viewer=OWNER)
            # As the heart does within a second.
            current_node().recorder.check.__self__.hold.cancel_requested = True  # type: ignore[attr-defined]
            deep()

    job = enqueue(kit.register(body), owner=Owner(session_key="owner"))
    assert work_off("default")
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert read_snapshot(job.root_id).tree.children[0].status == "cancelled"


def test_over_http(trees: Trees) -> None:
    owner = User.objects.create(username="owner")
    client = Client()
    client.force_login(owner)
    task = start_task("Import", owner=owner)
    why = {"reason": "the wrong \0 file"}
    answer = client.post(f"/api/tasks/{task.id}/cancel/", why, content_type="application/json")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancel_requested")
    assert TaskRoot.objects.get(pk=task.id).cancel_reason == "the wrong \ufffd file"
    task.close()
    assert client.post(f"/api/tasks/{task.id}/cancel/").status_code == 409


def test_the_end_has_the_reason_of_who_asked_for_it(task: Task, trees: Trees) -> None:
    request_cancel(root_id=task.id, viewer=OWNER, reason="the wrong file" * 1_000)
    beat(task)
    with pytest.raises(TaskCancelled, match="the wrong file"), task:
        check_cancelled()
    told = trees.updates(task.id)[-1]
    assert (told["type"], len(str(told["reason"]))) == ("taskAborted", ERROR_CHARS)


def test_a_claim_that_begins_with_the_wish_to_cancel_knows_why(trees: Trees, kit: JobKit) -> None:
    job = enqueue(kit.register(lambda context: None), owner=Owner(session_key="owner"))
    Job.objects.filter(pk=job.root_id).update(cancel_requested_at=timezone.now())
    TaskRoot.objects.filter(pk=job.root_id).update(cancel_reason="the wrong file")
    assert work_off("default")
    assert trees.updates(job.root_id)[-1]["reason"] == "the wrong file"


@pytest.mark.parametrize("sent", ['{"reason": 1}', f'{{"reason": "{"x" * (MESSAGE_CHARS + 1)}"}}', "no JSON", "[]"])
def test_a_reason_that_is_none_is_refused(sent: str, trees: Trees) -> None:
    owner = User.objects.create(username="owner")
    client = Client()
    client.force_login(owner)
    with start_task("Import", owner=owner) as task:
        answer = client.post(f"/api/tasks/{task.id}/cancel/", sent, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert TaskRoot.objects.get(pk=task.id).cancel_requested_at is None


def test_jobs_are_cancelled_as_before(trees: Trees, kit: JobKit) -> None:
    def body(context: JobContext) -> None:
        """Do nothing."""

    job = enqueue(kit.register(body), owner=Owner(session_key="owner"))
    assert request_cancel(root_id=job.root_id, viewer=OWNER) == "cancelled"
    with pytest.raises(IllegalTransition):
        request_cancel(root_id=job.root_id, viewer=OWNER)


@pytest.mark.parametrize("put_off", ["yielded", "retry"])
def test_work_that_undoes_something_hears_of_its_end_although_it_is_put_off(
    put_off: str, trees: Trees, kit: JobKit
) -> None:
    def body(context: JobContext) -> Any:
        if context.claim.cancel_requested:
            return Cancelled(reason="undone")
        if put_off == "retry":
            raise OSError
        return Yielded(due_at=timezone.now() + timedelta(hours=1))

    declared = kit.declare(
        body, checkpointed=True, ends_itself=lambda _id: True, attempts=2, delay_seconds=3_600, jitter=0.0
    )
    job = declared.enqueue()
    assert work_off("default")
    assert not work_off("default")
    cancel(root_id=job.root_id, reason="not needed")
    assert work_off("default")
    assert Job.objects.get(pk=job.root_id).status == "cancelled"
