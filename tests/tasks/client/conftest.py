"""A real server, a token for it, and somebody who carries out what clients start."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections

from tasks.client import Client
from tasks.models import TaskRoot
from tasks.services.api_tokens import create_api_token
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.publish import close_publisher
from tasks.services.reading import read_updates
from tasks.services.work import work_off
from tests.child import database_url
from tests.live_servers import LiveServer, live_servers
from tests.tasks.live.called.jobs import PACE, Pace, declared_here

#: How long anything may take on a machine that is busy with other tests.
PATIENCE_SECONDS = 60
SETTINGS = "tests.tasks.live.called.settings"


class Worker:
    """Carry out jobs in a thread of this process, as soon as there are any."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        try:
            while not self._over.is_set():
                if not work_off(settings.STEPLINE_QUEUES[0]):
                    self._over.wait(0.05)
        finally:
            connections.close_all()


@pytest.fixture
def user(transactional_db: None) -> User:
    return User.objects.create_user("program")


@pytest.fixture
def token(user: User) -> str:
    return create_api_token(user=user, name="test", scopes=["write"])[1]


@pytest.fixture(params=["uvicorn"])
def server(request: pytest.FixtureRequest, transactional_db: None, broker: object) -> Iterator[LiveServer]:
    with live_servers([request.param], database_url=database_url(), settings=SETTINGS) as servers:
        yield servers[request.param]


@pytest.fixture
def client(server: LiveServer, token: str) -> Client:
    return Client(server.url, token=token)


@pytest.fixture
def pace(broker: object) -> Iterator[Pace]:
    """Have the jobs of these tests, and the way to let them go on."""
    with declared_here():
        yield PACE


@pytest.fixture
def worker(pace: Pace, transactional_db: None) -> Iterator[Worker]:
    worker = Worker()
    worker.begin()
    yield worker
    pace.let_go_on(10_000)
    worker.end()
    close_publisher()
    stop_flusher()
    stop_heart()


@pytest.fixture
def log_of(transactional_db: None) -> Callable[[str], list[dict[str, Any]]]:
    """Return what the database holds of a task's log."""

    def read(task_id: str) -> list[dict[str, Any]]:
        process_flusher().drain(10)
        return [json.loads(body) for _, body in read_updates(uuid.UUID(task_id), after=0, limit=10_000)]

    return read


def bare(updates: list[Any]) -> list[dict[str, Any]]:
    """Return updates as the log has them."""
    return [{name: value for name, value in update.items() if name != "context"} for update in updates]


def started_tasks() -> int:
    return TaskRoot.objects.count()


__all__ = ["PATIENCE_SECONDS", "Worker", "bare", "started_tasks"]
