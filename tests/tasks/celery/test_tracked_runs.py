"""What a tracked Celery task's tree tells of its runs, delivered in this process."""

import asyncio
import logging
import threading
import uuid
from datetime import date, timedelta

import pytest
from celery import chain, group, states
from celery.exceptions import Ignore
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone, translation
from django_celery_results.models import TaskResult
from kombu import Producer
from kombu.exceptions import OperationalError

from config.celery import app
from tasks import job
from tasks.celery_tasks import TrackedTask, cancel, track
from tasks.celery_tasks.run import HEADER
from tasks.celery_tasks.task import run_of
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import CeleryTask, Job, Node, TaskRoot, Update
from tasks.registry import JobContext, jobs
from tasks.services.celery_canvases import create_canvas
from tasks.services.celery_roots import end_unseen
from tasks.services.celery_rows import Origin, root_id_of
from tasks.services.dispatch import end_stale_roots
from tasks.services.roots import Owner, create_root
from tasks.services.stalls import read_stall
from tasks.services.work import worker_name
from tasks.worker import work
from tests import tracked_tasks
from tests.tasks.celery.conftest import root_of, types_of, updates_of, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def id() -> str:
    return str(uuid.uuid4())


def test_a_run_reports_to_its_tree_and_ends_it_with_the_result(deliver, id):
    deliver(tracked_tasks.build, (2,), id=id)
    root = root_of(id)
    assert (root.title, root.status, root.result) == ("Building the house", "completed", {"floors": 2})
    assert (root.current, root.total, root.message, root.meta) == (2, 2, "bricks", {"street": "Main"})
    assert [(node.title, node.status) for node in Node.objects.filter(root=root)] == [
        ("Floor 0", "completed"),
        ("Floor 1", "completed"),
    ]
    types = types_of(root)
    assert (types[0], types[-1]) == ("taskStart", "taskEnd")
    assert app.AsyncResult(id).get(timeout=1) == {"floors": 2}


def test_the_title_is_the_last_part_of_the_name(deliver, id):
    deliver(tracked_tasks.return_odd_things, id=id)
    assert root_of(id).title == "Return odd things"


def test_an_id_that_is_no_uuid_has_a_tree_all_the_same(deliver):
    deliver(tracked_tasks.add, (1, 2), id="monday's sum")
    root = TaskRoot.objects.get(pk=root_id_of("monday's sum"))
    assert (root.result, root.celery_task.task_id) == (3, "monday's sum")


def test_a_result_that_is_no_json_stays_out_of_the_tree(deliver, id):
    deliver(tracked_tasks.return_odd_things, id=id)
    assert (root_of(id).status, root_of(id).result) == ("completed", None)
    assert app.AsyncResult(id).get(timeout=1) == date(2026, 11, 28)


def test_a_result_that_celery_can_not_store_fails_the_tree_too(deliver, id):
    deliver(tracked_tasks.return_the_unstorable, id=id)
    assert root_of(id).status == "failed"
    assert app.AsyncResult(id).state == states.FAILURE


def test_what_an_exception_says_is_for_staff(deliver, id):
    deliver(tracked_tasks.fail, id=id)
    root = root_of(id)
    assert (root.status, root.error) == ("failed", "It failed (ValueError).")
    assert "secret" not in "".join(root.updates.values_list("body", flat=True))
    kept = TaskResult.objects.get(task_id=id)
    assert "a secret" in kept.traceback
    assert kept.status == states.FAILURE


def test_an_expected_exception_speaks_for_itself(deliver, id):
    deliver(tracked_tasks.fail_as_expected, id=id)
    assert root_of(id).error == "'no such house'"


def test_a_function_that_is_called_is_a_function():
    assert tracked_tasks.add(1, 2) == 3
    assert not TaskRoot.objects.exists()


def test_a_body_that_calls_its_own_task_calls_a_function(deliver, id):
    deliver(tracked_tasks.count_down, (2,), id=id)
    root = root_of(id)
    assert (root.status, root.result, root.fence) == ("completed", 3, 1)
    assert root.output.split("\n")[0] == "down to 2"
    assert "up from 2" in root.output


def test_eager_tasks_are_tracked(id):
    result = tracked_tasks.build.apply((1,), task_id=id)
    assert result.get() == {"floors": 1}
    assert root_of(id).result == {"floors": 1}


def test_an_eager_retry_goes_on_in_its_tree(id):
    assert tracked_tasks.retry_once.apply(task_id=id).get() == "there"
    assert TaskRoot.objects.count() == 1
    assert root_of(id).result == "there"


def test_eager_tasks_inside_a_transaction_are_tracked_and_rolled_back_with_it(id):
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        tracked_tasks.build.apply((1,), task_id=id)
        assert root_of(id).status == "completed"
        raise ZeroDivisionError
    assert not TaskRoot.objects.exists()


def test_a_task_that_ignores_itself_has_ended(deliver, id):
    deliver(tracked_tasks.ignore, id=id)
    assert (root_of(id).status, root_of(id).result) == ("completed", None)


def test_a_task_whose_message_is_given_back_waits_and_goes_on_in_its_tree(deliver, id):
    deliver(tracked_tasks.give_back, id=id, kwargs={"requeue": True})
    root = root_of(id)
    assert (root.status, root.closed) == ("waiting", False)
    assert updates_of(root, "taskStatus")[-1]["waitingFor"] == {"code": "given_back"}
    deliver(tracked_tasks.give_back, id=id, kwargs={"requeue": False})
    assert root_of(id).status == "failed"


def test_a_message_that_is_given_back_after_its_acknowledgement_never_comes_again(deliver, id):
    deliver(tracked_tasks.reject, id=id, kwargs={"requeue": True})
    assert root_of(id).status == "failed"


def test_a_second_delivery_after_a_death_goes_on_in_the_same_tree(deliver, id, die_midway):
    die_midway(tracked_tasks.build, id)
    deliver(tracked_tasks.build, (1,), id=id)
    root = root_of(id)
    assert root.status == "completed"
    assert [(node.title, node.status, node.attempt) for node in Node.objects.filter(root=root)] == [
        ("Half done", "cancelled", 1),
        ("Floor 0", "completed", 2),
    ]
    assert [update.get("attempt") for update in updates_of(root, "taskStatus")] == [None, 2]


def test_an_id_that_another_sender_has_used_before_has_its_own_owner(deliver):
    first, second = User.objects.create_user("first"), User.objects.create_user("second")
    for user in (first, second):
        deliver(tracked_tasks.add, (1,), id="the day's sum", **{HEADER: {"user": user.pk}})
    again = TaskRoot.objects.get(pk=root_id_of("the day's sum", execution=1))
    assert (again.owner, again.previous.owner) == (second, first)


def test_a_task_whose_owner_was_deleted_meanwhile_is_nobody_s(deliver, id):
    deliver(tracked_tasks.add, (1,), id=id, **{HEADER: {"user": "4711"}})
    assert (root_of(id).status, root_of(id).owner) == ("completed", None)


def test_a_run_that_was_given_up_stops_without_an_end_to_tell(id, deliver, die_midway):
    zombie = die_midway(tracked_tasks.build, id)
    deliver(tracked_tasks.build, (1,), id=id)
    zombie.beat()
    with pytest.raises(Ignore):
        zombie.check()


def test_a_run_whose_tree_was_ended_as_it_was_silent_goes_on_and_tells_its_end(deliver, id):
    done = []

    def fall_silent(self: TrackedTask) -> str:
        TaskRoot.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert end_stale_roots() == 1
        run = run_of(self)
        assert run is not None
        run.beat()
        self.check_cancelled()
        done.append(run)
        return "not dead at all"

    task = app.task(base=TrackedTask, bind=True, name="tests.fall_silent")(fall_silent)
    deliver(task, id=id)
    again = TaskRoot.objects.get(pk=root_id_of(id, execution=1))
    assert done
    assert (root_of(id).status, again.status, again.result, again.previous_id) == (
        "failed",
        "completed",
        "not dead at all",
        root_of(id).pk,
    )


def test_a_run_that_was_given_up_writes_nothing_more(deliver, id, die_midway):
    zombie = die_midway(tracked_tasks.build, id)
    deliver(tracked_tasks.build, (1,), id=id)
    last = root_of(id).last_seq
    zombie.recorder.root.output("still here")
    zombie.recorder.flush()
    assert zombie.recorder.lost
    assert root_of(id).last_seq == last


def test_a_dead_worker_s_tree_waits_as_long_as_celery_may_deliver_again(id, die_midway, monkeypatch):
    monkeypatch.setattr(tracked_tasks.die_once, "redelivery_seconds", 600.0)
    for task, key, seconds in ((tracked_tasks.build, id, 15), (tracked_tasks.die_once, str(uuid.uuid4()), 615)):
        die_midway(task, key)
        assert abs(root_of(key).lease_until - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_a_delivery_after_the_tree_has_ended_opens_another_one(deliver, id, die_midway):
    owner = User.objects.create_user("owner")
    die_midway(tracked_tasks.build, id, owner=owner)
    TaskRoot.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    for execution in (1, 2):
        deliver(tracked_tasks.build, (1,), id=id)
        again = TaskRoot.objects.get(pk=root_id_of(id, execution=execution))
        assert (again.status, again.result, again.owner) == ("completed", {"floors": 1}, owner)
        assert again.previous_id == root_id_of(id, execution=execution - 1)
    assert root_of(id).status == "failed"


def test_a_process_that_vanished_ends_the_tree_once(id, die_midway):
    die_midway(tracked_tasks.build, id)
    assert end_unseen(task_id=id, status=NodeStatus.FAILED, reason="Its worker ended before it did.")
    assert not end_unseen(task_id=id, status=NodeStatus.CANCELLED, reason="late")
    assert (root_of(id).status, root_of(id).error) == ("failed", "Its worker ended before it did.")
    assert Node.objects.get().status == "failed"


def test_cancelling_what_has_not_begun_ends_it_and_no_worker_runs_it(deliver, id, broker):
    result = tracked_tasks.build.apply_async((1,), task_id=id, queue="nobody")
    assert cancel(root_of(result).pk, reason="changed my mind") is JobStatus.CANCELLED
    root = root_of(id)
    assert (root.status, root.error) == ("cancelled", "changed my mind")
    last = root.last_seq
    deliver(tracked_tasks.build, (1,), id=id)
    assert (root_of(id).last_seq, TaskRoot.objects.count()) == (last, 1)
    assert app.AsyncResult(id).state == states.REVOKED


def test_cancelling_what_runs_asks_it(id, die_midway, broker):
    run = die_midway(tracked_tasks.build, id)
    for _ in range(2):
        assert cancel(root_of(id).pk) is JobStatus.CANCEL_REQUESTED
    run.beat()
    assert run.cancel_reason == "cancelled by its owner"
    assert [update["status"] for update in updates_of(root_of(id), "taskStatus")] == ["running", "cancel_requested"]


def test_a_cancelled_task_that_is_delivered_again_after_a_death_is_not_run(deliver, id, die_midway, broker):
    die_midway(tracked_tasks.build, id)
    cancel(root_of(id).pk, reason="enough")
    deliver(tracked_tasks.build, (1,), id=id)
    assert (root_of(id).status, root_of(id).error) == ("cancelled", "enough")
    assert app.AsyncResult(id).state == states.REVOKED


def test_a_task_that_is_to_be_tried_again_waits(deliver, id, broker):
    deliver(tracked_tasks.retry_once, id=id, kwargs={"countdown": 5.0})
    assert root_of(id).status == "waiting"


def test_a_task_that_can_not_be_sent_has_no_tree(broker, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(Producer, "publish", refuse)
    with pytest.raises(OperationalError):
        tracked_tasks.add.delay(1)
    assert not TaskRoot.objects.exists()


def test_a_task_that_is_sent_on_an_event_loop_is_sent_without_complaint(broker, caplog):
    async def send() -> None:
        tracked_tasks.add.apply_async((1,), queue="nobody")

    asyncio.run(send())
    # An event loop tells of itself where another test has made the log talkative.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_tree_waits_for_its_task_as_long_as_that_says_and_no_longer_than_it_may_run(broker, monkeypatch):
    monkeypatch.setattr(tracked_tasks.add, "begin_within_seconds", 3600.0)
    for options, seconds in (
        ({}, 3600),
        ({"countdown": 100}, 3700),
        ({"expires": 600}, 660),
        ({"countdown": 100, "expires": 7200}, 3700),
    ):
        root = root_of(tracked_tasks.add.apply_async((1,), queue="nobody", **options))
        assert abs(root.lease_until - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_a_member_of_a_canvas_waits_as_long_from_when_it_was_sent(broker, monkeypatch):
    monkeypatch.setattr(tracked_tasks.add, "begin_within_seconds", 3600.0)
    sent = track(chain(tracked_tasks.add.s(1), tracked_tasks.add.s(2)).set(queue="nobody"), title="All of it")
    waiting = TaskRoot.objects.filter(parent=sent.root_id).order_by("lease_until")
    hours = [round((root.lease_until - timezone.now()) / timedelta(hours=1)) for root in waiting]
    assert hours == [1, 7 * 24]


def test_a_canvas_may_be_sent_more_than_once(broker):
    canvas = group(chain(tracked_tasks.add.s(1), tracked_tasks.add.s(2)), tracked_tasks.add.s(3)).set(queue="nobody")
    first, second = (track(canvas, title="All of it") for _ in range(2))
    for sent in (first, second):
        assert TaskRoot.objects.filter(parent=sent.root_id).count() == 3


def test_what_follows_a_task_that_ignores_itself_is_never_begun(deliver, broker):
    sent = track(chain(tracked_tasks.ignore.si(), tracked_tasks.add.si(1)).set(queue="nobody"), title="All of it")
    deliver(tracked_tasks.ignore, id=CeleryTask.objects.get(name=tracked_tasks.ignore.name).task_id)
    statuses = TaskRoot.objects.filter(parent=sent.root_id).order_by("created_at").values_list("status", flat=True)
    assert list(statuses) == ["completed", "cancelled"]
    assert TaskRoot.objects.get(pk=sent.root_id).status == "cancelled"


def test_a_member_that_is_delivered_again_after_its_end_counts_once(deliver, id, die_midway):
    canvas, other = uuid.uuid4(), str(uuid.uuid4())
    own = Origin(title="Build", parent_id=canvas)
    create_canvas(
        plan=["group", id, other],
        tasks={id: ("tests.tracked_tasks.build", own), other: ("tests.tracked_tasks.build", own)},
        origin=Origin(title="All of it"),
        root_id=canvas,
    )
    die_midway(tracked_tasks.build, id)
    TaskRoot.objects.filter(pk=id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    for key in (id, other):
        deliver(tracked_tasks.build, (1,), id=key)
    root = TaskRoot.objects.get(pk=canvas)
    assert (root.status, root.current, root.total) == ("completed", 2, 2)


def test_cancelling_a_task_that_was_replaced_cancels_what_goes_on_in_its_place(deliver, id, broker):
    deliver(tracked_tasks.replace_by_chain, id=id, kwargs={"queue": "nobody"})
    assert root_of(id).status == "waiting"
    cancel(root_of(id).pk, reason="enough")
    assert [(root.status, root.error) for root in TaskRoot.objects.all()] == [("cancelled", "enough")] * 2


def test_what_has_ended_or_is_no_celery_task_can_not_be_cancelled(deliver, id):
    deliver(tracked_tasks.add, (1,), id=id)
    with pytest.raises(IllegalTransition):
        cancel(root_of(id).pk)
    other = create_root(title="An indicator", owner=Owner())
    with pytest.raises(TaskNotFound):
        cancel(other.pk)


def test_a_body_that_stops_when_asked_is_cancelled_whatever_is_retried_automatically(deliver, id, tmp_path, broker):
    file = tmp_path / "running"

    def ask() -> None:
        wait_until(file.exists)
        cancel(uuid.UUID(id), reason="enough")
        connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    deliver(tracked_tasks.stop_when_asked, (str(file),), id=id)
    asking.join()
    assert (root_of(id).status, root_of(id).error) == ("cancelled", "enough")
    assert app.AsyncResult(id).state == states.REVOKED


def test_a_task_runs_untracked_where_its_tree_can_not_be_written(deliver, id, monkeypatch, caplog):
    def refuse(**_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("tasks.celery_tasks.run.begin", refuse)
    deliver(tracked_tasks.build, (1,), id=id)
    assert app.AsyncResult(id).get(timeout=1) == {"floors": 1}
    assert f"Task {id} runs without a tree." in caplog.text


def test_a_database_that_was_away_meanwhile_costs_a_task_nothing_that_does_not_use_it(deliver, id, monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("a file doesn't go away")
    monkeypatch.setattr("tasks.celery_tasks.run.CONNECTION_SECONDS", 0.0)

    def lose_connection() -> str:
        connection.connection.close()
        return "computed"

    deliver(app.task(base=TrackedTask, name="tests.lose_connection")(lose_connection), id=id)
    assert app.AsyncResult(id).get(timeout=1) == "computed"
    assert (root_of(id).status, root_of(id).result) == ("completed", "computed")


def test_our_own_hints_store_no_result(deliver, id):
    hint = work._get_current_object()
    assert hint.ignore_result
    assert not isinstance(hint, TrackedTask)
    deliver(hint, ("no such queue",), id=id)
    assert not TaskResult.objects.exists()
    assert not CeleryTask.objects.exists()


def test_the_row_names_the_process_while_it_runs(deliver, id, die_midway):
    die_midway(tracked_tasks.build, id)
    assert CeleryTask.objects.get().worker == worker_name()
    deliver(tracked_tasks.build, (1,), id=id)
    row = CeleryTask.objects.get()
    assert (row.worker, row.deliveries, row.name) == ("", 2, "tests.tracked_tasks.build")


def test_a_canvas_whose_task_s_process_is_gone_ends_with_it(id, die_midway):
    canvas = uuid.uuid4()
    own = Origin(title="Build", parent_id=canvas)
    following = str(uuid.uuid4())
    create_canvas(
        plan=["chain", id, following],
        tasks={id: ("tests.tracked_tasks.build", own), following: ("tests.tracked_tasks.build", own)},
        origin=Origin(title="All of it"),
        root_id=canvas,
    )
    die_midway(tracked_tasks.build, id)
    TaskRoot.objects.filter(pk=id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    assert (root_of(following).status, root_of(canvas).status) == ("cancelled", "failed")


def test_a_silent_celery_task_is_not_told_to_begin_again(id, die_midway):
    die_midway(tracked_tasks.build, id)
    other = create_root(title="An indicator", owner=Owner(), lease=timedelta(hours=1))
    told = (timezone.now() - timedelta(minutes=5)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for update in Update.objects.all():
        head, _, rest = update.body.partition('"timestamp":"')
        Update.objects.filter(pk=update.pk).update(body=f'{head}"timestamp":"{told}"{rest[24:]}')
    assert read_stall(root_of(id).pk) is None
    stall = read_stall(other.pk)
    assert stall is not None
    assert stall.code == "not_begun"


@pytest.mark.usefixtures("own_declarations")
def test_a_job_that_it_enqueues_is_its_owners_and_ends_with_it(deliver, id):
    @job("test.ordered")
    def ordered(context: JobContext) -> None: ...

    owner = User.objects.create_user("owner")
    deliver(tracked_tasks.order, ("test.ordered",), id=id, headers={HEADER: {"user": owner.pk}})
    root = Job.objects.get(function="test.ordered").root
    assert (root.owner_id, root.parent_id) == (owner.pk, root_of(id).pk)


def test_a_transaction_and_a_language_that_a_body_leaves_behind_harm_nothing_that_follows(deliver, id):
    with translation.override("en"):
        deliver(tracked_tasks.leave_open, id=id)
        assert not connection.in_atomic_block
        assert translation.get_language() == "en"
    connection.close()
    assert (root_of(id).status, root_of(id).result) == ("completed", "left")
    assert app.AsyncResult(id).get(timeout=1) == "left"


def test_what_an_untracked_task_leaves_open_is_closed_before_the_next_job(deliver):
    transaction.atomic().__enter__()
    following = job("test.after_a_leak")(lambda context: 1)
    try:
        deliver(work, (settings.STEPLINE_QUEUES[0],), id=str(uuid.uuid4()))
        assert not connection.in_atomic_block
        enqueued = following.enqueue()
        deliver(work, (settings.STEPLINE_QUEUES[0],), id=str(uuid.uuid4()))
    finally:
        jobs.remove("test.after_a_leak")
    connection.close()
    assert Job.objects.get(pk=enqueued.root_id).status == "completed"
