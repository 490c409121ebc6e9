"""Files that report: text, bytes and what processes write, streamed while they run."""

import contextlib
import gc
import os
import shutil
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import pytest

from tasks import output_writer, start_task, subtask, writer_progress
from tasks.domain.tree import TreeNode
from tasks.errors import TaskCancelled
from tasks.tracking import OutputWriter, ProgressWriter
from tests.tasks.conftest import Trees


def own_descriptors() -> set[str]:
    """Return the pipes that this process holds."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("pipe:"):
                found.add(f"{name}:{target}")
    return found


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "task-writer"]


def part(trees: Trees, root_id: object) -> TreeNode:
    root = trees.read(root_id).root  # type: ignore[arg-type]
    assert root is not None
    return root.children[0]


def test_text_and_bytes_are_the_output_of_a_node_of_its_own(trees: Trees) -> None:
    with start_task("Build") as task, output_writer("Build log") as log:
        assert log.write("first\n") == 6
        log.write(b"second\n")
        log.writelines(["third\n", b"fourth\n"])
        print("fifth", file=log, flush=True)
    node = part(trees, task.id)
    assert (node.title, node.status, node.output) == ("Build log", "completed", "first\nsecond\nthird\nfourth\nfifth\n")


def test_a_character_that_comes_in_pieces_is_whole(trees: Trees) -> None:
    with start_task("Build") as task, task.output_writer("Log") as log:
        for byte in "a€😀b".encode():
            log.write(bytes([byte]))
        log.write(b"\xe2\x82")  # … and its last byte never comes.
    assert part(trees, task.id).output == "a€😀b\ufffd"


def test_written_bytes_are_progress(trees: Trees) -> None:
    with start_task("Fetch") as task, writer_progress("Download", size=10) as counted:
        counted.write(b"1234")
        counted.write("5€")
        assert (counted.node.current, counted.node.total) == (8, 10)  # type: ignore[attr-defined]
        shutil.copyfileobj(BytesIO(b"90"), counted)  # type: ignore[misc]
    node = part(trees, task.id)
    assert (node.title, node.current, node.total, node.status, node.output) == ("Download", 10, 10, "completed", "")


def test_a_process_streams_its_output_while_it_runs(trees: Trees, tmp_path: Path) -> None:
    go_on = tmp_path / "go_on"
    program = (
        "import pathlib, sys, time\nprint('begun', flush=True)\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n"
        "print('done')\nprint('complaint', file=sys.stderr)\n"
    )
    before = own_descriptors()
    with start_task("Build") as task, output_writer("Build log") as log:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log)
        until = time.monotonic() + 20
        # It is in the feed before the process has ended.
        while not any(update.get("text") == "begun\n" for update in trees.updates(task.id)):
            assert time.monotonic() < until
            time.sleep(0.01)
        go_on.touch()
        assert process.wait(20) == 0
    node = part(trees, task.id)
    assert sorted(node.output.splitlines()) == ["begun", "complaint", "done"]
    assert own_descriptors() == before
    assert writer_threads() == []


def test_everything_that_a_process_wrote_is_delivered_before_close_returns(trees: Trees) -> None:
    with start_task("Build") as task:
        log = output_writer("Log")
        subprocess.run([sys.executable, "-c", "print('line ' * 100_000)"], stdout=log, check=True)
        log.close()
        assert log.node.output_tail.endswith("line \n")  # type: ignore[attr-defined]
    texts = [update["text"] for update in trees.updates(task.id) if update["type"] == "nodeOutput"]
    assert sum(len(str(text)) for text in texts) == 500_001


def test_a_process_that_writes_is_counted(trees: Trees) -> None:
    with start_task("Fetch") as task, writer_progress("Download", size=4096) as counted:
        subprocess.run([sys.executable, "-c", "print('x' * 4095)"], stdout=counted, check=True)
    assert part(trees, task.id).current == 4096


def test_a_process_left_in_the_background_keeps_no_file_open(trees: Trees) -> None:
    with start_task("Build") as task:
        log = output_writer("Log")
        process = subprocess.Popen(["sh", "-c", "echo begun; exec sleep 60"], stdout=log)
        try:
            before = time.monotonic()
            while not log.node.output_tail:  # type: ignore[attr-defined]
                assert time.monotonic() < before + 20
                time.sleep(0.01)
            before = time.monotonic()
            log.close()
            assert time.monotonic() - before < 3
        finally:
            process.kill()
            process.wait()
    assert part(trees, task.id).output == "begun\n"
    assert writer_threads() == []


def test_a_fork_that_holds_a_copy_keeps_no_file_open(trees: Trees) -> None:
    with start_task("Build") as task, output_writer("Log") as log:
        end, told = os.pipe()
        os.write(log.fileno(), b"written\n")
        copy = os.fork()
        if copy == 0:
            os.close(told)
            os.read(end, 1)  # until the parent is done
            log.close()
            os._exit(0)
        os.close(end)
        before = time.monotonic()
        log.close()
        assert time.monotonic() - before < 3
        os.close(told)
        assert os.waitpid(copy, 0)[1] == 0
    assert part(trees, task.id).output == "written\n"


def test_a_file_that_is_never_closed_gives_back_what_it_holds(trees: Trees) -> None:
    before = own_descriptors()
    with start_task("Build") as task:
        log = output_writer("Log")
        os.write(log.fileno(), b"written\n")
        [thread] = writer_threads()
        del log
        gc.collect()
        thread.join(10)
        assert not thread.is_alive()
        assert own_descriptors() == before
    assert part(trees, task.id).output == "written\n"


@pytest.mark.parametrize("kind", [OutputWriter, ProgressWriter])
def test_an_error_fails_the_node(trees: Trees, kind: type[OutputWriter] | type[ProgressWriter]) -> None:
    def work() -> None:
        with kind(task.node, "Log") as log:
            log.write("until here\n")
            raise ValueError("no space")

    with start_task("Build") as task, pytest.raises(ValueError, match="no space"):
        work()
    node = part(trees, task.id)
    assert (node.status, node.error) == ("failed", "no space")


def test_a_cancelled_block_cancels_the_node(trees: Trees) -> None:
    def work() -> None:
        with output_writer("Log"):
            raise TaskCancelled("enough")

    with start_task("Build") as task, pytest.raises(TaskCancelled):
        work()
    assert part(trees, task.id).status == "cancelled"


def test_a_closed_file_takes_no_more(trees: Trees) -> None:
    with start_task("Build") as task:
        log = output_writer("Log")
        log.write("a")
        log.close()
        log.close()
        log.fail("too late")
        for deed in (lambda: log.write("b"), log.flush, log.fileno):
            with pytest.raises(ValueError, match="closed file"):
                deed()
    node = part(trees, task.id)
    assert (node.output, node.status) == ("a", "completed")


def test_it_is_a_file_where_nothing_is_tracked() -> None:
    with output_writer("Log") as log, writer_progress("Download", size=3) as counted, subtask("Part"):
        subprocess.run([sys.executable, "-c", "print('x' * 1_000_000)"], stdout=log, check=True)
        counted.write(b"abc")
    assert (log.writable(), log.readable(), log.seekable(), log.isatty(), log.closed) == (
        True,
        False,
        False,
        False,
        True,
    )
    assert writer_threads() == []
