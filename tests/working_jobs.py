"""Jobs for tests with a real worker, which imports this module as its Celery app."""

import ctypes
import os
import time
from pathlib import Path

from config.celery import app
from tasks import job, output, subtask
from tasks.registry import JobContext

__all__ = ["app"]

LONG_SECONDS = 60

# As a site may have it for tasks of its own; in a worker only, not in the tests that enqueue.
if "STEPLINE_TEST_SITE_LIMIT" in os.environ:
    app.conf.task_time_limit = float(os.environ["STEPLINE_TEST_SITE_LIMIT"])


@job("test.worker.quick")
def quick(context: JobContext, value: int = 0) -> dict[str, int]:
    """Tell which process has done it."""
    with subtask("Working"):
        output("here")
    return {"value": value, "process": os.getpid()}


@job("test.worker.stubborn", timeout_seconds=LONG_SECONDS)
def stubborn(context: JobContext, file: str) -> str:
    """Go on, whatever is done to it."""
    Path(file).write_text(str(os.getpid()))
    until = time.monotonic() + LONG_SECONDS
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:  # noqa: BLE001 - that is its stubbornness
            continue
    return "too late"


@job("test.worker.hogging", attempts=3)
def hogging(context: JobContext) -> str:
    """Hold the interpreter at first, so that nothing else of its process runs; do it well the next time."""
    if context.saved is None:
        context.save("hogging")
        ctypes.PyDLL(None).sleep(LONG_SECONDS)
    return "done"


@job("test.worker.killed", attempts=3)
def killed(context: JobContext) -> int:
    """Be killed twice, and then do it well."""
    times = int(context.saved or 0)  # type: ignore[call-overload]
    if times < 2:
        context.save(times + 1)
        os.kill(os.getpid(), 9)
    return times


@job("test.worker.told_to_end")
def told_to_end(context: JobContext, file: str) -> str:
    """Wait to be told to end, and do it well the next time."""
    if context.saved is None:
        context.save("begun")
        Path(file).write_text(str(os.getpid()))
        time.sleep(LONG_SECONDS)
    return "done"


@job("test.worker.forking")
def forking(context: JobContext) -> int:
    """Fork a process that comes out of this function by an exception, and return how it ended."""
    child = os.fork()
    if not child:
        raise ValueError("in a copy of the worker")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@job("test.worker.lasting")
def lasting(context: JobContext, file: str) -> str:
    """Take two seconds."""
    Path(file).write_text("begun")
    time.sleep(2)
    return "done"
