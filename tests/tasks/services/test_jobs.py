"""The job row is the truth: claims are disjoint, fenced and ordered, and every end is told once."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.utils import timezone

from tasks.domain.outcomes import Completed, Parked, Yielded
from tasks.domain.retry import RetryPolicy
from tasks.errors import IllegalTransition, PermanentError, StaleFence, TaskCancelled, TaskNotFound, UnknownJob
from tasks.models import Job, TaskRoot
from tasks.registry import JobContext, jobs
from tasks.services.access import Viewer
from tasks.services.claims import claim, heartbeat, release_expired, settle
from tasks.services.dispatch import send_lost_hints
from tasks.services.jobs import cancel, enqueue, request_cancel, wake
from tasks.services.reading import read_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner
from tasks.services.work import work_off
from tasks.tracking import subtask

pytestmark = pytest.mark.django_db(transaction=True)

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


def test_a_lost_hint_is_sent_again_and_not_too_often(kit, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    sent: list[str] = []
    monkeypatch.setattr("tasks.services.dispatch.send_hint", lambda queue: sent.append(queue) or True)
    for _ in range(3):
        kit.enqueue(lambda context: None)
    assert send_lost_hints() == 0  # just hinted
    Job.objects.update(hinted_at=timezone.now() - timedelta(seconds=2))
    assert send_lost_hints() == 3
    assert sent == ["default"] * 3
    assert send_lost_hints() == 0


def test_hints_are_bounded_per_queue(kit, monkeypatch: pytest.MonkeyPatch, settings) -> None:  # type: ignore[no-untyped-def]
    settings.STEPLINE_WORKER_SLOTS = 1
    sent: list[str] = []
    monkeypatch.setattr("tasks.services.dispatch.send_hint", lambda queue: sent.append(queue) or True)
    for queue in ("a", "a", "a", "b"):
        kit.enqueue(lambda context: None, queue=queue)
    Job.objects.update(hinted_at=None)
    send_lost_hints()
    assert sorted(sent) == ["a", "a", "b"]


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
