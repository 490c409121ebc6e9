"""The recorder keeps its four rules, and the rows it writes are the fold of its updates."""

import json
import os
import signal
import threading
import tracemalloc
import uuid
from decimal import Decimal

import pytest
from django.db import DatabaseError, DataError, OperationalError, connection, connections, transaction
from django.utils.translation import gettext_lazy

from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.errors import StaleFence
from tasks.models import Node, TaskRoot
from tasks.services.flusher import Flusher
from tasks.services.reading import read_snapshot, read_updates
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root
from tasks.tracking import output, progress, step, subtask, tracking
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root() -> TaskRoot:
    root = create_root(title="Import", owner=Owner())
    TaskRoot.objects.filter(pk=root.pk).update(fence=1, status="running")
    return root


@pytest.fixture
def recorder(root: TaskRoot) -> Recorder:
    """Return a recorder without a flusher: tests flush inline."""
    return Recorder(root_id=root.pk, title=root.title, fence=1)


def updates(root_id: uuid.UUID) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in read_updates(root_id, after=0, limit=10_000)]


def types(root_id: uuid.UUID) -> list[str]:
    return [str(update["type"]) for update in updates(root_id)]


def save(recorder: Recorder) -> None:
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        checkpoint.write()


def assert_rows_are_the_fold(root_id: uuid.UUID) -> None:
    tree = Tree()
    for update in updates(root_id):
        tree.apply(update)
    assert tree.root is not None
    shown = read_snapshot(root_id).tree
    assert [child.to_json() for child in shown.children] == [child.to_json() for child in tree.root.children]


def test_a_flush_writes_only_starts_progress_and_output(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read", alias="read")
    node.step(3)
    node.output("three\n")
    node.set_meta({"file": "a"})
    node.update({"rows": 3})
    node.complete()
    failed = recorder.start("Check")
    failed.fail("no")

    recorder.flush()

    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress", "nodeOutput", "nodeStart"]
    assert list(Node.objects.order_by("ordinal").values_list("status", "error", "meta")) == [
        ("running", "", None),
        ("running", "", None),
    ]
    assert_rows_are_the_fold(root.pk)

    save(recorder)

    assert types(root.pk)[5:] == ["nodeMeta", "nodeUpdate", "nodeEnd", "nodeError", "nodeEnd"]
    assert list(Node.objects.order_by("ordinal").values_list("status", "error")) == [
        ("completed", ""),
        ("failed", "no"),
    ]
    assert_rows_are_the_fold(root.pk)


def test_steps_between_two_writes_become_one_update(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Count", total=1000)
    for _ in range(1000):
        node.step()
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress"]
    assert updates(root.pk)[-1]["current"] == 1000


def test_trailing_progress_comes_before_the_end(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Count", total=10)
    recorder.flush()
    node.step(10)
    node.output("done\n")
    node.complete()
    save(recorder)
    assert types(root.pk)[2:] == ["nodeProgress", "nodeOutput", "nodeEnd"]
    assert_rows_are_the_fold(root.pk)


def test_the_first_terminal_status_wins(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Once")
    node.complete()
    node.fail("too late")
    node.complete()
    node.step()
    node.output("too late")
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeEnd"]
    assert Node.objects.get().status == "completed"


def test_a_failed_node_fails_its_unfinished_descendants_with_its_reason(recorder: Recorder, root: TaskRoot) -> None:
    parent = recorder.start("Parent")
    done = parent.child("Done")
    done.complete()
    child = parent.child("Child")
    grandchild = child.child("Grandchild")
    bystander = recorder.start("Bystander")
    parent.fail("broken")
    save(recorder)
    found = {node.title: (node.status, node.error) for node in Node.objects.all()}
    assert found == {
        "Parent": ("failed", "broken"),
        "Done": ("completed", ""),
        "Child": ("failed", "broken"),
        "Grandchild": ("failed", "broken"),
        "Bystander": ("running", ""),
    }
    ends = [update["node"]["title"] for update in updates(root.pk) if update["type"] == "nodeEnd"]  # type: ignore[index]
    assert ends == ["Done", "Grandchild", "Child", "Parent"]
    assert grandchild.is_open is False
    assert bystander.is_open


def test_a_write_that_fails_loses_nothing_and_is_made_up_for(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    node.step(2)

    def refuse(execute: object, sql: str, *arguments: object) -> None:
        raise DatabaseError("the disk is full")

    with connection.execute_wrapper(refuse):
        recorder.flush()
    assert types(root.pk) == ["taskStart"]

    node.step(1)
    node.output("more\n")
    recorder.flush()
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress", "nodeProgress", "nodeOutput"]
    assert Node.objects.get().current == 3
    assert_rows_are_the_fold(root.pk)


def test_a_checkpoint_that_is_rolled_back_is_written_whole_by_the_next(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    node.complete()

    def checkpoint_that_fails() -> None:
        with recorder.checkpoint() as checkpoint, transaction.atomic():
            checkpoint.write()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        checkpoint_that_fails()
    assert types(root.pk) == ["taskStart"]
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeEnd"]
    assert_rows_are_the_fold(root.pk)


def test_a_recorder_that_was_overtaken_writes_nothing(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    TaskRoot.objects.filter(pk=root.pk).update(fence=2)
    recorder.flush()
    assert recorder.lost
    node.complete()
    with pytest.raises(StaleFence):
        save(recorder)
    assert types(root.pk) == ["taskStart"]
    assert not Node.objects.exists()


def test_an_action_that_runs_again_keeps_its_node(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Import", alias="import")
    node.step(40)
    inner = node.child("Batch 1")
    inner.step(40)
    recorder.flush()  # … and the worker dies.

    TaskRoot.objects.filter(pk=root.pk).update(fence=2)
    successor = Recorder(root_id=root.pk, title="Import", fence=2, attempt=2)
    left = successor.adopt()
    assert [found.title for found in left.values()] == ["Import", "Batch 1"]
    left[inner.id].cancel("interrupted")
    successor.restart(left[node.id])
    fresh = left[node.id].child("Batch 1")
    fresh.complete()
    left[node.id].complete()
    save(successor)

    shown = read_snapshot(root.pk).tree.children
    assert [(child.title, child.status, child.current) for child in shown] == [("Import", "completed", None)]
    assert [(child.title, child.status) for child in shown[0].children] == [
        ("Batch 1", "cancelled"),
        ("Batch 1", "completed"),
    ]
    assert_rows_are_the_fold(root.pk)


def test_long_output_is_split_and_its_tail_kept(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Build")
    text = "".join(f"line {number}\n" for number in range(10_000))
    node.output(text)
    save(recorder)
    parts = [str(update["text"]) for update in updates(root.pk) if update["type"] == "nodeOutput"]
    assert len(parts) > 1
    assert "".join(parts) == text
    kept = Node.objects.get().output
    assert text.endswith(kept)
    assert kept.startswith("line ")


def test_text_that_can_not_be_written_for_long_is_bounded(
    recorder: Recorder, root: TaskRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.services.nodes.OUTPUT_WAITING_CHARS", 100_000)
    node = recorder.start("Build")

    def refuse(execute: object, sql: str, *arguments: object) -> None:
        raise OperationalError("the database is away")

    lines = [f"{number:09}\n" for number in range(50_000)]
    for start in range(0, len(lines), 10_000):
        for line in lines[start : start + 10_000]:
            node.output(line)
        with connection.execute_wrapper(refuse):
            recorder.flush()
    save(recorder)
    parts = [str(update["text"]) for update in updates(root.pk) if update["type"] == "nodeOutput"]
    told, _, text = "".join(parts).partition("\n")
    assert "400000 characters are left out" in told
    assert text == "".join(lines)[-100_000:]
    assert_rows_are_the_fold(root.pk)


def test_reports_go_to_the_current_node(recorder: Recorder, root: TaskRoot) -> None:
    with tracking(recorder.root):
        progress(1, 2, "half")
        with subtask("Part", total=2):
            step()
            output("line")
            with subtask("Inner"):
                step(5)
            step()
    save(recorder)
    part = read_snapshot(root.pk).tree.children[0]
    assert (part.current, part.total, part.output, part.status) == (2, 2, "line\n", "completed")
    assert (part.children[0].title, part.children[0].current) == ("Inner", 5)
    top = read_snapshot(root.pk).tree
    assert (top.current, top.total, top.message) == (1, 2, "half")


def test_a_subtask_that_raises_fails_and_passes_the_error_on(recorder: Recorder, root: TaskRoot) -> None:
    with pytest.raises(ValueError, match="bad row"), tracking(recorder.root), subtask("Part"):
        raise ValueError("bad row")
    save(recorder)
    assert list(Node.objects.values_list("status", "error")) == [("failed", "bad row")]


def test_without_a_tracker_the_work_still_runs() -> None:
    ran = []
    with subtask("Nowhere", total=3) as node:
        node.step()
        step()
        progress(1)
        output("x")
        ran.append(True)
    assert ran == [True]


def test_steps_from_many_threads_add_up(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Count")

    def count() -> None:
        for _ in range(2_000):
            node.step()

    together(*[count] * 8)
    save(recorder)
    assert Node.objects.get().current == 16_000


def test_no_step_is_lost_to_those_who_read_meanwhile(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Count", total=40_000)
    counted: list[bool] = []

    def count() -> None:
        for _ in range(10_000):
            node.step()
        counted.append(True)

    def flush() -> None:
        while len(counted) < 4:
            recorder.flush()

    assert together(flush, *[count] * 4) == [None] * 5
    node.complete()
    save(recorder)

    told = [update["current"] for update in updates(root.pk) if update["type"] == "nodeProgress"]
    assert told == sorted(told)
    assert told[-1] == Node.objects.get().current == 40_000
    assert_rows_are_the_fold(root.pk)


def test_a_value_that_is_set_takes_the_place_of_the_steps_before(recorder: Recorder) -> None:
    node = recorder.start("Count")
    node.step(3)
    node.progress(10)
    node.step(2)
    assert node.current == 12
    save(recorder)
    assert Node.objects.get().current == 12


def test_what_is_stepped_after_the_end_is_not_counted(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Count")
    node.step(3)
    node.complete()
    node.step(4)
    node.step(1)
    node.progress(9, 20, "late")
    save(recorder)
    found = Node.objects.get()
    assert (found.current, found.total, found.message) == (3, None, "")
    assert types(root.pk)[-1] == "nodeEnd"
    assert_rows_are_the_fold(root.pk)


def test_what_was_written_of_a_node_stays_whatever_is_reported_after_its_end(
    recorder: Recorder, root: TaskRoot
) -> None:
    node = recorder.start("Count")
    node.progress(3, 10)
    recorder.flush()
    node.complete()
    node.progress(9, 20, "late")
    save(recorder)
    assert Node.objects.get().current == 3
    assert_rows_are_the_fold(root.pk)


def test_steps_that_nobody_writes_take_no_memory(recorder: Recorder) -> None:
    node = recorder.start("Count")
    tracemalloc.start()
    try:
        for _ in range(200_000):
            node.step()
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert node.current == 200_000


def test_no_report_waits_for_a_write(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Slow disk")
    writing, go_on = threading.Event(), threading.Event()

    def hold(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        writing.set()
        assert go_on.wait(10)
        return execute(sql, params, many, context)

    def flush() -> None:
        try:
            with connection.execute_wrapper(hold):
                recorder.flush()
        finally:
            connections.close_all()

    thread = threading.Thread(target=flush)
    thread.start()
    assert writing.wait(10)
    node.step(5)  # returns although the flush is in the middle of its transaction
    node.output("still here\n")
    go_on.set()
    thread.join()
    save(recorder)
    assert Node.objects.get().current == 5
    assert_rows_are_the_fold(root.pk)


def test_the_flusher_writes_what_no_checkpoint_writes(root: TaskRoot) -> None:
    flusher = Flusher()
    recorder = Recorder(root_id=root.pk, title=root.title, fence=1, schedule=flusher)
    written = threading.Event()
    flush = recorder.flush

    def flush_and_tell() -> None:
        flush()
        written.set()

    recorder.flush = flush_and_tell  # type: ignore[method-assign]
    recorder.start("Read").step(7)
    assert written.wait(10)
    flusher.stop()
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress"]


def test_a_node_that_ends_may_not_be_reopened_by_a_cancel(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Done")
    node.complete()
    recorder.end_all(NodeStatus.CANCELLED, error="stop")
    save(recorder)
    assert Node.objects.get().status == "completed"


@pytest.mark.parametrize("reported", [float("nan"), 10**400, object()])
def test_a_number_that_is_none_costs_no_other_report(recorder: Recorder, root: TaskRoot, reported: float) -> None:
    node = recorder.start("Count", total=reported)
    node.progress(reported, 10, "odd")
    recorder.flush()
    recorder.start("After")
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress", "nodeStart"]
    assert_rows_are_the_fold(root.pk)


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_text_that_no_database_stores_costs_no_other_report(recorder: Recorder, root: TaskRoot, text: str) -> None:
    node = recorder.start(text, alias=text)
    node.progress(1, message=text)
    node.output(text)
    node.set_meta({text: text})
    node.update([text])
    node.fail(text)
    save(recorder)
    found = Node.objects.get()
    assert {found.title, found.alias, found.message, found.output, found.error} == {"a\ufffdb"}
    assert found.meta == {"a\ufffdb": "a\ufffdb"}
    assert_rows_are_the_fold(root.pk)


def test_a_flush_that_fails_in_an_unforeseen_way_loses_nothing(recorder: Recorder, root: TaskRoot) -> None:
    recorder.start("Read")

    def refuse(execute: object, sql: str, *arguments: object) -> None:
        raise OverflowError

    with connection.execute_wrapper(refuse):
        recorder.flush()
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart"]


def test_nodes_that_stand_too_deep_stand_beside_each_other(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("1")
    for number in range(2, 1_501):
        node = node.child(str(number))
    save(recorder)
    assert (node.depth, Node.objects.count()) == (100, 1_500)
    assert_rows_are_the_fold(root.pk)


def test_a_fork_of_the_work_neither_reports_nor_waits(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    # As a thread may have done at this moment.
    recorder.mutex.acquire()
    copy = os.fork()
    if copy == 0:
        # It ends in any case, whoever handles that signal in this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        node.step()
        node.output("from the fork")
        os._exit(0)
    recorder.mutex.release()
    assert os.waitpid(copy, 0)[1] == 0


@pytest.mark.usefixtures("unlogged")
def test_numbers_of_several_kinds_add_up(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Weigh")
    node.step(0.5)
    node.step(Decimal("0.25"))
    node.step("2")  # type: ignore[arg-type]
    node.step("many")  # type: ignore[arg-type]
    node.complete()
    recorder.flush()
    save(recorder)
    assert (Node.objects.get().current, Node.objects.get().status) == (2.75, "completed")
    assert_rows_are_the_fold(root.pk)


def test_what_is_no_text_yet_is_shown_as_one(recorder: Recorder, root: TaskRoot) -> None:
    lazy = gettext_lazy("Yes")
    node = recorder.start(lazy)
    node.progress(message=lazy)
    node.output(lazy)
    node.fail(ValueError("bad row"))  # type: ignore[arg-type]
    save(recorder)
    found = Node.objects.get()
    assert (found.title, found.message, found.output, found.error) == ("Yes", "Yes", "Yes", "bad row")
    assert_rows_are_the_fold(root.pk)


def test_a_type_that_is_too_long_costs_no_other_report(recorder: Recorder, root: TaskRoot) -> None:
    recorder.start("Read", type="t" * 40)
    save(recorder)
    assert Node.objects.get().type == "t" * 31 + "…"
    assert_rows_are_the_fold(root.pk)


def test_meta_that_its_giver_changes_later_stays_as_it_was_given(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    meta: dict[str, object] = {"rows": 1}
    node.set_meta(meta)
    meta["rows"] = object()
    save(recorder)
    assert Node.objects.get().meta == {"rows": 1}
    assert_rows_are_the_fold(root.pk)


def test_a_write_that_can_not_succeed_is_complained_of_once(
    recorder: Recorder, root: TaskRoot, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(execute: object, sql: str, *arguments: object) -> None:
        raise DataError("value too long")

    recorder.start("Read")
    with connection.execute_wrapper(refuse):
        recorder.flush()
        recorder.flush()
    assert [str(root.pk) in record.getMessage() for record in caplog.records] == [True]
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart"]


class Notes:
    """Take notes of who wants to be flushed, as the flusher does."""

    def __init__(self) -> None:
        self.wanted: list[Recorder] = []

    def schedule(self, recorder: Recorder) -> None:
        self.wanted.append(recorder)


def test_what_is_reported_while_a_checkpoint_is_written_is_flushed_later(root: TaskRoot) -> None:
    notes = Notes()
    recorder = Recorder(root_id=root.pk, title=root.title, fence=1, schedule=notes)

    def flush() -> None:
        try:
            recorder.flush()
        finally:
            connections.close_all()

    with recorder.checkpoint() as checkpoint, transaction.atomic():
        recorder.start("Meanwhile")
        notes.wanted.clear()
        thread = threading.Thread(target=flush)  # finds the checkpoint in its way
        thread.start()
        thread.join()
        checkpoint.write()
    assert notes.wanted == [recorder]
    recorder.flush()
    assert types(root.pk) == ["taskStart", "nodeStart"]


def test_what_no_checkpoint_has_declared_can_be_taken_back(recorder: Recorder, root: TaskRoot) -> None:
    node = recorder.start("Read")
    node.step(2)
    node.update({"rows": 2})
    node.complete()
    recorder.rewind()
    save(recorder)
    assert types(root.pk) == ["taskStart", "nodeStart", "nodeProgress"]
    assert_rows_are_the_fold(root.pk)


@pytest.mark.parametrize("unknown", [float("nan"), float("inf"), "half"])
def test_what_is_no_number_leaves_rows_and_log_as_they_were(recorder: Recorder, unknown: float) -> None:
    node = recorder.start("Import")
    node.progress(5, 10)
    recorder.flush()
    node.progress(unknown, unknown, "still at it")
    recorder.flush()
    told = Tree()
    for update in updates(recorder.root_id):
        told.apply(update)
    assert told.root is not None
    for [child] in (told.root.children, read_snapshot(recorder.root_id).tree.children):
        assert (child.current, child.total, child.message) == (5, 10, "still at it")
