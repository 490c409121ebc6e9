"""The log of a root for synchronous code: what was written, and, where it is waited for, what follows."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from tasks.domain.updates import is_terminal
from tasks.errors import TaskNotFound
from tasks.services.reading import read_heads, read_snapshot, read_updates

__all__ = ["iter_updates"]

#: How often the log is asked for more.
POLL_SECONDS = 0.25


def iter_updates(
    root_id: uuid.UUID, *, after: int = 0, wait: bool = False, poll_seconds: float = POLL_SECONDS
) -> Iterator[dict[str, Any]]:
    """Yield the decoded updates of a root past number `after`, in order, each once: what a follower gets.

    Ends behind the terminal update; without `wait`, at the end of the log. Where the log doesn't reach back that far, a
    snapshot with `incomplete` comes first. Raises TaskNotFound where there is no such root, or no more. It asks nobody
    whether they may: that is the caller's to know.
    """
    while True:
        rows = read_updates(root_id, after=after)
        if rows and rows[0][0] == after + 1:
            for number, body in rows:
                after = number
                update = json.loads(body)
                yield update
                if is_terminal(update):
                    return
            continue
        head = read_heads([root_id]).get(root_id)
        if head is None:
            raise TaskNotFound(task_id=str(root_id))
        if rows or head.last_seq > after:
            # What followed `after` is there no more. Or it came between the two looks: then the next one finds it.
            if rows or not read_updates(root_id, after=after, limit=1):
                snapshot = read_snapshot(root_id)
                after = snapshot.seq
                yield dict(snapshot.to_json(incomplete=True))
        elif head.closed or not wait:
            return
        else:
            time.sleep(poll_seconds)
