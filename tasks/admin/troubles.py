"""What went wrong with a task, and what keeps it from going on."""

from collections.abc import Mapping

from tasks.admin.words import OUTCOME_WORDS, moment, pretty
from tasks.models import Attempt, Job, TaskRoot
from tasks.services.stalls import read_stall

__all__ = ["attempts_of", "stall_text", "traceback_in", "without_traceback"]

#: Attempts that a page shows, the last ones.
MOST_ATTEMPTS = 100
TRACEBACK = "traceback"


def stall_text(root: TaskRoot) -> str:
    """Return what keeps a task from going on; empty where nothing does."""
    stall = None if root.closed else read_stall(root.pk)
    return "" if stall is None else stall.text


def traceback_in(error: object) -> str:
    """Return the traceback that an error was stored with; empty without one."""
    return str(error.get(TRACEBACK) or "") if isinstance(error, Mapping) else ""


def without_traceback(error: object) -> str:
    """Return what an error says: its message and its code, and what else is known as JSON."""
    if error is None:
        return ""
    if not isinstance(error, Mapping):
        return pretty(error)  # type: ignore[arg-type]
    known = {key: value for key, value in error.items() if key != TRACEBACK}
    message, code = known.pop("message", ""), known.pop("code", "")
    first = f"{message} ({code})" if message and code else str(message or code)
    return "\n".join(part for part in (first, pretty(known) if known else "") if part)


def attempts_of(job: Job, *, with_tracebacks: bool) -> list[dict[str, object]]:
    """Return the last attempts of a job that came to no good end, in their order."""
    rows = Attempt.objects.filter(job_id=job.pk).order_by("-pk")[:MOST_ATTEMPTS]
    return [
        {
            "number": attempt.number,
            "kind": attempt.outcome,
            "outcome": OUTCOME_WORDS.get(attempt.outcome, attempt.outcome),
            "worker": attempt.worker,
            "began": moment(attempt.started_at),
            "ended": moment(attempt.ended_at),
            "error": without_traceback(attempt.error),
            "traceback": traceback_in(attempt.error) if with_tracebacks else "",
        }
        for attempt in reversed(rows)
    ]
