"""What the clients of these tests call."""

import time

from tasks import check_cancelled, mutation, progress
from tasks.registry import CallContext


@mutation("called.count")
def count(context: CallContext, rows: int) -> dict[str, int]:
    """Report each row."""
    for row in range(rows):
        progress(row + 1, rows)
    return {"rows": rows}


@mutation("called.endless")
def endless(context: CallContext) -> None:
    """Go on until nobody wants it any more."""
    progress(0, 1)
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        check_cancelled()
        time.sleep(0.01)
