"""Working off one hint: claim a job, run its function, settle the claim."""

import logging
import os
import random
import socket
import traceback
import uuid
from time import monotonic

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.outcomes import Cancelled, Completed, Failed, Outcome, Parked, Yielded
from tasks.domain.statuses import NodeStatus
from tasks.errors import PermanentError, StaleFence, TaskCancelled, TasksError
from tasks.registry import JobSpec, jobs
from tasks.services.claims import Claim, claim, give_back_failed, settle
from tasks.services.flusher import process_flusher
from tasks.services.heartbeat import Hold, process_heart
from tasks.services.recorder import Recorder
from tasks.tracking import tracking

logger = logging.getLogger(__name__)

#: How long a claim works before it ends at a checkpoint, so that long runs don't keep others waiting.
CLAIM_SECONDS = 60.0


class Context:
    """Be what a job's function asks and tells while it works (tasks.registry.JobContext)."""

    def __init__(self, *, claim: Claim, recorder: Recorder, hold: Hold) -> None:
        self.claim = claim
        self.recorder = recorder
        self.hold = hold
        self._until = monotonic() + CLAIM_SECONDS

    @property
    def id(self) -> uuid.UUID:
        """The id of the job and of its root."""
        return self.claim.root_id

    @property
    def arguments(self) -> JSONObject:
        """What the job was enqueued with."""
        return self.claim.arguments

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.claim.attempt

    @property
    def must_yield(self) -> bool:
        """Whether the claim has lasted long enough: end it at the next checkpoint."""
        return monotonic() >= self._until

    def progress(self, percent: float, message: str | None = None) -> None:
        """Report a percentage, clamped to 0 to 100, and a message."""
        self.recorder.root.progress(max(0.0, min(100.0, percent)), 100, message)

    def check_cancelled(self) -> None:
        """Raise TaskCancelled once cancellation was asked for, and StaleFence once the work was taken over."""
        if self.hold.lost or self.recorder.lost:
            raise StaleFence("Another worker has taken this job over.", task_id=str(self.id))
        if self.hold.cancel_requested:
            raise TaskCancelled("The work was cancelled.", task_id=str(self.id))


def worker_name() -> str:
    """Return a name for this worker process that is unique among living ones."""
    return f"{socket.gethostname()}:{os.getpid()}"


def work_off(queue: str) -> bool:
    """Claim one job of `queue` and carry it out; False where there was nothing to do.

    Safe to call twice for one job, or for none: the claim decides. Never raises for what a job does.
    """
    held = claim(queue=queue, worker=worker_name())
    if held is None:
        return False
    carry_out(held)
    return True


def carry_out(held: Claim) -> None:
    """Run the function of a claimed job, and settle the claim as it ends."""
    spec = jobs.get(held.function)
    flusher = process_flusher()
    recorder = Recorder(
        root_id=held.root_id,
        title=held.title,
        fence=held.fence,
        attempt=held.mark,
        strict=spec.checkpointed,
        schedule=flusher,
    )
    hold = Hold(root_id=held.root_id, fence=held.fence, cancel_requested=held.cancel_requested)
    context = Context(claim=held, recorder=recorder, hold=hold)
    # So that code deep in the work can ask, without the context.
    recorder.check = context.check_cancelled
    try:
        with process_heart().holding(hold):
            if held.continues and not spec.checkpointed:
                # The function starts over, so what an earlier attempt left open never ends by itself.
                recorder.adopt()
                recorder.end_all(NodeStatus.CANCELLED, error="interrupted; it runs again")
            _run(spec, context)
    except StaleFence:
        # Nothing of this claim was stored after it was lost; its successor tells the rest.
        logger.warning("Task %s was taken over by another worker.", held.root_id)
    finally:
        flusher.forget(recorder)


def _run(spec: JobSpec, context: Context) -> None:
    try:
        with tracking(context.recorder.root):
            if context.hold.cancel_requested and not spec.checkpointed:
                raise TaskCancelled("cancelled before it began")
            outcome = _as_outcome(spec.function(context))
        _settle(context, outcome)
    except StaleFence:
        raise
    except TaskCancelled as error:
        _settle(context, Cancelled(reason=error.message))
    except PermanentError as error:
        _settle(context, Failed(reason=error.message, error=_describe(error)))
    except Exception as error:
        # An outcome that can't be stored fails the attempt like anything else: left alone, the job would seem to run.
        logger.exception("Task %s (%s) failed.", context.id, spec.name)
        _fail(spec, context, error)


def _settle(context: Context, outcome: Outcome) -> None:
    if isinstance(outcome, Failed | Cancelled):
        status = NodeStatus.FAILED if isinstance(outcome, Failed) else NodeStatus.CANCELLED
        context.recorder.end_all(status, error=outcome.reason)
    elif isinstance(outcome, Completed):
        context.recorder.end_all(NodeStatus.COMPLETED)
    settle(context.claim, outcome=outcome, recorder=context.recorder)


def _as_outcome(value: Outcome | JSON) -> Outcome:
    if isinstance(value, Completed | Failed | Cancelled | Parked | Yielded):
        return value
    return Completed(result=value)


def _fail(spec: JobSpec, context: Context, error: Exception) -> None:
    reason = shorten(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, ERROR_CHARS)
    if spec.checkpointed:
        # What came after the last checkpoint isn't done: the next attempt takes it up as after a worker's death.
        context.recorder.rewind()
    if not (spec.checkpointed and context.claim.has_attempts_left):
        context.recorder.end_all(NodeStatus.FAILED, error=reason)
    give_back_failed(
        context.claim,
        recorder=context.recorder,
        error=_describe(error),
        reason=reason,
        draw=random.random(),  # noqa: S311 - jitter
    )


def _describe(error: Exception) -> JSON:
    return {
        "code": error.code if isinstance(error, TasksError) else type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error))[-8_000:],
    }
