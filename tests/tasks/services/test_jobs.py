"""The job row is the truth: claims are disjoint, fenced and ordered, and every end is told once."""

import contextlib
import json
import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone, translation
from kombu import Producer

from tasks.domain.bounds import ERROR_CHARS
from tasks.domain.outcomes import Completed, Parked, Yielded
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.errors import IllegalTransition, PermanentError, StaleFence, TaskCancelled, TaskNotFound, UnknownJob
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext, JobSpec, jobs
from tasks.services.access import Viewer
from tasks.services.cancelling import cancel, request_cancel
from tasks.services.claims import claim, heartbeat
from tasks.services.dispatch import end_stale_roots, send_lost_hints, tick
from tasks.services.enqueuing import enqueue
from tasks.services.hints import send_hint
from tasks.services.jobs import wake
from tasks.services.losses import hand_back, release_expired
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, end_root
from tasks.services.settling import settle
from tasks.services.work import work_off
from tasks.tracking import output, step, subtask

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = RetryPolicy(attempts=2, delay_seconds=0, jitter=0)

THREE = RetryPolicy(attempts=3, backoff="fixed", delay_seconds=0, jitter=0)


def story(root_id: uuid.UUID) -> list[str]:
    """Return the log's types, statuses spelt out."""
    told = []
    for _, body in read_updates(root_id, after=0, limit=1_000):
        update = json.loads(body)
        told.append(f"{update['type']} {update['status']}" if "status" in update else update["type"])
    return told


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_job_runs_and_its_result_is_told(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: {"sum": context.arguments["a"] + 1}, arguments={"a": 1}, title="Add")
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.attempt, job.error) == ("completed", 1, None)
    assert TaskRoot.objects.get(pk=job.pk).result == {"sum": 2}
    assert story(job.root_id) == [
        "taskStart",
        "taskStatus pending",
        "taskStatus claimed",
        "taskStatus running",
        "taskStatus completed",
        "taskEnd",
    ]


def test_a_job_of_a_rolled_back_transaction_does_not_exist(kit) -> None:  # type: ignore[no-untyped-def]
    with transaction.atomic():
        kit.enqueue(lambda context: None)
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert not TaskRoot.objects.exists()
    assert not work_off("default")


def test_an_unknown_job_is_refused_with_the_nearest_name(kit) -> None:  # type: ignore[no-untyped-def]
    name = kit.register(lambda context: None)
    with pytest.raises(UnknownJob, match="Did you mean"):
        enqueue(name[:-1], owner=Owner())


def test_a_hint_without_work_does_nothing() -> None:
    assert work_off("default") is False


def test_priority_goes_before_age_and_age_before_nothing(kit) -> None:  # type: ignore[no-untyped-def]
    order: list[str] = []

    def note(context: JobContext) -> None:
        order.append(str(context.arguments["name"]))

    for name, priority in (("old", 0), ("young", 0), ("urgent", 5)):
        kit.enqueue(note, arguments={"name": name}, priority=priority)
    while work_off("default"):
        pass
    assert order == ["urgent", "old", "young"]


def test_a_job_is_not_claimed_before_it_is_due_or_from_another_queue(kit) -> None:  # type: ignore[no-untyped-def]
    kit.enqueue(lambda context: None, due_at=timezone.now() + timedelta(hours=1))
    kit.enqueue(lambda context: None, queue="other")
    assert claim(queue="default", worker="w") is None
    assert claim(queue="other", worker="w") is not None


def test_a_worker_claims_only_what_its_registry_serves(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    Job.objects.filter(pk=job.pk).update(function="from.another.deployment")
    assert claim(queue="default", worker="w") is None


def test_concurrent_claims_are_disjoint(kit) -> None:  # type: ignore[no-untyped-def]
    for _ in range(24):
        kit.enqueue(lambda context: None)
    claimed: list[uuid.UUID] = []
    begin = threading.Barrier(6)

    def take(number: int) -> None:
        try:
            begin.wait()
            while (held := claim(queue="default", worker=f"w{number}")) is not None:
                claimed.append(held.root_id)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A worker may see no row while others hold all of them; what is left is picked up by the next hint.
    while (held := claim(queue="default", worker="last")) is not None:
        claimed.append(held.root_id)
    assert len(claimed) == len(set(claimed)) == 24


def test_a_failing_job_is_tried_again_and_then_kept_as_a_dead_letter(kit) -> None:  # type: ignore[no-untyped-def]
    attempts: list[int] = []

    def fail(context: JobContext) -> None:
        attempts.append(context.attempt)
        with subtask("Doomed"):
            raise OSError("no network")

    job = kit.enqueue(fail, retry=THREE)
    for expected in ("retry", "retry", "dead_letter"):
        assert work_off("default")
        job.refresh_from_db()
        assert job.status == expected
    assert attempts == [1, 2, 3]
    assert job.error["message"] == "no network"
    told = story(job.root_id)
    assert told.count("taskError") == 1
    assert told[-2:] == ["taskStatus dead_letter", "taskError"]


def test_a_retry_is_not_due_at_once(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        raise OSError

    kit.enqueue(fail, retry=RetryPolicy(attempts=2, delay_seconds=60))
    assert work_off("default")
    assert not work_off("default")


def test_a_permanent_error_is_not_tried_again(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        raise PermanentError("not a CSV file")

    job = kit.enqueue(fail, retry=THREE)
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.error["code"]) == ("failed", "permanent")
    assert TaskRoot.objects.get(pk=job.pk).error == "not a CSV file"


def test_progress_is_clamped(kit) -> None:  # type: ignore[no-untyped-def]
    def report(context: JobContext) -> None:
        context.progress(250, "too much")

    job = kit.enqueue(report)
    work_off("default")
    root = TaskRoot.objects.get(pk=job.pk)
    assert (root.current, root.total, root.message) == (100, 100, "too much")


def test_a_stale_claim_changes_nothing(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    stale = claim(queue="default", worker="slow")
    assert stale is not None
    expire(job)
    assert release_expired() == 1
    fresh = claim(queue="default", worker="quick")
    assert fresh is not None
    before = story(job.root_id)

    recorder = Recorder(root_id=job.root_id, title="t", fence=stale.fence)
    recorder.start("Late").complete()
    with pytest.raises(StaleFence):
        settle(stale, outcome=Completed(result="late"), recorder=recorder)
    recorder.flush()

    assert heartbeat(root_id=job.root_id, fence=stale.fence).held is False
    assert heartbeat(root_id=job.root_id, fence=fresh.fence).held is True
    assert story(job.root_id) == before
    job.refresh_from_db()
    assert (job.status, job.worker) == ("running", "quick")


def test_a_worker_that_was_only_slow_is_fenced_off_before_anybody_claims_again(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    stale = claim(queue="default", worker="slow")
    assert stale is not None
    expire(job)
    release_expired()
    recorder = Recorder(root_id=job.root_id, title="t", fence=stale.fence)
    recorder.start("Late")
    recorder.flush()
    assert recorder.lost
    assert "nodeStart" not in story(job.root_id)


def test_the_death_of_a_worker_consumes_no_attempt(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: context.attempt, retry=THREE)
    assert claim(queue="default", worker="dies") is not None
    expire(job)
    release_expired()
    work_off("default")
    job.refresh_from_db()
    assert (job.status, job.attempt, job.losses) == ("completed", 1, 1)
    assert TaskRoot.objects.get(pk=job.pk).result == 1


def test_a_job_whose_workers_keep_dying_is_set_aside(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    for _ in range(5):
        assert claim(queue="default", worker="dies") is not None
        expire(job)
        assert release_expired() == 1
    assert claim(queue="default", worker="w") is None
    job.refresh_from_db()
    assert (job.status, job.losses) == ("dead_letter", 5)
    assert story(job.root_id)[-1] == "taskError"


def test_a_live_lease_is_left_alone(kit) -> None:  # type: ignore[no-untyped-def]
    kit.enqueue(lambda context: None)
    assert claim(queue="default", worker="w") is not None
    assert release_expired() == 0


def test_a_parked_job_waits_until_it_is_woken(kit) -> None:  # type: ignore[no-untyped-def]
    outcomes = [Parked(waiting_for={"code": "callback"}), Completed(result="done")]
    job = kit.enqueue(lambda context: outcomes.pop(0), checkpointed=True)
    work_off("default")
    job.refresh_from_db()
    assert job.status == "waiting"
    assert not work_off("default")
    assert wake(job.root_id) is True
    assert wake(job.root_id) is False
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("completed", 1)


def test_a_claim_that_yields_goes_on_without_a_new_attempt(kit) -> None:  # type: ignore[no-untyped-def]
    outcomes = [Yielded(), Completed()]
    job = kit.enqueue(lambda context: outcomes.pop(0), checkpointed=True)
    assert work_off("default")
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("completed", 1)


def test_cancelling_a_job_that_nobody_holds_ends_it_at_once(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    assert cancel(root_id=job.root_id, reason="not needed") == "cancelled"
    assert not work_off("default")
    assert story(job.root_id)[-2:] == ["taskStatus cancelled", "taskAborted"]


def test_cancelling_a_running_job_asks_its_holder(kit) -> None:  # type: ignore[no-untyped-def]
    def stop(context: JobContext) -> None:
        with subtask("Long"):
            assert cancel(root_id=context.id, reason="enough") == "cancel_requested"
            assert cancel(root_id=context.id, reason="enough") == "cancel_requested"
            assert context.hold.wait(10)  # type: ignore[attr-defined]
            context.check_cancelled()

    job = kit.enqueue(stop)
    assert work_off("default")
    job.refresh_from_db()
    assert job.status == "cancelled"
    told = story(job.root_id)
    assert told.count("taskStatus cancel_requested") == 1
    assert told[-3:] == ["nodeEnd cancelled", "taskStatus cancelled", "taskAborted"]


def test_a_takeover_does_not_forget_a_requested_cancellation(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: "finished")
    assert claim(queue="default", worker="dies") is not None
    cancel(root_id=job.root_id, reason="enough")
    expire(job)
    release_expired()
    work_off("default")
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_what_has_ended_cannot_be_cancelled(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    work_off("default")
    with pytest.raises(IllegalTransition):
        cancel(root_id=job.root_id, reason="too late")


def test_a_cancelled_exception_inside_a_job_cancels_it(kit) -> None:  # type: ignore[no-untyped-def]
    def stop(context: JobContext) -> None:
        raise TaskCancelled("no more")

    job = kit.enqueue(stop)
    work_off("default")
    assert story(job.root_id)[-1] == "taskAborted"


def test_only_the_owner_cancels_and_strangers_see_nothing(kit) -> None:  # type: ignore[no-untyped-def]
    owner = get_user_model().objects.create_user("owner")
    name = kit.register(lambda context: None)
    job = enqueue(name, owner=Owner(user_id=owner.pk))
    for stranger in (Viewer(), Viewer(user_id=owner.pk + 1), Viewer(session_key="abc")):
        with pytest.raises(TaskNotFound):
            request_cancel(root_id=job.root_id, viewer=stranger)
    with pytest.raises(TaskNotFound):
        request_cancel(root_id=uuid.uuid4(), viewer=Viewer(user_id=owner.pk))
    assert request_cancel(root_id=job.root_id, viewer=Viewer(user_id=owner.pk)) == "cancelled"


def test_a_shared_task_is_seen_but_not_cancelled_by_others(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None, shared=True)
    with pytest.raises(IllegalTransition):
        request_cancel(root_id=job.root_id, viewer=Viewer(user_id=1))


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the queues of the hints that the dispatcher sends, in order; no broker gets them."""
    sent: list[str] = []
    monkeypatch.setattr("tasks.services.dispatch.send_hint", lambda queue: sent.append(queue) or True)
    return sent


def test_a_lost_hint_is_sent_again_and_not_too_often(kit, hints: list[str]) -> None:  # type: ignore[no-untyped-def]
    for _ in range(3):
        kit.enqueue(lambda context: None)
    assert send_lost_hints() == 0  # just hinted
    Job.objects.update(hinted_at=timezone.now() - timedelta(seconds=2))
    assert send_lost_hints() == 3
    assert hints == ["default"] * 3
    assert send_lost_hints() == 0


def test_hints_are_bounded_per_queue(kit, hints: list[str], settings) -> None:  # type: ignore[no-untyped-def]
    settings.STEPLINE_WORKER_SLOTS = 1
    for queue in ("a", "a", "a", "b"):
        kit.enqueue(lambda context: None, queue=queue)
    Job.objects.update(hinted_at=None)
    send_lost_hints()
    assert sorted(hints) == ["a", "a", "b"]


def test_a_process_that_does_not_know_the_function_leaves_its_cancellation_to_one_that_does(kit) -> None:  # type: ignore[no-untyped-def]
    ran: list[bool] = []
    job = kit.enqueue(lambda context: ran.append(True))
    spec = jobs.get(job.function)
    jobs.remove(job.function)
    assert cancel(root_id=job.root_id, reason="not needed") == "cancel_requested"
    jobs.add(spec)
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, ran) == ("cancelled", [])


def test_an_outcome_that_cannot_be_stored_fails_the_job_at_once(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: object())
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.error["code"]) == ("failed", "invalid_result")


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("text", ["bad\0cell", "bad\ud800cell"])
def test_an_error_that_quotes_what_no_database_stores_is_told_all_the_same(kit, text: str) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        raise ValueError(text)

    job = kit.enqueue(fail)
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.error["message"]) == ("failed", "bad\ufffdcell")
    assert TaskRoot.objects.get(pk=job.pk).error == "ValueError: bad\ufffdcell"


def asked_to_stop(context: JobContext) -> bool:
    """Ask for the cancellation of a job that is held; False if it was asked for already."""
    if Job.objects.get(pk=context.id).cancel_requested_at is not None:
        return False
    assert cancel(root_id=context.id, reason="enough") == "cancel_requested"
    return True


@pytest.mark.parametrize("outcome", [Parked(), Yielded(due_at=timezone.now() + timedelta(hours=1))])
def test_a_cancellation_that_the_holder_has_not_heard_of_is_not_parked_with_it(kit, outcome) -> None:  # type: ignore[no-untyped-def]
    def stop(context: JobContext) -> Parked | Yielded:
        if not asked_to_stop(context):
            context.check_cancelled()
        return outcome  # type: ignore[no-any-return]

    job = kit.enqueue(stop, checkpointed=True)
    assert work_off("default")
    assert work_off("default")
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_a_failed_attempt_of_a_job_that_is_to_be_cancelled_waits_for_no_retry(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        assert asked_to_stop(context)
        raise OSError

    job = kit.enqueue(fail, retry=RetryPolicy(attempts=3, delay_seconds=300))
    assert work_off("default")
    assert work_off("default")
    job.refresh_from_db()
    assert job.status == "cancelled"


def test_cancelling_again_ends_a_job_whose_holder_let_it_go(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None)
    Job.objects.update(cancel_requested_at=timezone.now())
    assert cancel(root_id=job.root_id, reason="at last") == "cancelled"


def test_the_root_of_a_job_is_not_ended_from_under_it(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: "done")
    # As for a root whose writer fell silent just before it got its job.
    TaskRoot.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 0
    with pytest.raises(IllegalTransition):
        end_root(root_id=job.root_id, status=NodeStatus.FAILED)
    assert work_off("default")
    assert story(job.root_id)[-1] == "taskEnd"


def test_failures_with_progress_in_between_set_no_job_aside(kit) -> None:  # type: ignore[no-untyped-def]
    ends = iter([RuntimeError("away"), Yielded(), RuntimeError("away"), Yielded(), RuntimeError("away"), None])

    def works(context: JobContext) -> object:
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    job = kit.enqueue(works, checkpointed=True, retry=RetryPolicy(attempts=2, delay_seconds=0))
    while work_off("default"):
        pass
    job.refresh_from_db()
    assert job.status == "completed"


def test_losses_with_progress_in_between_set_no_job_aside(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: Yielded(), checkpointed=True)
    for _ in range(7):
        assert claim(queue="default", worker="dies") is not None
        expire(job)
        assert release_expired() == 1
        assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.losses) == ("pending", 0)


def test_a_queue_with_a_backlog_keeps_no_other_queue_waiting(kit, hints: list[str], settings) -> None:  # type: ignore[no-untyped-def]
    settings.STEPLINE_WORKER_SLOTS = 1
    for queue in ["long"] * 30 + ["short"]:
        kit.enqueue(lambda context: None, queue=queue)
    Job.objects.update(hinted_at=None)
    send_lost_hints()
    assert sorted(hints) == ["long", "long", "short"]


def test_hints_that_nobody_takes_do_not_pile_up(kit, hints: list[str], settings) -> None:  # type: ignore[no-untyped-def]
    settings.STEPLINE_WORKER_SLOTS = 1
    for _ in range(10):
        kit.enqueue(lambda context: None)
    Job.objects.update(hinted_at=None)
    assert [send_lost_hints() for _ in range(3)] == [2, 0, 0]
    assert len(hints) == 2


def test_one_duty_that_goes_wrong_leaves_the_others_alone(
    kit,  # type: ignore[no-untyped-def]
    hints: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> int:
        raise StaleFence

    monkeypatch.setattr("tasks.services.dispatch.release_expired", fail)
    kit.enqueue(lambda context: None)
    Job.objects.update(hinted_at=None)
    assert (tick().released, hints) == (0, ["default"])


def test_a_broker_library_that_fails_in_its_own_way_does_not_stop_the_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unwrapped(Exception):
        pass

    def fail(*_: object, **__: object) -> None:
        raise Unwrapped("READONLY You can't write against a read only replica")

    monkeypatch.setattr(Producer, "publish", fail)
    assert send_hint("default") is False


def test_claims_and_the_dispatcher_find_their_rows_by_index(kit) -> None:  # type: ignore[no-untyped-def]
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by statistics, and scans small tables")
    kit.enqueue(lambda context: None)
    Job.objects.update(hinted_at=None)
    asked: list[tuple[str, object]] = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if sql.lstrip().startswith("SELECT"):
            asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        send_lost_hints()
        claim(queue="default", worker="w")
        release_expired()
    plans = []
    with connection.cursor() as cursor:
        for sql, params in asked:
            # With parameters, as it is asked: SQLite can't look into them when it chooses an index.
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            plans += [str(row[3]) for row in cursor.fetchall()]
    assert not [plan for plan in plans if plan == "SCAN tasks_job"]
    for index in ("tasks_job_claim", "tasks_job_lease"):
        assert any(index in plan for plan in plans)


@pytest.mark.usefixtures("unlogged")
def test_one_lost_job_that_cannot_be_released_keeps_no_other_waiting(kit) -> None:  # type: ignore[no-untyped-def]
    def refuse(*_: object) -> None:
        raise RuntimeError

    jobs.add(JobSpec(name="test.refusing", function=lambda context: None, settle_idle=refuse))
    kit.names.append("test.refusing")
    bad, good = enqueue("test.refusing", owner=Owner()), kit.enqueue(lambda context: None)
    for _ in range(2):
        claim(queue="default", worker="w")
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    Job.objects.filter(pk=bad.pk).update(losses=4)
    assert release_expired() == 1
    assert list(
        Job.objects.filter(pk__in=[bad.pk, good.pk]).order_by("created_at").values_list("status", flat=True)
    ) == [
        "running",
        "pending",
    ]


class SpeechlessError(Exception):
    """An error of a team's own, whose text fails where it was made without its second argument."""

    def __str__(self) -> str:
        return str(self.args[1])


class LibraryTimeout(BaseException):
    """What isn't caught by `except Exception`, as the timeouts of some libraries aren't on purpose."""


@pytest.mark.parametrize("error", [SpeechlessError("one"), LibraryTimeout("late"), SystemExit(3)])
def test_whatever_a_function_raises_fails_its_attempt(kit, error: BaseException) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        raise error

    job = kit.enqueue(fail)
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.error["code"]) == ("failed", type(error).__name__)


def test_what_was_counted_by_an_attempt_that_failed_is_not_counted_twice(kit) -> None:  # type: ignore[no-untyped-def]
    def count(context: JobContext) -> None:
        for _ in range(10):
            step()
        if not context.is_retry:
            raise OSError

    job = kit.enqueue(count, retry=AT_ONCE)
    assert work_off("default")
    assert work_off("default")
    snapshot = read_snapshot(job.root_id)
    assert (snapshot.status, snapshot.tree.current) == ("completed", 10)
    told = Tree()
    for _, body in read_updates(job.root_id, after=0, limit=1_000):
        told.apply(json.loads(body))
    assert told.snapshot() == snapshot.to_json()


def test_what_was_counted_until_the_saved_place_stays_counted(kit) -> None:  # type: ignore[no-untyped-def]
    def count(context: JobContext) -> None:
        done = context.saved or 0
        for number in range(done, 10):
            step()
            context.save(number + 1)
            if number == 6:
                raise OSError

    job = kit.enqueue(count, retry=AT_ONCE)
    assert work_off("default")
    assert work_off("default")
    assert read_snapshot(job.root_id).tree.current == 10


def test_deaths_with_an_attempt_between_them_do_not_add_up(kit) -> None:  # type: ignore[no-untyped-def]
    def fail(context: JobContext) -> None:
        raise OSError

    job = kit.enqueue(fail, retry=replace(AT_ONCE, attempts=50))
    for _ in range(6):
        assert work_off("default")
        assert claim(queue="default", worker="dies") is not None
        Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert release_expired() == 1
    job.refresh_from_db()
    assert (job.status, job.losses) == ("pending", 6)


def leave_atomic_open(context: JobContext) -> None:
    get_user_model().objects.create(username="half")
    transaction.atomic().__enter__()


def leave_broken(context: JobContext) -> None:
    transaction.atomic().__enter__()
    with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM there_is_none")


def leave_begun(context: JobContext) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")


def leave_without_autocommit(context: JobContext) -> None:
    connection.set_autocommit(False)
    get_user_model().objects.create(username="half")


@pytest.mark.parametrize("body", [leave_atomic_open, leave_broken, leave_begun, leave_without_autocommit])
def test_a_transaction_that_a_job_leaves_open_fails_it_and_harms_no_other(kit, body) -> None:  # type: ignore[no-untyped-def]
    job, following = kit.enqueue(body), kit.enqueue(lambda context: 1)
    assert work_off("default")
    assert work_off("default")
    connections.close_all()
    job.refresh_from_db()
    following.refresh_from_db()
    assert (job.status, job.error["code"], following.status) == ("failed", "open_transaction", "completed")


def test_a_language_that_a_job_activates_is_not_that_of_the_next(kit) -> None:  # type: ignore[no-untyped-def]
    kit.enqueue(lambda context: translation.activate("de"))
    following = kit.enqueue(lambda context: translation.get_language())
    with translation.override("en"):
        while work_off("default"):
            pass
    assert TaskRoot.objects.get(pk=following.pk).result == "en"


def test_an_error_without_end_is_kept_short_and_its_frames_with_it(kit) -> None:  # type: ignore[no-untyped-def]
    def shout(context: JobContext) -> None:
        raise ValueError("a" * 1_000_000)

    job = kit.enqueue(shout)
    assert work_off("default")
    job.refresh_from_db()
    assert len(job.error["message"]) == ERROR_CHARS
    assert "in shout" in job.error["traceback"]
    assert len(job.error["traceback"]) <= 8_000


def test_an_output_that_is_no_text_becomes_one(kit) -> None:  # type: ignore[no-untyped-def]
    def tell(context: JobContext) -> None:
        for each in (b"caf\xc3\xa9 \xff", None, 5):
            output(each)  # type: ignore[arg-type]

    job = kit.enqueue(tell)
    assert work_off("default")
    assert read_snapshot(job.root_id).tree.output == "café �\nNone\n5\n"


def test_what_a_worker_hands_back_is_neither_an_attempt_nor_a_loss(kit) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: context.attempt, concurrency_key="one")
    held = claim(queue="default", worker="old")
    assert hand_back(held)
    assert not hand_back(held)
    with pytest.raises(StaleFence):
        settle(held, outcome=Completed(), recorder=Recorder(root_id=job.pk, title="", fence=held.fence))
    assert work_off("default")
    job.refresh_from_db()
    assert (job.status, job.attempt, job.losses, TaskRoot.objects.get(pk=job.pk).result) == ("completed", 1, 0, 1)
