"""The scripts of the processes that are measured in the background."""

from collections import deque
from time import perf_counter

from benchmarks.stamps import append_stamp
from processes.domain.application import Application
from processes.registry import task_script

NOOP, MARK, TELL = "benchmarks.noop", "benchmarks.mark", "benchmarks.tell"

#: When the last actions with `MARK` began, in this process.
marks: deque[float] = deque(maxlen=100_000)


@task_script(NOOP)
def noop(app: Application) -> None:
    """Do nothing."""


@task_script(MARK)
def mark(app: Application) -> None:
    """Do nothing but tell this process when."""
    marks.append(perf_counter())


@task_script(TELL)
def tell(app: Application) -> None:
    """Do nothing but tell everyone when."""
    append_stamp(str(app.data["file"]), str(app.data["key"]))
