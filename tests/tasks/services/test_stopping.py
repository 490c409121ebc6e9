"""Work that has to stop: asked, interrupted, and at last ended in its place."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections, transaction
from django.utils.translation import override

from tasks import subtask
from tasks.errors import TaskCancelled
from tasks.models import Attempt, Job, Node, TaskRoot
from tasks.registry import JobContext
from tasks.services import heartbeat
from tasks.services.cancelling import cancel
from tasks.services.claims import claim
from tasks.services.heartbeat import Heart, Leased
from tasks.services.hold import Hold
from tasks.services.work import carry_out, work_off

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 60.0


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Beat often, and give little time to stop."""
    settings.STEPLINE_CANCEL_GRACE_SECONDS = 0.3
    heart = Heart(beat_seconds=0.05)
    monkeypatch.setattr("tasks.services.work.process_heart", lambda: heart)
    yield
    heart.stop()


def asked_for_its_end(context: JobContext) -> None:
    cancel(root_id=context.id, reason="not needed")


def row(job: Any) -> Job:
    return Job.objects.get(pk=job.root_id)


def test_work_that_looks_out_for_it_stops_by_itself(kit: Any) -> None:
    seen: list[str] = []

    def body(context: JobContext) -> None:
        asked_for_its_end(context)
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            try:
                context.check_cancelled()
            except TaskCancelled:
                seen.append("tidied up")
                raise
            time.sleep(0.01)

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, seen) == ("cancelled", ["tidied up"])


def test_work_that_doesn_t_is_interrupted_after_a_time_of_grace_in_the_middle_of_a_wait(kit: Any) -> None:
    began = time.monotonic()

    def body(context: JobContext) -> None:
        asked_for_its_end(context)
        with subtask("Waiting"):
            time.sleep(LONG)

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert 0.3 <= time.monotonic() - began < LONG / 2
    assert row(job).status == "cancelled"
    assert Node.objects.get(root_id=job.root_id).status == "cancelled"


def test_why_it_ended_is_told_in_the_site_s_language(kit: Any) -> None:
    def cancelled(context: JobContext) -> None:
        asked_for_its_end(context)
        time.sleep(LONG)

    def late(context: JobContext) -> None:
        time.sleep(LONG)

    jobs = [kit.declare(cancelled).enqueue(), kit.declare(late, timeout_seconds=0.2).enqueue()]
    with override("de"):
        assert work_off("default")
        assert work_off("default")
    assert [TaskRoot.objects.get(pk=job.root_id).error for job in jobs] == [
        "not needed; es wurde unterbrochen",
        "JobTimeout: Es hat länger als 0.2 Sekunden gedauert.",
    ]


def test_an_interruption_is_not_swallowed_by_work_that_catches_every_exception(kit: Any) -> None:
    def body(context: JobContext) -> None:
        asked_for_its_end(context)
        try:
            time.sleep(LONG)
        except Exception:  # noqa: BLE001 - what this is about
            time.sleep(LONG)

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert row(job).status == "cancelled"


def test_what_tidies_up_is_not_interrupted_again(kit: Any) -> None:
    seen: list[str] = []

    def body(context: JobContext) -> None:
        asked_for_its_end(context)
        try:
            time.sleep(LONG)
        finally:
            # Several beats long, and shorter than the time of grace.
            time.sleep(0.2)
            seen.append("tidied up")

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, seen) == ("cancelled", ["tidied up"])


def test_the_next_job_finds_a_sound_connection_whatever_was_broken_off(kit: Any) -> None:
    def body(context: JobContext) -> None:
        # As if broken off at the very end of entering a transaction.
        connection.set_autocommit(False)
        connection.in_atomic_block = True
        asked_for_its_end_elsewhere(context)
        time.sleep(LONG)

    kit.declare(body).enqueue()
    assert work_off("default")
    assert not connection.in_atomic_block
    after = kit.enqueue(lambda context: None)
    assert work_off("default")
    assert row(after).status == "completed"


def asked_for_its_end_elsewhere(context: JobContext) -> None:
    context.hold.cancel_requested = True  # type: ignore[attr-defined]


def test_work_that_holds_its_own_row_for_long_loses_no_claim(kit: Any, settings: Any) -> None:
    settings.STEPLINE_LEASE_SECONDS = 1.0

    def body(context: JobContext) -> str:
        with transaction.atomic():
            context.save("begun")
            time.sleep(1.5)
        return "done"

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, row(job).attempt, row(job).losses) == ("completed", 1, 0)


def test_a_coroutine_is_cancelled_and_may_tidy_up(kit: Any) -> None:
    seen: list[str] = []

    async def body(context: JobContext) -> None:
        await sync_to_async(asked_for_its_end)(context)
        try:
            await asyncio.sleep(LONG)
        finally:
            seen.append("tidied up")

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, seen) == ("cancelled", ["tidied up"])


def test_work_in_another_thread_than_the_main_one_is_interrupted_too(kit: Any) -> None:
    def body(context: JobContext) -> None:
        asked_for_its_end(context)
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            time.sleep(0.01)

    job = kit.declare(body).enqueue()

    def work() -> None:
        work_off("default")
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LONG / 2)
    assert not thread.is_alive()
    assert row(job).status == "cancelled"


def test_an_attempt_that_takes_too_long_fails_and_the_job_is_tried_again(kit: Any) -> None:
    def body(context: JobContext) -> str:
        if not context.is_retry:
            time.sleep(LONG)
        return "done"

    job = kit.declare(body, timeout_seconds=0.2, attempts=2, delay_seconds=0).enqueue()
    assert work_off("default")
    assert row(job).status == "retry"
    attempt = Attempt.objects.get(job_id=job.root_id)
    assert (attempt.number, attempt.outcome, attempt.error["code"]) == (1, "timed_out", "timed_out")
    assert work_off("default")
    assert (row(job).status, TaskRoot.objects.get(pk=job.root_id).result) == ("completed", "done")


def test_an_attempt_that_looks_out_for_it_hears_that_its_time_is_over(kit: Any) -> None:
    def body(context: JobContext) -> None:
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            context.check_cancelled()

    job = kit.declare(body, timeout_seconds=0.1).enqueue()
    assert work_off("default")
    assert (row(job).status, row(job).error["code"]) == ("failed", "timed_out")


def test_the_time_of_an_attempt_is_its_own(kit: Any) -> None:
    def body(context: JobContext) -> None:
        time.sleep(0.15)
        if context.attempt < 3:
            raise RuntimeError

    job = kit.declare(body, timeout_seconds=5, attempts=3, delay_seconds=0).enqueue()
    while row(job).status in {"pending", "retry"}:
        work_off("default")
    assert row(job).status == "completed"


def test_a_worker_that_can_t_show_a_sign_of_life_stops_before_its_lease_is_over(
    kit: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STEPLINE_LEASE_SECONDS = 1.0
    monkeypatch.setattr("tasks.services.hold.heartbeat", _away)
    stopped_after: list[float] = []

    def body(context: JobContext) -> None:
        began = time.monotonic()
        try:
            time.sleep(LONG)
        finally:
            stopped_after.append(time.monotonic() - began)

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert 0.5 < stopped_after[0] < 1.0
    # Nothing was written: whoever takes over tells the rest.
    assert row(job).status == "running"


def _away(**_: object) -> None:
    raise ConnectionError("the database is away")


class _Stubborn:
    """Be work that nothing in the interpreter breaks off: a wait that catches whatever comes and goes on."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def __call__(self) -> None:
        while not self.event.is_set():
            try:
                self.event.wait(0.05)
            except BaseException:  # noqa: BLE001 - that is its stubbornness
                continue


@pytest.mark.parametrize("why", ["cancelled", "timed_out"])
def test_work_that_can_t_be_stopped_is_ended_in_its_place_and_stores_nothing_more(kit: Any, why: str) -> None:
    ended = threading.Event()

    def body(context: JobContext) -> str:
        if why == "cancelled":
            asked_for_its_end(context)
        _Stubborn(ended)()
        return "too late"

    options = {"timeout_seconds": 0.1, "attempts": 2, "delay_seconds": 600} if why == "timed_out" else {}
    job = kit.declare(body, **options).enqueue()
    held = claim(queue="default", worker="w")
    assert held is not None

    def end() -> None:
        deadline = time.monotonic() + LONG / 2
        while time.monotonic() < deadline and Job.objects.get(pk=job.root_id).fence == held.fence:
            time.sleep(0.02)
        ended.set()
        connections.close_all()

    watcher = threading.Thread(target=end)
    watcher.start()
    carry_out(held)
    watcher.join()
    state = row(job)
    assert (state.status, state.fence) == ("cancelled" if why == "cancelled" else "retry", held.fence + 1)
    assert TaskRoot.objects.get(pk=job.root_id).result is None


def test_work_that_was_taken_over_is_stopped_and_stores_nothing(kit: Any) -> None:
    def body(context: JobContext) -> str:
        Job.objects.filter(pk=context.id).update(fence=99)
        time.sleep(LONG)
        return "too late"

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, TaskRoot.objects.get(pk=job.root_id).result) == ("running", None)


def test_sys_exit_in_a_job_fails_it_and_not_the_worker(kit: Any) -> None:
    job = kit.declare(lambda context: sys.exit(3)).enqueue()
    assert work_off("default")
    assert (row(job).status, row(job).error["code"]) == ("failed", "SystemExit")


def test_what_a_job_cancels_of_its_own_does_not_cancel_the_job(kit: Any) -> None:
    async def body(context: JobContext) -> None:
        raise asyncio.CancelledError

    job = kit.declare(body).enqueue()
    assert work_off("default")
    assert (row(job).status, row(job).error["code"]) == ("failed", "RuntimeError")


_DEAD_MAN = """
import ctypes, sys, time
from tasks.services import dead_man
dead_man.allow_exit()
dead_man.arm(0.3)
print("armed", flush=True)
if sys.argv[1] == "hogging":
    # C code that never lets go of the interpreter: no thread of Python's runs meanwhile.
    ctypes.PyDLL(None).sleep(30)
dead_man.disarm()
time.sleep(0.6)
print("alive", flush=True)
"""


@pytest.mark.parametrize(("how", "survives"), [("hogging", False), ("letting others run", True)])
def test_the_dead_man_s_timer_ends_a_process_whose_threads_can_t_run(how: str, survives: bool) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _DEAD_MAN, how],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ("alive" in process.stdout, process.returncode == 0) == (survives, survives)
    # It tells where it hung.
    assert ("Timeout" in process.stderr) is not survives


@pytest.mark.parametrize("is_job", [True, False])
def test_only_work_that_others_take_over_has_its_process_ended(monkeypatch: pytest.MonkeyPatch, is_job: bool) -> None:
    armed, beaten = threading.Event(), threading.Event()
    monkeypatch.setattr("tasks.services.heartbeat.dead_man.arm", lambda seconds: armed.set())

    class Silent(Leased):
        root_id = uuid.uuid4()

        def beat(self) -> None:
            beaten.set()

    class Claimed(Silent):
        ends_process = True

    heart = Heart(beat_seconds=0.02)
    with heart.holding(Claimed() if is_job else Silent()):
        assert beaten.wait(10)
    heart.stop()
    assert armed.is_set() is is_job


def test_nothing_is_armed_where_the_process_may_not_be_ended(kit: Any) -> None:
    heartbeat.dead_man.arm(0.01)
    assert not heartbeat.dead_man.is_armed()
    assert not heartbeat.dead_man.end_process()


def test_a_lock_that_keeps_everybody_out_costs_no_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one lock for all")

    def locked(**_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("tasks.services.hold.heartbeat", locked)
    heart = Heart(beat_seconds=0.02)
    hold = Hold(root_id=uuid.uuid4(), fence=1, lease_seconds=0.2)
    with heart.holding(hold):
        assert not hold.wait(0.6)
    heart.stop()
    assert not hold.lost
