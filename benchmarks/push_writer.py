"""The process that reports: it sends numbered updates each way in turn, and notes when.

    python -m benchmarks.child benchmarks.push_writer FILE COUNT COMMITTED_ROOT [REPORTED_ROOT]

FILE gets the stamps `committed-7` (right after the commit of an update), `reported-7` (before the call of `progress()`)
and `usual-7` (before the call of the peer).
"""

import time
import uuid
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from django.db import transaction

from benchmarks.measuring import random_gaps
from benchmarks.peers import group_send
from benchmarks.stamps import write_stamps
from tasks import progress
from tasks.domain.updates import UpdateType, draft, encode_node
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.log import append_updates
from tasks.services.publish import flush_publisher
from tasks.services.recorder import Recorder
from tasks.tracking import tracking

COMMITTED, REPORTED, USUAL = "committed", "reported", "usual"
TITLE = "bench"
_MESSAGE = "3,376 rows read"
_SHORTEST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 0.04, 0.09
_LAST_SECONDS = 0.3

Stamps = dict[str, float]


def main(file: str, count: str, committed_root: str, reported_root: str = "") -> None:
    """Send `count` updates each way."""
    root_id = uuid.UUID(committed_root)
    stamps: Stamps = {}
    ways: list[Callable[[int, Stamps], None]] = [partial(commit, root_id), partial(send, root_id)]
    if reported_root:
        ways.append(report)
        recorder = Recorder(
            root_id=uuid.UUID(reported_root), title=TITLE, fence=None, strict=False, schedule=process_flusher()
        )
        with tracking(recorder.root):
            _take_turns(ways, int(count), stamps)
        # The flusher writes the last report too, unless it is busy: then the checkpoint does, as at a job's end.
        time.sleep(_LAST_SECONDS)
        with recorder.checkpoint() as checkpoint, transaction.atomic():
            checkpoint.write()
    else:
        _take_turns(ways, int(count), stamps)
    stop_flusher()
    flush_publisher()
    write_stamps(Path(file), stamps)


def commit(root_id: uuid.UUID, number: int, stamps: Stamps) -> None:
    """Append an update, and note the moment after its commit and before it is announced."""

    def note() -> None:
        stamps[f"{COMMITTED}-{number}"] = time.monotonic()

    node = encode_node(node_id=str(root_id), type="task", title=TITLE)
    with transaction.atomic():
        # Callbacks run in the order in which they were given; the announcement is given by `append_updates`.
        transaction.on_commit(note)
        append_updates(
            root_id=root_id,
            drafts=[draft(UpdateType.NODE_PROGRESS, node=node, current=number, total=1_000, message=_MESSAGE)],
        )


def report(number: int, stamps: Stamps) -> None:
    """Report progress as work does."""
    stamps[f"{REPORTED}-{number}"] = time.monotonic()
    progress(number, 1_000, _MESSAGE)


def usual_update(root_id: uuid.UUID, number: int, message: str) -> dict[str, object]:
    """Return what an update holds, as the usual path sends it."""
    return {
        "v": 1,
        "seq": number,
        "type": "nodeProgress",
        "taskId": str(root_id),
        "timestamp": "2026-11-20T12:00:00.000Z",
        "node": {"id": str(root_id), "type": "task", "title": TITLE},
        "current": number,
        "total": 1_000,
        "message": message,
    }


def send(root_id: uuid.UUID, number: int, stamps: Stamps) -> None:
    """Send what an update holds by the usual path."""
    data = usual_update(root_id, number, _MESSAGE)
    stamps[f"{USUAL}-{number}"] = time.monotonic()
    group_send.send(data)


def _take_turns(ways: list[Callable[[int, Stamps], None]], count: int, stamps: Stamps) -> None:
    gaps = random_gaps(shortest_seconds=_SHORTEST_GAP_SECONDS, longest_seconds=_LONGEST_GAP_SECONDS)
    for number in range(1, count + 1):
        for way, gap in zip(ways, islice(gaps, len(ways)), strict=True):
            time.sleep(gap)
            way(number, stamps)
