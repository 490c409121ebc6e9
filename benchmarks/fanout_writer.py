"""The process that reports as fast as it can, when it is told to.

    python -m benchmarks.child benchmarks.fanout_writer FOLDER COUNT ROOT

A file `go-<way>-<run>` in FOLDER lets it send COUNT updates that way, `committed` or `usual`; it then writes the moment
of the first into `sent`. The last update of a run says `last_text(run)`. A file `stop` ends it.
"""

import time
import uuid
from pathlib import Path

from django.db import transaction

from benchmarks.peers import group_send
from benchmarks.push_writer import TITLE, usual_update
from benchmarks.stamps import append_stamp
from tasks.domain.updates import UpdateType, draft, encode_node
from tasks.services.log import append_updates
from tasks.services.publish import flush_publisher

COMMITTED, USUAL = "committed", "usual"
_POLL_SECONDS = 0.01


def last_text(run: int) -> str:
    """Return what the last update of a run says, and nothing else does."""
    return f"end of run {run}."


def main(folder: str, count: str, root: str) -> None:
    """Send what is asked for."""
    files, root_id = Path(folder), uuid.UUID(root)
    while not (files / "stop").exists():
        for order in files.glob("go-*"):
            _, way, run = order.name.split("-")
            order.unlink()
            append_stamp(str(files / "sent"), f"{way}-{run}")
            for number in range(1, int(count) + 1):
                message = last_text(int(run)) if number == int(count) else "3,376 rows read"
                (commit if way == COMMITTED else send)(root_id, number, message)
            flush_publisher()
        time.sleep(_POLL_SECONDS)


def commit(root_id: uuid.UUID, number: int, message: str) -> None:
    """Append an update, in a transaction of its own."""
    node = encode_node(node_id=str(root_id), type="task", title=TITLE)
    with transaction.atomic():
        append_updates(
            root_id=root_id,
            drafts=[draft(UpdateType.NODE_PROGRESS, node=node, current=number, total=1_000, message=message)],
        )


def send(root_id: uuid.UUID, number: int, message: str) -> None:
    """Send what an update holds by the usual path."""
    group_send.send(usual_update(root_id, number, message))
