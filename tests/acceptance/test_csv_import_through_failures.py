"""csv-import goes on through what happens to servers: killed workers, a flushed or killed broker, a restart."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tasks.domain.tree import Tree
from tests.acceptance.conftest import Stack, Visitor, running_stack, start_stack
from tests.config.conftest import watched

pytestmark = pytest.mark.acceptance

POSTGRES = os.environ.get("STEPLINE_TEST_POSTGRES_URL") or "postgres://postgres@127.0.0.1:5432/stepline"
REDIS = os.environ.get("STEPLINE_TEST_REDIS_URL") or "redis://127.0.0.1:6379/13"


def follow_until(visitor: Visitor, task: Any, *, alias: str) -> list[dict[str, Any]]:
    """Return the updates up to the first progress of an action."""
    updates: list[dict[str, Any]] = []
    for update in visitor.follow(task):
        updates.append(update)
        node: Any = update.get("node", {})
        if update["type"] == "nodeProgress" and node.get("alias") == alias:
            return updates
    raise AssertionError(f"{alias} was never seen at work: {[update['type'] for update in updates]}")


def follow_to_the_end(visitor: Visitor, task: Any, seen: list[dict[str, Any]]) -> Tree:
    """Follow on from what was seen, and return the folded whole: the fold refuses any gap, repeat or second end."""
    tree = Tree()
    for update in seen:
        tree.apply(update)
    for update in visitor.follow(task, since=tree.seq):
        tree.apply(update)
    assert tree.finished
    return tree


def expect_all_imported(stack: Stack, task: Any, tree: Tree) -> None:
    assert tree.root is not None
    assert tree.root.status == "completed", tree.reason
    assert stack.ask_database(f"models.ImportedRow.objects.filter(batch_id='{task}').count()") == "39600"
    batch = f"models.ImportBatch.objects.filter(pk='{task}').values_list('accepted', 'rejected').get()"
    assert stack.ask_database(batch) == "(39600, 400)"


def worker_children(stack: Stack) -> list[int]:
    """Return the pool processes of the Celery worker: those whose parent is a worker too."""
    workers = stack.pids(b"celery", b"worker")
    parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in workers}
    return [pid for pid, parent in parents.items() if parent in parents]


def test_a_worker_killed_in_the_middle_loses_nothing_and_repeats_no_checkpointed_action(
    stack: Stack, visitor: Visitor, many_airports: bytes
) -> None:
    task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
    seen = follow_until(visitor, task, alias="import")
    workers = stack.pids(b"celery", b"worker")
    with watched(workers) as all_end:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert all_end()
    tree = follow_to_the_end(visitor, task, seen)

    expect_all_imported(stack, task, tree)
    assert tree.root is not None
    assert [(node.alias, node.status) for node in tree.root.children] == [
        ("read", "completed"),
        ("validate", "completed"),
        ("import", "completed"),
        ("finish", "completed"),
    ]
    job = f"Job.objects.filter(pk='{task}').values_list('status', 'attempt', 'losses').get()"
    assert stack.ask_database(job) == "('completed', 1, 1)"


def test_a_flushed_broker_delays_work_and_loses_none(stack: Stack, visitor: Visitor, many_airports: bytes) -> None:
    preview = visitor.upload(many_airports)
    workers = stack.pids(b"celery", b"worker")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        task = visitor.task_of(visitor.confirm(preview))
        broker = redis.Redis(unix_socket_path=str(stack.data_folder / "run" / "valkey.sock"))
        broker.flushall()
        broker.close()
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    expect_all_imported(stack, task, follow_to_the_end(visitor, task, []))


def test_a_killed_broker_comes_back_and_the_work_with_it(stack: Stack, visitor: Visitor, many_airports: bytes) -> None:
    task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
    seen = follow_until(visitor, task, alias="validate")
    (broker,) = stack.pids(b"valkey-server")
    os.kill(broker, signal.SIGKILL)
    expect_all_imported(stack, task, follow_to_the_end(visitor, task, seen))


def test_a_killed_web_server_comes_back_and_clients_go_on_where_they_were(
    stack: Stack, visitor: Visitor, many_airports: bytes
) -> None:
    task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
    seen = follow_until(visitor, task, alias="validate")
    (web,) = stack.pids(b"uvicorn")
    before = len(stack.program.lines)
    os.kill(web, signal.SIGKILL)
    stack.program.wait_for("web is back", times=sum("web is back" in line for line in stack.program.lines[:before]) + 1)
    expect_all_imported(stack, task, follow_to_the_end(visitor, task, seen))


def test_everything_killed_at_once_goes_on_at_the_next_start(many_airports: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="stepline-acceptance-") as folder:
        first = start_stack(Path(folder))
        with closing(first.program):
            visitor = Visitor(first.address)
            task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
            seen = follow_until(visitor, task, alias="import")
            cookies = visitor.http.cookies
            visitor.http.close()
            pids = first.pids()
            with watched(pids) as all_end:
                first.program.signal(signal.SIGKILL)
                first.program.wait()
                assert all_end()

        with running_stack(Path(folder)) as second:
            visitor = Visitor(second.address)
            visitor.http.cookies.update(cookies)
            expect_all_imported(second, task, follow_to_the_end(visitor, task, seen))
            visitor.http.close()


@pytest.fixture
def scaled_out() -> Iterator[Stack]:
    """Run the stack on PostgreSQL and Redis, in a database of its own."""
    server = POSTGRES.rpartition("/")[0]
    name = f"stepline_acceptance_{os.getpid()}"
    try:
        administrator = psycopg.connect(f"{server}/postgres", connect_timeout=2, autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {server}: {error}")
    broker = redis.Redis.from_url(REDIS)
    try:
        broker.ping()
    except redis.ConnectionError as error:
        administrator.close()
        pytest.skip(f"no Redis at {REDIS}: {error}")
    with administrator, tempfile.TemporaryDirectory(prefix="stepline-acceptance-") as folder:
        administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        administrator.execute(f'CREATE DATABASE "{name}"')
        broker.flushdb()
        try:
            with running_stack(Path(folder), DATABASE_URL=f"{server}/{name}", REDIS_URL=REDIS) as stack:
                yield stack
        finally:
            administrator.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            broker.flushdb()
            broker.close()


def test_the_same_path_works_scaled_out_with_a_killed_worker_and_a_flushed_broker(
    scaled_out: Stack, many_airports: bytes
) -> None:
    assert not scaled_out.pids(b"valkey-server")
    visitor = Visitor(scaled_out.address)
    task = visitor.task_of(visitor.confirm(visitor.upload(many_airports)))
    seen = follow_until(visitor, task, alias="import")
    for pid in worker_children(scaled_out):
        os.kill(pid, signal.SIGKILL)
    broker = redis.Redis.from_url(REDIS)
    broker.flushdb()
    broker.close()
    expect_all_imported(scaled_out, task, follow_to_the_end(visitor, task, seen))
    visitor.http.close()
