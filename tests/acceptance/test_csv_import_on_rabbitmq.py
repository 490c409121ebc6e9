"""csv-import on PostgreSQL, RabbitMQ, and LISTEN and NOTIFY: the same stack, without any Redis."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from tests.acceptance.conftest import Stack, Visitor, running_stack

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.servers,
    pytest.mark.skipif(
        not settings.CELERY_BROKER_URL.startswith("amqp"), reason="runs in the group that has a RabbitMQ"
    ),
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run the stack in a database of its own."""
    server = os.environ["TEST_DATABASE_URL"].rpartition("/")[0]
    name = f"stepline_rabbitmq_{os.getpid()}"
    with (
        psycopg.connect(f"{server}/postgres", autocommit=True) as administrator,
        tempfile.TemporaryDirectory(prefix="stepline-acceptance-") as folder,
    ):
        administrator.execute(f'CREATE DATABASE "{name}"')
        try:
            with running_stack(Path(folder), DATABASE_URL=f"{server}/{name}") as stack:
                yield stack
        finally:
            administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_an_import_is_followed_live_to_its_end_although_its_worker_is_killed(
    stack: Stack, visitor: Visitor, many_airports: bytes
) -> None:
    assert not stack.pids(b"valkey-server")
    task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
    followed: Iterator[dict[str, Any]] = visitor.follow(task)
    seen = [next(followed)]
    while seen[-1].get("node", {}).get("alias") != "import":
        seen.append(next(followed))
    for pid in stack.pids(b"celery", b"worker"):
        os.kill(pid, signal.SIGKILL)
    seen += followed
    assert [update["seq"] for update in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "taskEnd"
    assert stack.ask_database(f"models.ImportedRow.objects.filter(batch_id='{task}').count()") == "39600"
