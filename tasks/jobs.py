"""The jobs of the `tasks` app."""

from tasks.domain.jsonvalue import JSON
from tasks.domain.retry import RetryPolicy
from tasks.errors import PermanentError
from tasks.registry import JobContext, job
from tasks.services.watches import TELL_JOB, tell

#: A mail server that is down for a night has its mails in the morning: the waits grow from 1 min to 1 h, 10 h in all.
RETRY = RetryPolicy(attempts=16, backoff="exponential", delay_seconds=60, cap_seconds=3_600)


@job(TELL_JOB, retry=RETRY)
def tell_watcher(context: JobContext) -> JSON:
    """Send the mail that somebody asked for at the end of a task."""
    watch_id = context.arguments.get("watch")
    if not isinstance(watch_id, int):
        raise PermanentError("The job names no watch.")
    return {"sent": tell(watch_id)}
