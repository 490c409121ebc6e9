"""Jobs that the clients of these tests start; a test's own process carries them out, and says how far."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tasks import job, output, subtask
from tasks.registry import DeclaredJob, JobContext, jobs

__all__ = ["PACE", "Pace", "declared_here"]

ROWS = 40
MANY = 10_000


class Pace:
    """Let a job that is carried out in this process go on, row by row."""

    def __init__(self) -> None:
        self.anew()

    def anew(self) -> None:
        self.turn = threading.Semaphore(0)

    def let_go_on(self, rows: int = ROWS) -> None:
        self.turn.release(rows)


PACE = Pace()


@job("called.export", access="signed_in", title="Export")
def export(context: JobContext, rows: int = ROWS, name: str = "") -> dict[str, int]:
    """Report of each row, at the test's pace."""
    for row in range(rows):
        while not PACE.turn.acquire(timeout=0.05):
            context.check_cancelled()
        with subtask(f"Row {row}", total=2) as node:
            node.step()
            # The separators that split lines elsewhere than in server-sent events.
            output(f"row {row}\u2028\u0085 {name}\n")
        context.recorder.flush()
    return {"rows": rows}


@job("called.broken", access="signed_in", attempts=1)
def broken(context: JobContext) -> None:
    """Fail."""
    raise ValueError("no such file")


@job("called.hidden")
def hidden(context: JobContext) -> None:
    """Be nobody's to start from outside."""


DECLARED: tuple[DeclaredJob[..., object], ...] = (export, broken, hidden)
# Servers know them from their beginning; in a test's own process they are there for those tests only.


@contextmanager
def declared_here() -> Iterator[None]:
    """Have the jobs in this process for the block."""
    PACE.anew()
    for declared in DECLARED:
        if declared.name not in jobs:
            jobs.add(declared.spec)
    try:
        yield
    finally:
        PACE.let_go_on(MANY)
        for declared in DECLARED:
            jobs.remove(declared.name)
