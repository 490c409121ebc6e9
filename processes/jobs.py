"""The jobs of the `processes` app, and its duties of the dispatcher."""

from dataclasses import asdict

from processes.services.advance import advance_run
from processes.services.background import ends_itself, note_cancelled, settle_idle_run, undoes
from processes.services.controlling import repeat_run_as
from processes.services.escalating import escalate_due
from processes.services.firing import fire_due
from processes.services.purging import OLDER_PURGE_JOBS, PURGE_JOB, purge_expired
from processes.services.run_store import OLDER_RUN_JOBS, RUN_JOB
from processes.services.topics.spreading import spread_messages
from tasks import job
from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.outcomes import Completed, Failed, Outcome
from tasks.domain.retry import RetryPolicy
from tasks.registry import JobContext, duty
from tasks.services.context import Context

#: A run that can't be carried on (the database is away, a plan can't be read) is tried again for some minutes; what its
#: scripts raise is the matter of its process.
RETRY = RetryPolicy(attempts=6, backoff="exponential", delay_seconds=1, cap_seconds=60)

#: How many things a purge names that it could not delete; the log has all of them.
_NAMED = 20


def run_process(context: JobContext) -> Outcome:
    """Carry a background run on."""
    if not isinstance(context, Context):
        raise TypeError("A run needs a worker's own context: it writes its checkpoints through the recorder.")
    return advance_run(context)


for _name in (RUN_JOB, *OLDER_RUN_JOBS):
    job(
        _name,
        checkpointed=True,
        retry=RETRY,
        settle_idle=settle_idle_run,
        note_cancel=note_cancelled,
        ends_itself=ends_itself,
        undoes=undoes,
        repeat=repeat_run_as,
    )(run_process)


def purge(context: JobContext) -> Outcome:
    """Delete expired data nodes, files, callbacks, grants, sessions, firings, messages; Celery beat enqueues it.

    Where something could not be deleted, the job fails in the end, and its error says what, beside what was deleted.
    """
    purged = asdict(purge_expired())
    passed_over = purged.pop("passed_over")
    if not passed_over:
        return Completed(result=purged)
    named = list(passed_over[:_NAMED])
    reason = shorten(f"{len(passed_over)} could not be deleted: {'; '.join(named)}", ERROR_CHARS)
    return Failed(
        reason=reason,
        error={"code": "passed_over", "message": reason, "passed_over": named, "deleted": purged},
    )


for _name in (PURGE_JOB, *OLDER_PURGE_JOBS):
    job(_name)(purge)


duty("processes.triggers")(fire_due)
duty("processes.escalation")(escalate_due)
duty("processes.topics")(spread_messages)
