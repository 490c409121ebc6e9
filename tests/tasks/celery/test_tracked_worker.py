"""Tracked tasks through the real broker and a real worker: sent, retried, killed, revoked, and in canvases."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from celery import chain, chord, group, states
from celery.exceptions import ChordError, TaskRevokedError
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_celery_results.models import TaskResult
from kombu.exceptions import OperationalError

from config.celery import app
from tasks.celery_tasks import cancel, track
from tasks.domain.statuses import JobStatus
from tasks.models import Node, TaskRoot
from tests.tasks.celery.conftest import ended, root_of, types_of, updates_of, wait_until
from tests.tracked_tasks import (
    add,
    build,
    die,
    die_once,
    fail,
    fail_untracked,
    hang,
    never_ask,
    overrun,
    replace_by_chain,
    replace_by_group,
    replace_by_sum,
    replace_by_untracked,
    retry_always,
    retry_inside_a_transaction,
    retry_once,
    start_others,
    stop_when_asked,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("worker")]


@pytest.fixture(autouse=True)
def nothing_left_running(transactional_db: None) -> Iterator[None]:
    """Let the worker finish what a test has sent, so that it doesn't write into the next one's database."""
    yield
    wait_until(lambda: not TaskRoot.objects.filter(closed=False).exists())


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


def test_a_task_is_there_when_it_is_sent_and_ends_with_its_result(owner):
    result = build.apply_async((2,), owner=owner, title="My house")
    root = root_of(result)
    assert (root.title, root.owner) == ("My house", owner)
    assert result.get(timeout=20) == {"floors": 2}
    assert ended(result).result == {"floors": 2}
    assert [node.title for node in Node.objects.filter(root=root)] == ["Floor 0", "Floor 1"]
    assert types_of(root)[0] == "taskStart"


def test_a_task_sent_in_a_transaction_has_its_tree_when_that_commits(owner):
    with transaction.atomic():
        result = build.apply_async((1,), owner=owner.pk, countdown=0.2)
        assert not TaskRoot.objects.exists()
    assert root_of(result).owner == owner
    assert ended(result).status == "completed"


def test_celery_s_message_is_celery_s_own_whatever_becomes_of_the_transaction(owner):
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        result = build.apply_async((1,), owner=owner)
        raise ZeroDivisionError
    # The worker has made the tree, with what the message says of it.
    assert ended(result).owner == owner


def test_a_task_sent_by_its_name_is_tracked():
    result = app.send_task("tests.tracked_tasks.add", (1, 2))
    assert ended(result).result == 3


def test_what_a_task_sends_is_its_child_and_its_owner_s(owner):
    result = start_others.apply_async(owner=owner)
    ended(result)
    wait_until(lambda: TaskRoot.objects.filter(parent=result.id, closed=True).exists())
    assert TaskRoot.objects.get(parent=result.id).owner == owner


def test_a_retry_is_told_with_its_time_and_goes_on_in_the_same_tree():
    result = retry_once.apply_async(kwargs={"countdown": 0.2})
    root = ended(result)
    assert (root.status, root.result) == ("completed", "there")
    told = updates_of(root, "taskStatus")
    assert [(update["status"], update.get("attempt")) for update in told] == [
        ("running", None),
        ("retry", 1),
        ("running", 2),
    ]
    assert told[1]["waitingFor"]["code"] == "retry_at"
    assert told[1]["waitingFor"]["until"] > told[0]["timestamp"]
    assert [(node.title, node.status) for node in Node.objects.filter(root=root)] == [
        ("Try 0", "failed"),
        ("Try 1", "completed"),
    ]


def test_a_retry_that_rolls_the_body_s_transaction_back_is_told_all_the_same():
    result = retry_inside_a_transaction.delay()
    wait_until(lambda: "retry" in [update["status"] for update in updates_of(root_of(result), "taskStatus")])
    assert root_of(result).lease_until > timezone.now() + timedelta(days=6)
    assert ended(result).result == "there"


def test_automatic_retries_end_in_failure():
    result = retry_always.delay()
    root = ended(result)
    assert (root.status, root.error) == ("failed", "It failed (OSError).")
    assert [update["status"] for update in updates_of(root, "taskStatus")].count("retry") == 2


def test_a_task_whose_process_is_killed_goes_on_where_celery_delivers_it_again(tmp_path):
    result = die_once.delay(str(tmp_path / "died"))
    root = ended(result)
    assert (root.status, root.result) == ("completed", "deep")
    assert [(node.status, node.attempt) for node in Node.objects.filter(root=root)] == [
        ("cancelled", 1),
        ("completed", 2),
    ]
    assert result.get(timeout=20) == "deep"


@pytest.mark.parametrize("task", [overrun, hang])
def test_a_task_that_takes_too_long_has_failed(task):
    result = task.delay()
    assert (ended(result).status, ended(result).error) == ("failed", "It took longer than it may.")


def test_a_task_that_asks_stops_when_it_is_cancelled(tmp_path):
    file = tmp_path / "running"
    result = stop_when_asked.delay(str(file))
    wait_until(file.exists)
    assert cancel(root_of(result).pk) is JobStatus.CANCEL_REQUESTED
    assert ended(result).status == "cancelled"
    with pytest.raises(TaskRevokedError):
        result.get(timeout=20)


def test_a_task_that_says_so_is_stopped_by_its_process_s_end(tmp_path):
    file = tmp_path / "running"
    result = never_ask.delay(str(file))
    wait_until(file.exists)
    cancel(root_of(result).pk)
    assert (ended(result).status, ended(result).error) == ("cancelled", "It was stopped.")


def test_a_task_that_celery_revokes_before_it_begins_is_cancelled():
    result = build.apply_async((1,), countdown=1.0)
    app.control.revoke(result.id)
    assert (ended(result).status, ended(result).error) == ("cancelled", "It was cancelled before it was begun.")


def test_a_task_that_expires_is_cancelled():
    result = build.apply_async((1,), countdown=1.0, expires=0.5)
    assert (ended(result).status, ended(result).error) == ("cancelled", "It expired before it was begun.")


def test_a_replaced_task_goes_on_in_its_tree():
    result = replace_by_sum.delay()
    root = ended(result)
    assert (root.status, root.result, TaskRoot.objects.count()) == ("completed", 3, 1)


REPLACING = {
    "chain": (replace_by_chain, 3, 2),
    "group": (replace_by_group, [2, 4], 3),
    "untracked": (replace_by_untracked, 3, 1),
}


@pytest.mark.parametrize("name", REPLACING)
def test_a_task_replaced_by_a_canvas_ends_with_that(name):
    task, value, count = REPLACING[name]
    result = task.delay()
    root = ended(result)
    assert (root.status, root.result, TaskRoot.objects.count()) == ("completed", value, count)
    assert result.get(timeout=20) == value


@pytest.mark.parametrize("task", [replace_by_chain, replace_by_group])
def test_a_task_replaced_by_a_canvas_fails_with_a_part_of_that(task):
    root = ended(task.delay(fails=True))
    assert (root.status, root.error) == ("failed", "A part of it has failed.")


def test_a_task_replaced_in_a_canvas_goes_on_there():
    sent = track(chain(replace_by_chain.si(), add.s(5)), title="All of it")
    assert sent.result.get(timeout=20) == 8
    root = ended(sent.root_id)
    assert (root.status, root.current, root.total) == ("completed", 2, 2)


@pytest.mark.parametrize("make", [chain, chord])
def test_a_canvas_ends_where_a_task_fails_that_is_not_tracked(make):
    parts = [add.si(1), fail_untracked.si()]
    sent = track(chain(*parts, add.si(2)) if make is chain else chord(parts, add.si(2)), title="All of it")
    assert ended(sent.root_id).status == "cancelled"
    assert sorted(TaskRoot.objects.filter(parent=sent.root_id).values_list("status", flat=True)) == [
        "cancelled",
        "completed",
    ]


def test_each_task_of_a_chain_is_the_child_of_the_one_before(owner):
    result = chain(add.s(1, 2).set(owner=owner.pk), add.s(3), add.s(4))()
    assert result.get(timeout=20) == 10
    assert ended(result).result == 10
    second = result.parent
    assert root_of(result).parent_id == root_of(second).pk
    assert root_of(second).parent_id == root_of(second.parent).pk
    assert set(TaskRoot.objects.values_list("owner", flat=True)) == {owner.pk}


def test_groups_and_chords_have_results():
    assert group(add.s(1, 1), add.s(2, 2))().get(timeout=20) == [2, 4]
    result = chord([add.s(1, 1), add.s(2, 2)], add.s())()
    assert result.get(timeout=20) == 6
    assert ended(result).parent_id in {uuid.UUID(member.id) for member in result.parent}


def test_a_chord_s_error_reaches_its_body():
    result = chord([add.s(1, 1), fail.s()], add.s())()
    with pytest.raises(ChordError):
        # By its id alone: a result that knows its parents tells of their errors, where those are there already.
        app.AsyncResult(result.id).get(timeout=20)


CANVASES = {
    "chain": (lambda: chain(add.s(1, 2), add.s(3), add.s(4)), 3, 10),
    "group": (lambda: group(add.s(1, 1), add.s(2, 2), build.s(1)), 3, [2, 4, {"floors": 1}]),
    "chord": (lambda: chord([add.s(1, 1), add.s(2, 2)], add.s()), 3, 6),
    "nested": (lambda: chain(add.s(1), group(add.s(1) | add.s(1), add.s(2)), add.s(), add.s(5)), 6, 11),
}


@pytest.mark.parametrize("name", CANVASES)
def test_a_canvas_has_a_tree_that_ends_with_the_last_of_its_tasks(name, owner):
    make, count, value = CANVASES[name]
    sent = track(make(), title="All of it", owner=owner)
    assert TaskRoot.objects.filter(parent=sent.root_id).count() == count
    assert sent.result.get(timeout=20) == value
    root = ended(sent.root_id)
    assert (root.title, root.status, root.current, root.total) == ("All of it", "completed", count, count)
    children = TaskRoot.objects.filter(parent=root)
    assert {(child.status, child.owner_id) for child in children} == {("completed", owner.pk)}
    assert TaskRoot.objects.count() == count + 1


FAILING = {
    "chain": (
        lambda: chain(add.s(1), fail.si(), add.si(2), add.s(3)),
        ["cancelled", "cancelled", "completed", "failed"],
    ),
    "chord": (lambda: chord([add.s(1), fail.si()], add.s()), ["cancelled", "completed", "failed"]),
    "group": (lambda: group(add.s(1), fail.si()), ["completed", "failed"]),
    "killed": (lambda: chain(die.si(), add.si(1)), ["cancelled", "failed"]),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_canvas_with_a_failed_part_ends_when_nothing_is_left_to_come(name):
    make, statuses = FAILING[name]
    root = ended(track(make(), title="All of it").root_id)
    assert (root.status, root.error) == ("failed", f"1 of {len(statuses)} parts failed.")
    assert sorted(TaskRoot.objects.filter(parent=root).values_list("status", flat=True)) == statuses
    told = {"killed": "Its worker ended before it did."}.get(name, "It failed (ValueError).")
    assert TaskRoot.objects.get(parent=root, status="failed").error == told


def test_a_cancelled_canvas_begins_nothing_more(tmp_path):
    file = tmp_path / "running"
    sent = track(chain(stop_when_asked.si(str(file)), add.si(1), add.s(2)), title="All of it")
    wait_until(file.exists)
    assert cancel(sent.root_id) is JobStatus.CANCEL_REQUESTED
    root = ended(sent.root_id)
    assert root.status == "cancelled"
    assert set(TaskRoot.objects.filter(parent=root).values_list("status", flat=True)) == {"cancelled"}


def test_a_canvas_in_a_transaction_that_is_rolled_back_is_never_sent():
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        sent = track(group(add.s(1), add.s(2)), title="All of it")
        raise ZeroDivisionError
    # What was sent later has been done, and these haven't. An earlier test's result may still be on its way to its row.
    add.delay(1).get(timeout=20)
    parts = [part.id for part in sent.result]
    assert not TaskRoot.objects.filter(pk__in=[sent.root_id, *parts]).exists()
    assert not TaskResult.objects.filter(task_id__in=parts).exists()


def test_a_canvas_that_can_not_be_sent_has_ended(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(app, "send_task", refuse)
    with pytest.raises(OperationalError):
        track(group(add.s(1), add.s(2)), title="All of it")
    assert set(TaskRoot.objects.values_list("status", flat=True)) == {"cancelled"}


def test_a_canvas_without_a_tracked_task_is_refused():
    with pytest.raises(ValueError, match="no tracked task"):
        track(group(app.signature("tasks.work")), title="Nothing")


def test_the_state_of_a_result_follows_celery():
    result = fail.delay()
    assert ended(result).status == "failed"
    assert result.state == states.FAILURE
