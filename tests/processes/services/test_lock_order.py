"""The lock order of runs and their parts, where rows are locked one by one: nobody waits in a circle."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction

from processes.domain.run_status import RunStatus
from processes.models import FanOut, Run
from processes.services.fan_out import child_ended
from processes.services.giving_up import give_up
from processes.services.inbox import lock_run
from tasks.domain.updates import UpdateType, draft
from tasks.models import Job
from tasks.services import prepared
from tasks.services.claims import claim
from tasks.services.cursors import is_postgresql
from tasks.services.log import append_updates
from tasks.services.recorder import Recorder
from tasks.services.work import carry_out
from tests.processes.services.test_parts_of_runs import children, each
from tests.tasks.celery.conftest import wait_until

pytestmark = pytest.mark.usefixtures("on_postgresql")

#: Somebody waits for a lock that this test holds.
_BLOCKED = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


@pytest.fixture
def on_postgresql(transactional_db: None) -> None:
    if not is_postgresql():
        pytest.skip("SQLite has one lock, for the whole database.")


@contextmanager
def meanwhile(deed: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Do something beside the test, in a connection of its own; it is over behind the block, with what it raised."""
    raised: list[BaseException] = []

    def do() -> None:
        try:
            deed()
        except BaseException as error:  # noqa: BLE001 - which one it is, is the question
            raised.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=do)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(30)
        assert not thread.is_alive()


def is_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_BLOCKED)
        return cursor.fetchone() is not None


def spread(kit: Any, *, items: int) -> uuid.UUID:
    """Leave a run that waits for its parts, none of which has begun."""
    run_id: uuid.UUID = kit.start(*each(kit, kit.note("item"), items=list(range(items))))
    held = claim(queue="default", worker="w")
    assert held is not None
    carry_out(held)
    return run_id


def end(child: Run) -> None:
    """End a part as whoever carries it on does."""
    with transaction.atomic():
        lock_run(child.pk)
        child_ended(child, (), status=RunStatus.COMPLETED)


def test_the_last_part_s_end_takes_the_parent_s_job_before_its_log(kit: Any) -> None:
    run_id = spread(kit, items=1)
    [child] = children(run_id)
    locked = threading.Event()

    def end_of_the_part() -> None:
        assert locked.wait(30)
        end(child)

    with meanwhile(end_of_the_part) as raised, transaction.atomic():
        lock_run(run_id)
        locked.set()
        wait_until(is_blocked)
        append_updates(root_id=run_id, drafts=[draft(UpdateType.TASK_STATUS, status="waiting")])
    assert raised == []
    assert FanOut.objects.get().standing == "failed"


def test_a_parent_that_ends_passes_over_what_a_part_s_end_has_locked_and_comes_back_to_it(kit: Any) -> None:
    run_id = spread(kit, items=3)
    locked, goes_on = threading.Event(), threading.Event()

    def end_of_a_part() -> None:
        with transaction.atomic():
            FanOut.objects.select_for_update().get()
            locked.set()
            assert goes_on.wait(30)
            lock_run(run_id)

    with meanwhile(end_of_a_part) as raised:
        assert locked.wait(30)
        with transaction.atomic():
            lock_run(run_id)
            goes_on.set()
            wait_until(is_blocked)
            give_up(run_id)
    assert raised == []
    assert FanOut.objects.get().standing == "failed"
    assert {job.status for job in Job.objects.exclude(pk=run_id)} == {"cancelled"}


def test_a_checkpoint_that_changes_its_run_takes_the_job_before_the_log_and_the_run(kit: Any) -> None:
    run_id = kit.start({"name": "a", "script": kit.note("a")})
    held = claim(queue="default", worker="w")
    assert held is not None
    recorder = Recorder(root_id=run_id, title="", fence=held.fence)
    locked = threading.Event()

    def write() -> None:
        assert locked.wait(30)
        with recorder.checkpoint() as checkpoint:
            checkpoint.write_whole([prepared.change(Run, run_id, {"status": "running"})])

    with meanwhile(write) as raised, transaction.atomic():
        lock_run(run_id)
        locked.set()
        wait_until(is_blocked)
        # As whoever has locked a run does; the checkpoint would hold it otherwise.
        append_updates(root_id=run_id, drafts=[draft(UpdateType.TASK_STATUS, status="running")])
    assert raised == []
    assert Run.objects.get(pk=run_id).status == "running"
