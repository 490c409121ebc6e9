"""What following a job promises: its states, its progress, its output and its errors, as a client sees them."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tasks.domain.outcomes import Parked
from tasks.domain.retry import RetryPolicy
from tasks.errors import IllegalTransition, PermanentError, TaskNotFound
from tasks.models import Job
from tasks.registry import EnqueuedJob, JobContext
from tasks.services.access import Viewer
from tasks.services.cancelling import request_cancel
from tasks.services.claims import Claim, claim
from tasks.services.roots import Owner
from tasks.services.work import carry_out, work_off
from tests.tasks.services.conftest import JobKit
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

VIEWER = Viewer(session_key="owner")


@pytest.fixture
def kit() -> Iterator[JobKit]:
    kit = JobKit()
    yield kit
    kit.close()


@pytest.fixture
def client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


def enqueue(kit: JobKit, body: Any, *, arguments: tuple[Any, ...] = (), **options: Any) -> EnqueuedJob:
    return kit.declare(body, **options).using(owner=Owner(session_key="owner")).enqueue(*arguments)


def seen(client: Client, job: EnqueuedJob) -> dict[str, Any]:
    """Return what a client gets of a job."""
    return client.get(f"/api/tasks/{job.root_id}/").json()  # type: ignore[no-any-return]


def take() -> Claim:
    held = claim(queue="default", worker="w")
    assert held is not None
    return held


def nothing(context: JobContext) -> None: ...


def failing(context: JobContext) -> None:
    raise RuntimeError("no luck")


# States


def test_pending_while_it_waits_to_be_picked_up(client: Client, kit: JobKit) -> None:
    assert seen(client, enqueue(kit, nothing))["status"] == "pending"


def test_running_while_its_handler_executes(client: Client, kit: JobKit) -> None:
    states: list[str] = []
    job = enqueue(kit, lambda context: states.append(seen(client, job)["status"]))
    assert work_off("default")
    assert states == ["running"]


def test_claimed_is_told_before_running(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, nothing)
    assert work_off("default")
    told = [line for line in stream(client, job) if '"taskStatus"' in line]
    assert [status for line in told for status in ("pending", "claimed", "running", "completed") if status in line] == [
        "pending",
        "claimed",
        "running",
        "completed",
    ]


def stream(client: Client, job: EnqueuedJob) -> list[str]:
    from tasks.models import Update

    return list(Update.objects.filter(root_id=job.root_id).order_by("seq").values_list("body", flat=True))


def test_completed_with_its_output(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, lambda context: {"download_url": "/files/1"})
    assert "result" not in seen(client, job)
    assert work_off("default")
    state = seen(client, job)
    assert (state["status"], state["result"]) == ("completed", {"download_url": "/files/1"})


def test_retry_while_a_failed_attempt_is_to_be_repeated(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, failing, attempts=3, delay_seconds=600)
    assert work_off("default")
    state = seen(client, job)
    assert (state["status"], state["stall"]["code"]) == ("retry", "retry")


def test_failed_where_there_is_nothing_left_to_try(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, failing)
    assert work_off("default")
    state = seen(client, job)
    assert (state["status"], state["task"]["error"]) == ("failed", "RuntimeError: no luck")


def test_failed_at_once_by_an_error_that_trying_again_cannot_mend(client: Client, kit: JobKit) -> None:
    def body(context: JobContext) -> None:
        raise PermanentError("The file is gone.")

    job = enqueue(kit, body, attempts=5)
    assert work_off("default")
    state = seen(client, job)
    assert (state["status"], state["task"]["error"]) == ("failed", "The file is gone.")


def test_dead_letter_after_its_last_attempt(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, failing, attempts=2, delay_seconds=0)
    while seen(client, job)["status"] in {"pending", "retry"}:
        work_off("default")
    state = seen(client, job)
    assert (state["status"], state["task"]["error"]) == ("dead_letter", "RuntimeError: no luck")


def test_waiting_while_it_is_parked(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, lambda context: Parked(waiting_for={"code": "callback"}))
    assert work_off("default")
    assert seen(client, job)["status"] == "waiting"


def test_not_found_is_what_a_client_makes_of_404(client: Client) -> None:
    assert client.get(f"/api/tasks/{uuid.uuid4()}/").status_code == 404


# Progress


def test_progress_and_message_are_what_the_handler_reports(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, lambda context: context.progress(40, "Processing row 500…"))
    before = seen(client, job)["task"]
    assert ("current" in before, "message" in before) == (False, False)
    assert work_off("default")
    task = seen(client, job)["task"]
    assert (task["current"], task["total"], task["message"]) == (40, 100, "Processing row 500…")


@pytest.mark.parametrize(("reported", "shown"), [(-5, 0), (0, 0), (99.5, 99.5), (100, 100), (250, 100)])
def test_progress_clamps_to_100(client: Client, kit: JobKit, reported: float, shown: float) -> None:
    job = enqueue(kit, lambda context: context.progress(reported))
    assert work_off("default")
    assert seen(client, job)["task"]["current"] == shown


# Retries


def test_the_wait_doubles_from_one_second_up_to_its_cap() -> None:
    policy = RetryPolicy(attempts=9, backoff="exponential", delay_seconds=1, cap_seconds=30, jitter=0)
    assert [policy.delay_after(attempt) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_each_failure_puts_the_next_attempt_off_for_as_long(kit: JobKit) -> None:
    job = enqueue(kit, failing, attempts=5, delay_seconds=1, jitter=0)
    waits: list[float] = []
    for _ in range(4):
        Job.objects.filter(pk=job.root_id).update(due_at=timezone.now() - timedelta(seconds=1))
        before = timezone.now()
        assert work_off("default")
        waits.append(round((Job.objects.get(pk=job.root_id).due_at - before).total_seconds()))
    assert waits == [1, 2, 4, 8]


# Claims


def test_the_most_urgent_goes_first_and_among_equals_the_oldest(kit: JobKit) -> None:
    declared = kit.declare(nothing)
    ids = [declared.using(priority=priority).enqueue().root_id for priority in (0, 5, 0, 9, -1, 5)]
    assert [take().root_id for _ in ids] == [ids[3], ids[1], ids[5], ids[0], ids[2], ids[4]]


def test_workers_that_claim_at_once_get_different_jobs(kit: JobKit) -> None:
    declared = kit.declare(nothing)
    expected = {declared.enqueue().root_id for _ in range(6)}
    ends = together(*[take] * 6)
    assert {end.root_id for end in ends if isinstance(end, Claim)} == expected


def test_the_same_key_starts_a_job_once(kit: JobKit) -> None:
    declared = kit.declare(nothing, idempotency_key="nightly")
    assert declared.enqueue().root_id == declared.enqueue().root_id


# Cancellation


def test_a_pending_job_is_cancelled_at_once(client: Client, kit: JobKit) -> None:
    job = enqueue(kit, nothing)
    assert request_cancel(root_id=job.root_id, viewer=VIEWER) == "cancelled"
    state = seen(client, job)
    assert (state["status"], state["task"]["error"]) == ("cancelled", "cancelled by its owner")
    assert not work_off("default")


def test_a_running_job_is_asked_to_stop_and_stops(client: Client, kit: JobKit) -> None:
    states: list[str] = []

    def body(context: JobContext) -> None:
        request_cancel(root_id=context.id, viewer=VIEWER)
        states.append(seen(client, job)["status"])
        context.hold.beat()  # type: ignore[attr-defined]  # what the heart does within a second
        context.check_cancelled()

    job = enqueue(kit, body)
    carry_out(take())
    assert (states, seen(client, job)["status"]) == (["cancel_requested"], "cancelled")


def test_what_has_ended_is_not_cancelled(kit: JobKit) -> None:
    job = enqueue(kit, nothing)
    assert work_off("default")
    with pytest.raises(IllegalTransition, match="ended already"):
        request_cancel(root_id=job.root_id, viewer=VIEWER)


def test_what_is_not_theirs_and_what_is_not_there_look_the_same(kit: JobKit) -> None:
    job = enqueue(kit, nothing)
    told = []
    for root_id in (job.root_id, uuid.uuid4()):
        with pytest.raises(TaskNotFound) as raised:
            request_cancel(root_id=root_id, viewer=Viewer(session_key="another"))
        told.append(raised.value.message)
    assert told[0] == told[1]
