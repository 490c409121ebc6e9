"""`start_task`: a tree that is there at once, ends as its work does, and is never in anybody's way."""

import asyncio
import contextvars
import dataclasses
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone
from pydantic import BaseModel

from tasks import Task, current_node, output, progress, register_meta, start_task, step, subtask
from tasks.domain.meta import metas
from tasks.errors import InvalidMeta, StaleFence, TaskCancelled
from tasks.models import TaskRoot
from tasks.services import dispatch
from tasks.services.dispatch import end_stale_roots
from tasks.services.flusher import process_flusher
from tasks.services.roots import Owner
from tasks.services.trees import TreeRecorder
from tests.child import child
from tests.tasks.conftest import Trees
from tests.together import together


def fail_in_a_block() -> None:
    with start_task("Import") as task, subtask("Outer"), task.subtask("Inner"):
        raise ValueError("bad row")


def test_a_task_is_in_the_database_as_soon_as_it_is_started(trees: Trees) -> None:
    task = start_task("Import", total=3, meta={"file": "a.csv"})
    root = TaskRoot.objects.get(pk=task.id)
    assert (root.title, root.status, root.total, root.meta) == ("Import", "running", 3, {"file": "a.csv"})
    assert root.lease_until is not None
    task.close()
    assert TaskRoot.objects.get(pk=task.id).closed


def test_a_block_completes_its_task(trees: Trees) -> None:
    with start_task("Import", total=2) as task:
        assert current_node() is task.node
        step()
        step()
        output("two rows")
        with subtask("Check", total=1):
            progress(1, message="fine")
    assert current_node() is not task.node
    tree = trees.read(task.id)
    assert tree.status == "completed"
    assert tree.root is not None
    assert (tree.root.current, tree.root.output) == (2, "two rows\n")
    assert [(child.title, child.status, child.current) for child in tree.root.children] == [("Check", "completed", 1)]


def test_a_block_that_raises_fails_its_task_and_what_is_below(trees: Trees) -> None:
    with pytest.raises(ValueError, match="bad row"):
        fail_in_a_block()
    root = TaskRoot.objects.get()
    assert trees.shape(root.pk) == dict.fromkeys(["Import", "Outer", "Inner"], ("failed", "bad row"))
    assert trees.types(root.pk)[-1] == "taskError"


def test_a_block_that_is_cancelled_cancels_its_task(trees: Trees) -> None:
    task = start_task("Import")

    def work() -> None:
        with task:
            task.subtask("Below")
            raise TaskCancelled("enough")

    with pytest.raises(TaskCancelled):
        work()
    assert trees.shape(task.id) == dict.fromkeys(["Import", "Below"], ("cancelled", "enough"))
    assert trees.types(task.id)[-1] == "taskAborted"


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "completed"), (ValueError("no"), "failed"), (TaskCancelled("no"), "cancelled")],
)
def test_a_task_ends_as_an_error_says(trees: Trees, error: Exception | None, status: str) -> None:
    task = start_task("Import")
    task.err(error)
    assert trees.read(task.id).status == status


def test_a_task_in_asyncio_code(trees: Trees) -> None:
    async def work() -> tuple[object, bool]:
        task = start_task("Import")
        async with task:
            found = await TaskRoot.objects.filter(pk=task.id).aexists()
            async with subtask("Part"):
                step(2)
            await asyncio.gather(*(report(number) for number in range(3)))
        return task.id, found

    async def report(number: int) -> None:
        async with subtask(f"Coroutine {number}"):
            await asyncio.sleep(0)
            step(number)

    task_id, found = asyncio.run(work())
    assert found
    root = trees.read(task_id).root  # type: ignore[arg-type]
    assert [(node.title, node.current) for node in root.children] == [  # type: ignore[union-attr]
        ("Part", 2), ("Coroutine 0", 0), ("Coroutine 1", 1), ("Coroutine 2", 2),
    ]  # fmt: skip


def test_a_task_that_is_awaited_can_be_found(trees: Trees) -> None:
    async def work() -> bool:
        task = await start_task("Import")
        return await TaskRoot.objects.filter(pk=task.id).aexists()

    assert asyncio.run(work())


def test_a_cancelled_coroutine_cancels_its_task(trees: Trees) -> None:
    async def work() -> None:
        inside = asyncio.Event()

        async def hang() -> None:
            async with start_task("Import"), subtask("Below"):
                inside.set()
                await asyncio.sleep(60)

        coroutine = asyncio.create_task(hang())
        await inside.wait()
        coroutine.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coroutine

    asyncio.run(work())
    assert {status for status, _ in trees.shape(TaskRoot.objects.get().pk).values()} == {"cancelled"}


def test_a_generator_that_is_closed_elsewhere_ends_its_nodes(trees: Trees) -> None:
    def parts() -> Iterator[int]:
        with subtask("Part"):
            yield 1

    with start_task("Import") as task:
        generator = parts()
        contextvars.copy_context().run(next, generator)
        generator.close()  # type: ignore[attr-defined]
        assert trees.shape(task.id)["Part"][0] == "cancelled"


def test_an_async_generator_that_is_left_ends_its_nodes(trees: Trees) -> None:
    async def work() -> list[str]:
        closed = asyncio.Event()

        async def parts() -> AsyncIterator[int]:
            try:
                async with subtask("Part"):
                    yield 1
            finally:
                closed.set()

        async with start_task("Import") as task:
            async for _ in parts():
                break
            # asyncio closes it, in a task of its own.
            async with asyncio.timeout(10):
                await closed.wait()
            return [node.status.value for node in task.node.recorder._open.values()]  # type: ignore[attr-defined]

    assert asyncio.run(work()) == []
    assert trees.shape(TaskRoot.objects.get().pk)["Part"][0] == "cancelled"


def test_a_coroutine_that_is_cancelled_before_its_task_is_found_cancels_it(trees: Trees) -> None:
    user = User.objects.create(username="owner")
    locked, done = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            locked.set()
            assert done.wait(10)

    async def work() -> None:
        async with start_task("Import", owner=user):
            raise AssertionError("nobody can find it yet")

    async def leave() -> None:
        coroutine = asyncio.create_task(work())
        await asyncio.sleep(0)  # … after which it waits
        coroutine.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coroutine
        done.set()

    def cancel() -> None:
        assert locked.wait(10)
        asyncio.run(leave())

    together(lock, cancel)
    assert process_flusher().drain(10)
    assert trees.types(TaskRoot.objects.get().pk)[-1] == "taskAborted"


def test_a_subtask_decorates_functions_and_coroutines(trees: Trees) -> None:
    @subtask("Sync")
    def add(a: int, b: int) -> int:
        step()
        return a + b

    @subtask("Async")
    async def multiply(a: int, b: int) -> int:
        step()
        return a * b

    with start_task("Sums") as task:
        assert add(1, 2) + add(3, 4) == 10
        assert asyncio.run(multiply(2, 3)) == 6
    root = trees.read(task.id).root
    assert root is not None
    assert [(node.title, node.current) for node in root.children] == [("Sync", 1), ("Sync", 1), ("Async", 1)]
    assert add.__name__ == "add"


def test_threads_report_to_the_node_that_they_are_given(trees: Trees) -> None:
    with start_task("Import") as task:
        parts = [task.subtask(f"Part {number}") for number in range(3)]

        def work(number: int) -> None:
            with parts[number]:
                for _ in range(100):
                    step()
                output(f"from {number}")

        together(*(lambda number=number: work(number) for number in range(3)))
        copied = contextvars.copy_context()
        thread = threading.Thread(target=copied.run, args=(output, "from a thread with this context"))
        thread.start()
        thread.join()

        def activated() -> None:
            with task.activate():
                output("activated")

        together(activated)
    root = trees.read(task.id).root
    assert root is not None
    assert [(node.current, node.output) for node in root.children] == [(100, f"from {n}\n") for n in range(3)]
    assert root.output == "from a thread with this context\nactivated\n"


def test_a_task_survives_the_rollback_of_whoever_starts_it(trees: Trees) -> None:
    task: Task | None = None

    def work() -> None:
        nonlocal task
        with transaction.atomic():
            User.objects.create(username="gone")
            task = start_task("Import")
            task.output("still here")
            task.close()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert task is not None
    assert not User.objects.exists()
    assert trees.read(task.id).status == "completed"


def test_a_caller_that_holds_the_write_lock_is_not_held_up(trees: Trees) -> None:
    with transaction.atomic():
        User.objects.create(username="locks")
        before = time.monotonic()
        with start_task("Import") as task:
            task.step()
        took = time.monotonic() - before
    # What can't be written waits for the end of the transaction, its caller doesn't.
    assert took < 2
    assert trees.read(task.id).status == "completed"


def test_an_owner_whose_row_is_locked_holds_up_nobody(trees: Trees) -> None:
    user = User.objects.create(username="owner")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        before = time.monotonic()
        with start_task("Import", owner=user) as task:
            task.step()
        assert time.monotonic() - before < 2
    assert trees.read(task.id).status == "completed"
    assert TaskRoot.objects.get(pk=task.id).owner_id == user.pk


def test_an_owner_who_is_never_committed_costs_no_tree(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.services.trees.MISSING_SECONDS", 0.0)
    task = start_task("Import", owner=Owner(user_id=987_654))
    task.close()
    assert trees.read(task.id).status == "completed"
    assert TaskRoot.objects.get(pk=task.id).owner_id is None


def test_what_is_reported_after_the_end_is_dropped(trees: Trees) -> None:
    task = start_task("Import")
    part = task.subtask("Part")
    task.close()
    task.step()
    task.output("late")
    task.set_meta({"late": True})
    task.subtask("Late").step()
    part.fail("late")
    task.fail("late")
    assert trees.shape(task.id) == {"Import": ("completed", None), "Part": ("completed", None)}
    assert trees.types(task.id)[-1] == "taskEnd"


def test_a_node_below_a_failed_one_fails_with_it(trees: Trees) -> None:
    with start_task("Import") as task:
        part = task.subtask("Part")
        part.fail("broken")
        part.subtask("Begun by a thread that has not noticed")
    assert trees.shape(task.id)["Begun by a thread that has not noticed"] == ("failed", "broken")


def test_a_task_started_by_another_has_its_owner_and_knows_it(trees: Trees) -> None:
    user = User.objects.create(username="owner")
    with start_task("Outer", owner=user) as outer:
        inner, detached = start_task("Inner"), start_task("Detached", detached=True)
        inner.close()
        detached.close()
    rows = {root.title: root for root in TaskRoot.objects.all()}
    assert {title: root.owner_id for title, root in rows.items()} == dict.fromkeys(rows, user.pk)
    assert rows["Inner"].parent_id == outer.id
    assert rows["Detached"].parent_id is None


def test_a_tree_is_kept_for_a_month(trees: Trees) -> None:
    with start_task("Import") as task:
        pass
    purge_at = TaskRoot.objects.get(pk=task.id).purge_at
    assert purge_at is not None
    assert purge_at > timezone.now() + timedelta(days=29)


def test_the_lease_of_a_tree_is_kept_while_its_writer_lives(trees: Trees) -> None:
    task = start_task("Import")
    TaskRoot.objects.filter(pk=task.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    recorder = task.node.recorder  # type: ignore[attr-defined]
    recorder.beat()  # … too soon for another write
    assert TaskRoot.objects.filter(lease_until__lt=timezone.now()).exists()
    recorder.leased_at -= 5
    recorder.beat()
    assert end_stale_roots() == 0
    task.close()
    assert TaskRoot.objects.get(pk=task.id).lease_until is None


def test_the_tree_of_a_killed_writer_ends_with_task_error(trees: Trees) -> None:
    with child("tests.killed_tree") as ask:
        assert ask("Import")
    root = TaskRoot.objects.get()
    assert (root.title, root.closed) == ("Import", False)
    TaskRoot.objects.filter(pk=root.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    assert trees.types(root.pk)[-1] == "taskError"
    assert {status for status, _ in trees.shape(root.pk).values()} == {"failed"}


def test_a_tree_that_the_dispatcher_has_ended_takes_no_more(trees: Trees) -> None:
    task = start_task("Import")
    TaskRoot.objects.filter(pk=task.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    task.step()
    assert process_flusher().drain(10)
    with pytest.raises(StaleFence):
        task.check_cancelled()
    task.close()
    assert trees.types(task.id)[-1] == "taskError"


def test_a_process_that_ends_has_written_the_end_of_its_tasks(trees: Trees) -> None:
    # In a transaction the end can't be written before the commit on SQLite, and the process is over at once.
    with child("tests.killed_tree") as ask:
        assert not ask("commit and end")
    assert TaskRoot.objects.get().status == "completed"


def test_a_fork_takes_no_part_in_the_trees_of_its_parent(trees: Trees) -> None:
    with child("tests.killed_tree") as ask:
        assert not ask("fork")
    root = trees.read(TaskRoot.objects.get().pk).root
    assert root is not None
    assert (root.status, root.output) == ("completed", "from the parent\n")


class Rows(BaseModel):
    """Say how many rows there are."""

    accepted: int
    refused: int = 0


@dataclasses.dataclass
class Picture:
    """Say how large a picture is."""

    width: int
    height: int


class TestMeta:
    def test_a_model_is_stored_as_json(self, trees: Trees) -> None:
        with start_task("Import", meta=Rows(accepted=3)) as task:
            task.subtask("Scale").set_meta(Picture(width=2, height=3))
        root = trees.read(task.id).root
        assert root is not None
        assert root.meta == {"accepted": 3, "refused": 0}
        assert root.children[0].meta == {"width": 2, "height": 3}

    def test_a_class_checks_the_meta_of_all_nodes(self, trees: Trees) -> None:
        with start_task("Import", meta_model=Rows, meta={"accepted": "3"}) as task:
            part = task.subtask("Part")
            with pytest.raises(InvalidMeta, match="accepted") as caught:
                part.set_meta({"accepted": "many"})
            part.set_meta({"accepted": 4})
        assert caught.value.code == "invalid_meta"
        assert caught.value.fields["mistakes"][0]["path"] == "accepted"
        root = trees.read(task.id).root
        assert root is not None
        assert root.meta == {"accepted": 3, "refused": 0}
        assert root.children[0].meta == {"accepted": 4, "refused": 0}

    def test_a_task_with_bad_meta_is_not_started(self, trees: Trees) -> None:
        with pytest.raises(InvalidMeta):
            start_task("Import", meta_model=Rows, meta={"accepted": None})
        with pytest.raises(InvalidMeta):
            start_task("Import", meta={"file": object()})
        assert not TaskRoot.objects.exists()

    def test_a_site_may_have_one_class_for_all(self, trees: Trees) -> None:
        register_meta(Rows, default=True)
        try:
            with pytest.raises(InvalidMeta):
                start_task("Import", meta={"file": "a"})
            with start_task("Scale", meta_model=Picture, meta={"width": 1, "height": 1}):
                pass
        finally:
            metas.remove(Rows)


def test_a_task_is_started_only_where_django_is_set_up() -> None:
    program = (
        "from tasks import start_task, shared_subtask, subtask, step, output, output_writer, set_meta\n"
        "from tasks.errors import NotConnected\n"
        "ran = []\n"
        "with subtask('a', total=2), shared_subtask('b') as node, output_writer('log') as log:\n"
        "    step(); output('x'); set_meta({'a': 1}); node.step(); log.write('y'); ran.append(1)\n"
        "assert ran == [1]\n"
        "try:\n"
        "    start_task('c')\n"
        "except NotConnected as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "once Django is set up" in done.stdout


@pytest.mark.django_db
def test_tests_that_roll_back_write_in_their_own_transaction(settings: Any) -> None:
    settings.STEPLINE_FLUSH_INLINE = True
    user = User.objects.create(username="owner")  # … which no other connection sees
    before = set(threading.enumerate())
    with start_task("Import", owner=user) as task:
        step(2)
        assert TaskRoot.objects.get(pk=task.id).status == "running"
    root = TaskRoot.objects.get(pk=task.id)
    assert (root.status, root.current, root.owner_id) == ("completed", 2, user.pk)
    # One of another test may end meanwhile.
    assert set(threading.enumerate()) <= before


def test_what_is_no_json_is_the_error_of_its_caller(trees: Trees) -> None:
    with pytest.raises(TypeError):
        start_task("Import", input=object())  # type: ignore[arg-type]


def test_a_tree_whose_caller_holds_the_lock_for_long_is_not_given_up(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.services.trees.GIVE_UP_SECONDS", 0.0)
    user = User.objects.create(username="owner")
    with transaction.atomic():
        # SQLite's only lock, and what the tree needs of its owner on PostgreSQL.
        User.objects.select_for_update().get(pk=user.pk)
        tries = Tries(monkeypatch)
        task = start_task("Import", owner=user)
        assert tries.failed.wait(10)
        task.check_cancelled()
    task.close()
    assert trees.read(task.id).status == "completed"


class Tries:
    """Tell when a tree has tried in vain to be written for the second time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed = threading.Event()
        self._count = 0
        note = TreeRecorder._note_failure

        def count(recorder: TreeRecorder, error: Exception) -> None:
            note(recorder, error)
            self._count += 1
            if self._count > 1:
                self.failed.set()

        monkeypatch.setattr(TreeRecorder, "_note_failure", count)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock for all")
def test_a_tree_whose_row_is_locked_holds_up_no_other(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = start_task("Locked")
    with transaction.atomic():
        TaskRoot.objects.select_for_update().get(pk=locked.id)
        tries = Tries(monkeypatch)
        locked.step()
        assert tries.failed.wait(10)
        other = start_task("Other")
        other.step()
        other.close()
        assert status_at_the_end(other) == "completed"
    locked.close()
    assert trees.read(locked.id).status == "completed"


def status_at_the_end(task: Task) -> str:
    recorder = task.node.recorder  # type: ignore[attr-defined]
    assert recorder.ended.wait(10)
    return TaskRoot.objects.get(pk=task.id).status


def test_a_writer_whose_transaction_outlasts_its_lease_keeps_its_tree(
    trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LONG_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(dispatch, "_quiet_until", 0.0)
    task = start_task("Import")
    TaskRoot.objects.filter(pk=task.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    # The dispatcher has waited for the lock, as the writer's heart has.
    assert dispatch.tick().ended == 0
    task.close()
    assert trees.read(task.id).status == "completed"


def test_a_lease_that_can_not_be_prolonged_is_tried_again_with_the_next_beat(trees: Trees) -> None:
    task = start_task("Import")
    recorder = task.node.recorder  # type: ignore[attr-defined]
    TaskRoot.objects.filter(pk=task.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    recorder.leased_at -= 5

    def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        recorder.beat()
    recorder.beat()
    assert not TaskRoot.objects.filter(lease_until__lt=timezone.now()).exists()
    task.close()


def test_what_comes_after_the_end_changes_nothing_that_waits_to_be_written(trees: Trees) -> None:
    user = User.objects.create(username="owner")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        task = start_task("Import", owner=user)
        task.step(3)
        task.close()
        task.progress(9, 20, "late")
        task.step(1)
        task.set_meta({"late": True})
    root = trees.read(task.id).root
    assert root is not None
    assert (root.current, root.total, root.message, root.meta) == (3, None, None, None)


@pytest.mark.usefixtures("unlogged")
def test_a_tree_that_can_not_begin_is_given_up(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.services.trees.GIVE_UP_SECONDS", 0.0)

    def refuse(self: object) -> bool:
        raise DatabaseError("no space")

    monkeypatch.setattr("tasks.services.trees.TreeRecorder._insert_root", refuse)
    with start_task("Import") as task:
        task.step()
        assert process_flusher().drain(10)
        # Nobody takes it over: the work goes on, untracked.
        task.check_cancelled()
    assert not TaskRoot.objects.exists()


def test_no_thread_keeps_a_task_that_nobody_holds(trees: Trees) -> None:
    recorder = weakref.ref(start_task("Dropped").node.recorder)  # type: ignore[attr-defined]
    assert trees.types(TaskRoot.objects.get().pk) == ["taskStart", "taskStatus"]
    gc.collect()
    assert recorder() is None


def test_an_error_whose_text_fails_comes_through_and_fails_its_node(trees: Trees) -> None:
    class SpeechlessError(Exception):
        def __str__(self) -> str:
            return str(self.args[1])

    with pytest.raises(SpeechlessError), start_task("Import") as task, task.subtask("Inner"):
        raise SpeechlessError("one")
    assert process_flusher().drain(5)
    root = TaskRoot.objects.get(pk=task.id)
    assert (root.status, root.error) == ("failed", "SpeechlessError")
