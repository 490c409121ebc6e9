"""The jobs that are measured."""

from benchmarks.stamps import append_stamp
from tasks import job
from tasks.registry import JobContext

NOOP_JOB = "benchmarks.noop"


@job(NOOP_JOB)
def noop(context: JobContext) -> None:
    """Do nothing but tell when."""
    append_stamp(str(context.arguments["file"]), str(context.arguments["key"]))
