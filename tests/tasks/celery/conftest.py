"""Deliveries of Celery messages, in this process and in a real worker."""

import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.app.trace import build_tracer
from django.conf import settings
from django.contrib.auth.models import User

from config.celery import app
from tasks.celery_tasks import TrackedTask
from tasks.celery_tasks.run import HEADER, Run, begin_run
from tasks.models import TaskRoot, Update
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import process_heart, stop_heart
from tests.child import database_url
from tests.config.conftest import Program

PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    yield
    # Their threads have connections to the test's database.
    stop_flusher()
    stop_heart()


Deliver = Callable[..., Any]


@pytest.fixture
def deliver() -> Deliver:
    """Return what runs a task as a worker's process does when a message comes: `deliver(task, args, id=…, **request)`.

    It may be called twice for one id, as a broker may deliver twice.
    """

    def run(task: Any, args: tuple[object, ...] = (), *, id: str, kwargs: object = None, **request: object) -> Any:
        tracer = build_tracer(task.name, app.tasks[task.name], app=app)
        message = {"id": id, "task": task.name, "retries": 0, "is_eager": False, "delivery_info": {}, **request}
        return tracer(id, args, kwargs or {}, message)

    return run


@pytest.fixture
def die_midway() -> Iterator[Callable[..., Run]]:
    """Return what begins a task and leaves it where the death of its process would: its run is returned."""
    runs: list[Run] = []

    def begin(task: TrackedTask, id: str, *, owner: User | None = None) -> Run:
        header = {HEADER: {"user": owner.pk}} if owner is not None else {}
        task.push_request(id=id, args=(), kwargs={}, called_directly=False, **header)
        try:
            run = begin_run(task)
        finally:
            task.pop_request()
        assert run is not None
        process_heart().let_go(run)
        run.recorder.start("Half done")
        run.recorder.flush()
        runs.append(run)
        return run

    yield begin
    for run in runs:
        process_flusher().forget(run.recorder)


def root_of(result: object) -> TaskRoot:
    return TaskRoot.objects.get(pk=uuid.UUID(str(getattr(result, "id", result))))


def types_of(root: TaskRoot) -> list[str]:
    bodies = Update.objects.filter(root=root).values_list("body", flat=True)
    return [json.loads(body)["type"] for body in bodies]


def updates_of(root: TaskRoot, kind: str) -> list[dict[str, Any]]:
    bodies = Update.objects.filter(root=root).values_list("body", flat=True)
    return [update for update in map(json.loads, bodies) if update["type"] == kind]


def wait_until(condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Look until something that another process writes is there."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it didn't happen in time"
        time.sleep(0.02)


def ended(result: object) -> TaskRoot:
    """Return a task's root once it has ended."""
    key = uuid.UUID(str(getattr(result, "id", result)))
    wait_until(lambda: TaskRoot.objects.filter(pk=key, closed=True).exists())
    return TaskRoot.objects.get(pk=key)


@pytest.fixture(scope="module")
def worker(broker: object, django_db_setup: None) -> Iterator[Program]:
    """Run a real worker of two processes on this test's database and broker, for all tests of a module."""
    command = [sys.executable, "-m", "celery", "-A", "tests.tracked_tasks", "worker"]
    queue = settings.STEPLINE_QUEUES[0]
    program = Program(
        [
            *command,
            "-Q",
            queue,
            "-c",
            "2",
            "-l",
            "INFO",
            "--without-mingle",
            "--without-gossip",
            "-n",
            f"{uuid.uuid4()}@%h",
        ],
        variables={"DATABASE_URL": database_url(), "LOG_LEVEL": "INFO"},
    )
    try:
        program.wait_for(r" ready\.")
        yield program
    finally:
        # At once: a worker that is asked to stop waits for what it has, and nobody waits for that.
        os.killpg(program.process.pid, signal.SIGKILL)
        program.close()
