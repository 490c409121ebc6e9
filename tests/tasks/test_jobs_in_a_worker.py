"""Jobs through the real broker and a real worker: carried out, stopped, killed, hung, and drained."""

import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction

from tasks.models import Attempt, Job, TaskRoot
from tasks.registry import EnqueuedJob
from tasks.services.cancelling import cancel
from tasks.services.dispatch import tick
from tests.child import database_url
from tests.config.conftest import Program
from tests.working_jobs import forking, hogging, killed, lasting, quick, stubborn, told_to_end

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

PATIENCE_SECONDS = 40.0


@pytest.fixture
def worker(broker: object, transactional_db: None) -> Iterator[Program]:
    """Run a real worker of one process, whose leases and times of grace are short."""
    command = [sys.executable, "-m", "celery", "-A", "tests.working_jobs", "worker", "-c", "1", "-l", "INFO"]
    program = Program(
        [
            *command,
            "-Q",
            settings.STEPLINE_QUEUES[0],
            "--without-mingle",
            "--without-gossip",
            "-n",
            f"{uuid.uuid4()}@%h",
        ],
        variables={
            "DATABASE_URL": database_url(),
            "LOG_LEVEL": "INFO",
            "STEPLINE_LEASE_SECONDS": "3",
            "STEPLINE_CANCEL_GRACE_SECONDS": "1",
            "STEPLINE_TEST_SITE_LIMIT": "1",
        },
    )
    try:
        program.wait_for(r" ready\.")
        yield program
    finally:
        if program.process.poll() is None:
            os.killpg(program.process.pid, signal.SIGKILL)
        program.close()


def ended(job: EnqueuedJob) -> TaskRoot:
    """Do what the dispatcher does until a job has ended, and return its root."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not TaskRoot.objects.filter(pk=job.root_id, closed=True).exists():
        assert time.monotonic() < until, f"it is {Job.objects.get(pk=job.root_id).status} still"
        tick()
        time.sleep(0.05)
    return TaskRoot.objects.get(pk=job.root_id)


def written(file: Path) -> str:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, "it didn't begin"
        time.sleep(0.02)
    return file.read_text()


def test_a_job_is_carried_out_wherever_it_was_enqueued(worker: Program) -> None:
    jobs = [quick.enqueue(value=1)]
    with transaction.atomic():
        jobs.append(quick.enqueue(value=2))
    jobs += [quick.enqueue(value=value) for value in range(3, 23)]
    results = [ended(job).result for job in jobs]
    assert [result["value"] for result in results] == list(range(1, 23))
    # One process has done them all, with one connection.
    assert len({result["process"] for result in results}) == 1


def test_many_jobs_need_few_hints(worker: Program) -> None:
    jobs = [quick.enqueue(value=value) for value in range(200)]
    assert [ended(job).result["value"] for job in jobs] == list(range(200))


def test_work_that_does_not_stop_is_ended_and_its_process_replaced(worker: Program, tmp_path: Path) -> None:
    job = stubborn.enqueue(file=str(tmp_path / "begun"))
    process = int(written(tmp_path / "begun"))
    cancel(root_id=job.root_id, reason="not needed")
    root = ended(job)
    assert (root.status, root.result) == ("cancelled", None)
    # The worker goes on, in another process.
    assert ended(quick.enqueue()).result["process"] != process
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_process_that_hangs_altogether_is_ended_and_its_job_handed_on(worker: Program) -> None:
    job = hogging.enqueue()
    root = ended(job)
    assert (root.status, root.result) == ("completed", "done")
    row = Job.objects.get(pk=job.root_id)
    assert (row.attempt, row.losses, Attempt.objects.get(job=row).outcome) == (1, 1, "lost")
    assert "Timeout" in worker.output


def test_a_worker_that_is_killed_consumes_no_attempt(worker: Program) -> None:
    job = killed.enqueue()
    assert ended(job).result == 2
    row = Job.objects.get(pk=job.root_id)
    assert (row.attempt, row.losses) == (1, 2)


def test_a_process_that_is_told_to_end_hands_its_job_on_at_once_and_fails_nothing(
    worker: Program, tmp_path: Path
) -> None:
    # As systemd and supervisors do that stop a whole group, and Celery itself in a cold shutdown.
    job = told_to_end.enqueue(file=str(tmp_path / "begun"))
    os.kill(int(written(tmp_path / "begun")), signal.SIGTERM)
    assert ended(job).result == "done"
    row = Job.objects.get(pk=job.root_id)
    assert (row.attempt, row.losses, Attempt.objects.filter(job=row).exists()) == (1, 0, False)


def test_a_copy_of_the_worker_that_a_job_forks_ends_with_its_function(worker: Program) -> None:
    assert ended(forking.enqueue()).result == 1
    assert ended(quick.enqueue(value=7)).result["value"] == 7


def test_a_time_limit_for_a_site_s_own_tasks_is_none_of_its_jobs(worker: Program, tmp_path: Path) -> None:
    job = lasting.enqueue(file=str(tmp_path / "begun"))
    assert ended(job).result == "done"
    assert Job.objects.get(pk=job.root_id).losses == 0


def test_a_worker_that_is_asked_to_stop_does_what_it_has_and_begins_nothing(worker: Program, tmp_path: Path) -> None:
    first, second = lasting.enqueue(file=str(tmp_path / "begun")), quick.enqueue()
    written(tmp_path / "begun")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(20) == 0
    assert TaskRoot.objects.get(pk=first.root_id).result == "done"
    assert Job.objects.get(pk=second.root_id).status == "pending"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's connection is a file")
def test_a_database_that_was_started_anew_is_connected_to_again(worker: Program) -> None:
    ended(quick.enqueue())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert ended(quick.enqueue(value=7)).result["value"] == 7
