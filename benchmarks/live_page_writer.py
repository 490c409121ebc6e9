"""The process that reports of a tree with many nodes.

    python -m benchmarks.child benchmarks.live_page_writer ROOT_ID FOLDER TICKS [TICKS …]

It makes the tree, writes the file `filled` into FOLDER, and waits for files `go-0`, `go-1`, …: one for each number of
nodes that change in a tick (`BURSTS`), for which it then reports TICKS times. It says so by a file `done-0`, ….
"""

import time
import uuid
from pathlib import Path

from django.db import transaction

from benchmarks.stack import wait_until
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.publish import flush_publisher
from tasks.services.recorder import Recorder, TaskNode

TITLE = "Two thousand steps"
GROUPS, LEAVES = 40, 49
#: Nodes that change between two flushes.
BURSTS = (1, 100, 1_000)
_TICK_SECONDS = 0.12
_LAST_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


def main(root_id: str, folder: str, ticks: str) -> None:
    """Make the tree, and report as asked."""
    recorder = Recorder(root_id=uuid.UUID(root_id), title=TITLE, fence=None, strict=False, schedule=process_flusher())
    leaves = fill(recorder.root)
    _write(recorder)
    files = Path(folder)
    (files / "filled").touch()
    for number, burst in enumerate(BURSTS):
        wait_until((files / f"go-{number}").exists, what="the page", timeout_seconds=_PATIENCE_SECONDS)
        for tick in range(int(ticks)):
            change(leaves, tick=tick, count=burst)
            time.sleep(_TICK_SECONDS)
        time.sleep(_LAST_SECONDS)
        (files / f"done-{number}").touch()
    stop_flusher()
    flush_publisher()


def fill(root: TaskNode) -> list[TaskNode]:
    """Start the nodes: groups of steps with bars, some with messages and output; every fourth group is done."""
    leaves = []
    for group in range(GROUPS):
        parent = root.child(f"Group {group}")
        steps = [parent.child(f"Step {number} of group {group}", total=100) for number in range(LEAVES)]
        for number, step in enumerate(steps):
            step.progress(number, message="some rows are done" if number % 4 == 0 else None)
            if number % 25 == 0:
                step.output("a line\nand another\n")
            if group % 4 == 0:
                step.complete()
        if group % 4 == 0:
            parent.complete()
        else:
            leaves += steps
    return leaves


def change(leaves: list[TaskNode], *, tick: int, count: int) -> None:
    """Report of some nodes, others each time."""
    for number in range(count):
        at = tick * 7919 + number * 13
        leaves[at % len(leaves)].progress(at % 100, message=f"row {at:,}")


def _write(recorder: Recorder) -> None:
    with recorder.checkpoint() as checkpoint, transaction.atomic():
        checkpoint.write()
