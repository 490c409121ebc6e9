"""The process that reports ten updates a second of one task, and notes when it began to write each.

    python -m benchmarks.child benchmarks.followers_writer FILE COUNT TASK_ID

FILE gets a stamp for each update, by its number in the log.
"""

import time
import uuid
from pathlib import Path

from django.db import transaction

from benchmarks.push_writer import TITLE
from benchmarks.stamps import write_stamps
from tasks.domain.updates import UpdateType, draft, encode_node
from tasks.services.log import append_updates
from tasks.services.publish import flush_publisher

UPDATES_PER_SECOND = 10


def main(file: str, count: str, root: str) -> None:
    """Write `count` updates at an even pace."""
    root_id = uuid.UUID(root)
    node = encode_node(node_id=root, type="task", title=TITLE)
    stamps: dict[str, float] = {}
    began = time.monotonic()
    for number in range(1, int(count) + 1):
        # By the clock and not by pauses, so that a late one doesn't put off all that follow.
        time.sleep(max(0.0, began + number / UPDATES_PER_SECOND - time.monotonic()))
        moment = time.monotonic()
        message = f"{number:,} of {int(count):,} rows read"
        update = draft(UpdateType.NODE_PROGRESS, node=node, current=number, total=int(count), message=message)
        with transaction.atomic():
            seq = append_updates(root_id=root_id, drafts=[update])
        stamps[str(seq)] = moment
    flush_publisher()
    write_stamps(Path(file), stamps)
