"""The jobs of the `processes` app."""

from dataclasses import asdict

from processes.services.advance import advance_run
from processes.services.background import OLDER_RUN_JOBS, RUN_JOB, note_cancelled, settle_idle_run
from processes.services.purging import purge_expired
from tasks import job
from tasks.domain.jsonvalue import JSON
from tasks.domain.outcomes import Outcome
from tasks.domain.retry import RetryPolicy
from tasks.registry import JobContext
from tasks.services.work import Context

#: A run that can't be carried on (the database is away, a plan can't be read) is tried again for some minutes; what its
#: scripts raise is the matter of its process.
RETRY = RetryPolicy(attempts=6, backoff="exponential", delay_seconds=1, cap_seconds=60)


def run_process(context: JobContext) -> Outcome:
    """Carry a background run on."""
    if not isinstance(context, Context):
        raise TypeError("A run needs a worker's own context: it writes its checkpoints through the recorder.")
    return advance_run(context)


for _name in (RUN_JOB, *OLDER_RUN_JOBS):
    job(_name, checkpointed=True, retry=RETRY, settle_idle=settle_idle_run, note_cancel=note_cancelled)(run_process)


@job("processes.purge")
def purge(context: JobContext) -> JSON:
    """Delete expired data nodes, files, grants and sessions; Celery beat enqueues it (config.settings)."""
    return asdict(purge_expired())
