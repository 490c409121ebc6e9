"""The promises of the task trees that Stepline's are drawn from, one test each, with what differs in between.

The names are ours: `start_task` for StartTask, `subtask` for SubTask, `step` for StepTaskProgress, and so on.
Percentages, cancelled nodes (theirs failed), and the update log are Stepline's own.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone
from pydantic import BaseModel

from tasks import (
    Handle,
    Task,
    check_cancelled,
    current_node,
    meta_schema,
    output,
    output_writer,
    progress,
    register_meta,
    set_meta,
    shared_subtask,
    start_task,
    step,
    subtask,
    writer_progress,
)
from tasks.domain.meta import metas
from tasks.domain.tree import Tree, TreeNode
from tasks.errors import IllegalTransition, StaleFence, TaskCancelled, TaskNotFound
from tasks.models import Job, TaskRoot, Update
from tasks.registry import JobContext, jobs
from tasks.services.access import find_root, viewer_of
from tasks.services.cancelling import request_cancel
from tasks.services.dispatch import end_stale_roots
from tasks.services.enqueuing import enqueue
from tasks.services.flusher import stop_flusher
from tasks.services.reading import read_snapshot
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root
from tasks.services.work import work_off
from tasks.tracking import UNTRACKED, tracking
from tests.tasks.conftest import Trees
from tests.tasks.services.conftest import JobKit


class Meta(BaseModel):
    """Say which file is imported."""

    filename: str


@pytest.fixture
def owner(trees: Trees) -> User:
    return User.objects.create(username="owner")


@pytest.fixture
def kit() -> Iterator[JobKit]:
    kit = JobKit()
    yield kit
    for name in kit.names:
        jobs.remove(name)


def root_of(trees: Trees, task: Task) -> TreeNode:
    root = trees.read(task.root_id).root
    assert root is not None
    return root


class TestATree:
    def test_nodes_have_title_status_progress_meta_and_output(self, trees: Trees) -> None:
        with start_task("Importing data", meta={"filename": "a.csv"}) as task, subtask("Validating"):
            progress(0, 100)
            progress(100, 100, "valid")
            set_meta({"rows": 3})
            output("3 rows")
        node = root_of(trees, task).children[0]
        assert node.to_json() == {
            "id": node.id, "type": "task", "title": "Validating", "status": "completed", "current": 100, "total": 100,
            "message": "valid", "meta": {"rows": 3}, "output": "3 rows\n", "children": [],
        }  # fmt: skip

    def test_the_first_message_is_task_start_and_its_status_is_created(self, trees: Trees) -> None:
        with start_task("Importing data") as task:
            pass
        tree = Tree()
        first, *rest = trees.updates(task.id)
        tree.apply(first)
        assert (first["type"], first["seq"]) == ("taskStart", 1)
        assert tree.root is not None
        assert tree.root.status == "created"
        for update in rest:
            tree.apply(update)
        assert [update["type"] for update in rest] == ["taskStatus", "taskEnd"]
        assert tree.root.status == "completed"

    def test_children_keep_the_order_of_their_creation(self, trees: Trees) -> None:
        titles = [f"Part {number}" for number in range(20)]
        with start_task("Import") as task:
            handles = [task.subtask(title) for title in titles]
            for handle in reversed(handles):
                handle.close()
        assert [child.title for child in root_of(trees, task).children] == titles
        assert [child.title for child in read_snapshot(task.id).tree.children] == titles

    def test_a_subtask_runs_below_the_current_node(self, trees: Trees) -> None:
        with start_task("Import") as task, subtask("Outer"):
            with subtask("Inner"):
                pass
            with subtask("Second"):
                pass
        outer = root_of(trees, task).children[0]
        assert [child.title for child in outer.children] == ["Inner", "Second"]

    def test_a_subtask_that_fails_passes_its_error_on_and_no_other_node_fails(self, trees: Trees) -> None:
        with start_task("Import") as task:
            with pytest.raises(ValueError, match="bad row"), subtask("Validating"):
                raise ValueError("bad row")
            with subtask("Repairing"):
                pass
        assert trees.shape(task.id) == {
            "Import": ("completed", None), "Validating": ("failed", "bad row"), "Repairing": ("completed", None),
        }  # fmt: skip

    def test_titles_messages_and_output_are_bounded(self, trees: Trees) -> None:
        with start_task("t" * 10_000) as task:
            progress(message="m" * 10_000)
            output("o" * 200_000)
            task.fail("e" * 10_000)
        root = root_of(trees, task)
        assert [len(text or "") for text in (root.title, root.message, root.error)] == [200, 500, 2_000]
        assert len(root.output) <= 65_536


class TestProgress:
    def test_progress_sets_and_step_adds(self, trees: Trees) -> None:
        with start_task("Import", total=10) as task:
            progress(4)
            step()
            step(3)
        root = root_of(trees, task)
        assert (root.current, root.total) == (8, 10)

    def test_throttling_keeps_the_trailing_update(self, trees: Trees) -> None:
        with start_task("Import", total=5_000) as task:
            for number in range(5_000):
                step()
                progress(message=f"row {number}")
        told = [update for update in trees.updates(task.id) if update["type"] == "nodeProgress"]
        assert len(told) < 100
        assert (told[-1]["current"], told[-1]["message"]) == (5_000, "row 4999")
        assert trees.types(task.id)[-1] == "taskEnd"

    def test_many_steps_cost_few_writes(self, trees: Trees) -> None:
        task = start_task("Count")
        before = time.monotonic()
        calls = 0
        while time.monotonic() - before < 1.0:
            for _ in range(1_000):
                task.step()
            calls += 1_000
        seconds = time.monotonic() - before
        task.close()
        assert root_of(trees, task).current == calls
        written = Update.objects.filter(root_id=task.id, body__contains='"nodeProgress"').count()
        assert written <= 10 * seconds + 2

    def test_a_trailing_value_is_delivered_without_an_end(self, trees: Trees) -> None:
        task = start_task("Import")
        task.progress(1)
        trees.updates(task.id)
        task.progress(2)
        task.output("last")
        told = trees.updates(task.id)
        assert [told[-2]["current"], told[-1]["text"]] == [2, "last\n"]
        task.close()

    def test_threads_count_together(self, trees: Trees) -> None:
        with start_task("Import", total=4_000) as task:
            threads = [threading.Thread(target=lambda: [task.step() for _ in range(1_000)]) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert root_of(trees, task).current == 4_000


class TestOutput:
    def test_it_goes_to_the_nearest_node(self, trees: Trees) -> None:
        with start_task("Import") as task:
            output("to the root")
            with subtask("Part"):
                output("to the part")
        root = root_of(trees, task)
        assert [root.output, root.children[0].output] == ["to the root\n", "to the part\n"]

    def test_a_writer_is_a_node_and_each_write_is_output(self, trees: Trees) -> None:
        with start_task("Build") as task:
            writer = output_writer("Build log")
            writer.write("compiling\n")
            writer.write("linking\n")
            writer.close()
        node = root_of(trees, task).children[0]
        assert (node.title, node.output, node.status) == ("Build log", "compiling\nlinking\n", "completed")

    def test_written_bytes_are_progress(self, trees: Trees) -> None:
        with start_task("Fetch") as task:
            writer = writer_progress("Download", size=6)
            writer.write(b"abc")
            writer.write(b"def")
            writer.close()
        node = root_of(trees, task).children[0]
        assert (node.title, node.current, node.total, node.status) == ("Download", 6, 6, "completed")

    def test_it_takes_the_output_of_a_process(self, trees: Trees) -> None:
        with start_task("Build") as task, output_writer("Build log") as log:
            done = subprocess.run([sys.executable, "-c", "print('compiled')"], stdout=log, stderr=log, check=False)
        assert done.returncode == 0
        assert root_of(trees, task).children[0].output == f"compiled{os.linesep}"


class TestEnds:
    def test_completing_twice_is_completing_once(self, trees: Trees) -> None:
        task = start_task("Import")
        task.close()
        task.close()
        assert trees.types(task.id).count("taskEnd") == 1

    @pytest.mark.parametrize("first", ["close", "fail", "cancel"])
    def test_the_first_end_wins(self, trees: Trees, first: str) -> None:
        ends: dict[str, Callable[[Handle], None]] = {
            "close": lambda each: each.close(),
            "fail": lambda each: each.fail("no"),
            "cancel": lambda each: each.cancel("no"),
        }
        expected = {"close": "completed", "fail": "failed", "cancel": "cancelled"}[first]
        task = start_task("Import")
        part = task.subtask("Part")
        for handle in (part, task):
            ends[first](handle)
            for end in ends.values():
                end(handle)
        assert {status for status, _ in trees.shape(task.id).values()} == {expected}
        assert sum(kind in {"taskEnd", "taskError", "taskAborted"} for kind in trees.types(task.id)) == 1

    @pytest.mark.parametrize(("end", "status"), [("fail", "failed"), ("cancel", "cancelled")])
    def test_failing_and_cancelling_reach_grandchildren_with_the_reason(
        self, trees: Trees, end: str, status: str
    ) -> None:
        task = start_task("Import")
        done = task.subtask("Done")
        done.close()
        task.subtask("Child").subtask("Grandchild")
        getattr(task, end)("disk full")
        assert trees.shape(task.id) == {
            **dict.fromkeys(["Import", "Child", "Grandchild"], (status, "disk full")), "Done": ("completed", None),
        }  # fmt: skip

    def test_err_completes_or_fails(self, trees: Trees) -> None:
        task = start_task("Import")
        task.subtask("Good").err(None)
        task.subtask("Bad").err(ValueError("bad row"))
        task.err(None)
        assert trees.shape(task.id) == {
            "Import": ("completed", None), "Good": ("completed", None), "Bad": ("failed", "bad row"),
        }  # fmt: skip

    def test_nothing_is_tracked_and_the_work_runs(self) -> None:
        ran = []
        with subtask("Nowhere") as handle:
            step()
            progress(1, 2, "m")
            output("x")
            set_meta({"a": 1})
            check_cancelled()
            handle.subtask("Below").close()
            ran.append(handle.id)
        assert ran == [None]
        assert current_node() is UNTRACKED


class TestRequests:
    """Their middleware binds a task to the call that starts it; ours does too."""

    #: What the view of these tests does.
    views: dict[str, Any] = {}

    @pytest.fixture(autouse=True)
    def urls(self, settings: Any, trees: Trees) -> None:
        settings.ROOT_URLCONF = __name__

    @pytest.mark.parametrize(("raises", "status"), [(False, "completed"), (True, "failed")])
    def test_a_task_ends_as_its_handler_does(self, owner: User, trees: Trees, raises: bool, status: str) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> HttpResponse:
            found.append(start_task("Importing data"))
            if raises:
                raise RuntimeError
            return HttpResponse()

        self.views["view"] = view
        client = Client(raise_request_exception=False)
        client.force_login(owner)
        client.get("/")
        assert trees.read(found[0].id).status == status
        assert TaskRoot.objects.get(pk=found[0].id).owner_id == owner.pk

    def test_a_shared_detached_task_survives_its_handler(self, owner: User, trees: Trees) -> None:
        found: list[Task] = []

        def view(request: HttpRequest) -> HttpResponse:
            found.append(start_task("Background job", shared=True, detached=True))
            return HttpResponse()

        self.views["view"] = view
        Client().get("/")
        assert not TaskRoot.objects.get(pk=found[0].id).closed
        found[0].step()
        found[0].close()
        assert root_of(trees, found[0]).current == 1


def _view(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse = TestRequests.views["view"](request)
    return answer


urlpatterns = [path("", _view)]


class TestSharedTasks:
    def test_everybody_sees_one_and_its_owner_is_told_apart(self, owner: User, trees: Trees) -> None:
        other = User.objects.create(username="other")
        with start_task("Building index", shared=True, owner=owner) as task:
            pass
        assert task.is_shared
        for user, is_owner in ((owner, True), (other, False)):
            client = Client()
            client.force_login(user)
            snapshot = client.get(f"/api/tasks/{task.id}/").json()
            assert (snapshot["task"]["title"], snapshot["isOwner"]) == ("Building index", is_owner)

    def test_foreign_and_missing_look_the_same(self, owner: User, trees: Trees) -> None:
        with start_task("Private", owner=owner) as task:
            other = viewer_of(user=User.objects.create(username="other"), session=None)
            told = []
            for root_id in (task.id, create_root(title="", owner=Owner()).pk, TaskRoot().pk):
                for deed in (find_root, lambda viewer, pk: request_cancel(root_id=pk, viewer=viewer)):
                    with pytest.raises(TaskNotFound) as caught:
                        deed(other, root_id)
                    told.append((caught.value.code, caught.value.message))
        assert len(set(told)) == 1

    def test_its_owner_may_cancel_it_and_nobody_else(self, owner: User, trees: Trees) -> None:
        task = start_task("Building index", shared=True, owner=owner)
        part = task.subtask("Child").subtask("Grandchild")
        other = viewer_of(user=User.objects.create(username="other"), session=None)
        with pytest.raises(IllegalTransition):
            request_cancel(root_id=task.id, viewer=other)
        request_cancel(root_id=task.id, viewer=viewer_of(user=owner, session=None))
        task.node.recorder.beat()  # type: ignore[attr-defined]  # as the heart does within a second
        with pytest.raises(TaskCancelled) as caught:
            part.check_cancelled()
        task.err(caught.value)
        assert {status for status, _ in trees.shape(task.id).values()} == {"cancelled"}

    def test_a_shared_subtask_is_a_shared_tree_outside_of_one(self, trees: Trees) -> None:
        with start_task("Nightly") as task:
            with shared_subtask("Sync accounts") as shared, subtask("Fetching"):
                output("fetched 42 records")
            with subtask("After"):
                pass
        assert isinstance(shared, Task)
        root = root_of(trees, shared)
        assert [(child.title, child.output) for child in root.children] == [("Fetching", "fetched 42 records\n")]
        row = TaskRoot.objects.get(pk=shared.id)
        assert (row.shared, row.parent_id) == (True, task.id)
        assert [child.title for child in root_of(trees, task).children] == ["After"]

    def test_a_shared_subtask_is_a_child_inside_a_shared_tree(self, trees: Trees) -> None:
        with start_task("Nightly", shared=True) as task, shared_subtask("Sync accounts", total=2), subtask("Fetching"):
            step()
        child = root_of(trees, task).children[0]
        assert (child.title, child.total, child.children[0].title) == ("Sync accounts", 2, "Fetching")
        assert TaskRoot.objects.count() == 1

    def test_a_shared_subtask_fails_with_its_block(self, trees: Trees) -> None:
        with pytest.raises(ValueError, match="bad row"), shared_subtask("Sync accounts"):
            raise ValueError("bad row")
        assert trees.shape(TaskRoot.objects.get().pk) == {"Sync accounts": ("failed", "bad row")}

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_shared_subtask_of_a_job(self, trees: Trees, kit: JobKit, owner: User, shared: bool) -> None:
        def body(context: JobContext) -> None:
            with shared_subtask("Sync accounts"):
                step()

        job = enqueue(kit.register(body), owner=Owner(user_id=owner.pk), shared=shared)
        assert work_off("default")
        roots = {root.title: root for root in TaskRoot.objects.exclude(pk=job.root_id)}
        if shared:
            assert roots == {}
            assert [child.title for child in read_snapshot(job.root_id).tree.children] == ["Sync accounts"]
        else:
            root = roots["Sync accounts"]
            assert (root.shared, root.parent_id, root.owner_id) == (True, job.root_id, owner.pk)
            assert trees.read(root.pk).status == "completed"
        assert Job.objects.get(pk=job.pk).status == "completed"

    def test_work_that_was_taken_over_tells_no_more(self, trees: Trees) -> None:
        root = create_root(title="Job", owner=Owner())
        recorder = Recorder(root_id=root.pk, title="Job", fence=7)
        recorder.lost = True
        with tracking(recorder.root), pytest.raises(StaleFence), subtask("Part") as part:
            check_cancelled()
        # Another worker tells the rest.
        assert part.node.is_open  # type: ignore[attr-defined]


class TestTypedMeta:
    def test_the_meta_of_a_site_is_in_its_schema(self) -> None:
        register_meta(Meta)
        try:
            schema = meta_schema(ref_template="#/components/schemas/{model}")
        finally:
            metas.remove(Meta)
        assert {"$ref": "#/components/schemas/Meta"} in schema["anyOf"]  # type: ignore[operator]
        definition = schema["$defs"]["Meta"]  # type: ignore[index, call-overload]
        assert definition["properties"]["filename"]["type"] == "string"
        assert "Meta" not in str(meta_schema())

    def test_it_is_in_the_snapshot(self, trees: Trees) -> None:
        with start_task("Importing data", meta_model=Meta) as task:
            set_meta(Meta(filename="a.csv"))
            task.subtask("Part").set_meta({"filename": "b.csv"})
        root = root_of(trees, task)
        assert [root.meta, root.children[0].meta] == [{"filename": "a.csv"}, {"filename": "b.csv"}]


def test_a_tree_without_a_writer_ends_by_itself(trees: Trees) -> None:
    """Theirs live in the memory of a server and go with it; ours are in the database and are ended."""
    task = start_task("Import")
    task.subtask("Part")
    trees.updates(task.id)
    stop_flusher()
    TaskRoot.objects.filter(pk=task.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert end_stale_roots() == 1
    assert {status for status, _ in trees.shape(task.id).values()} == {"failed"}
