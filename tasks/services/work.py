"""Working off one hint: claim jobs, run their functions, settle the claims."""

import asyncio
import logging
import os
import random
import socket
import traceback
from functools import partial
from time import monotonic, sleep

from django.db import OperationalError, connection
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import metas
from tasks.domain.outcomes import Cancelled, Completed, Failed, Outcome, Parked, Yielded
from tasks.domain.statuses import NodeStatus
from tasks.errors import (
    JobTimeout,
    OpenTransaction,
    PermanentError,
    StaleFence,
    TaskCancelled,
    TasksError,
    WorkInterrupted,
    text_of,
)
from tasks.registry import JobSpec, jobs
from tasks.services.calling import call
from tasks.services.claims import Claim, claim, read_cancel_reason
from tasks.services.connections import are_as_before, depths, has_left_open, renew_connections, tidy_connections
from tasks.services.context import Context
from tasks.services.current import working
from tasks.services.draining import is_draining, is_ending
from tasks.services.flusher import process_flusher
from tasks.services.forcing import end_stuck
from tasks.services.heartbeat import process_heart
from tasks.services.hints import send_hint
from tasks.services.hold import Hold, StopReason
from tasks.services.interruption import Interruption
from tasks.services.languages import own_language
from tasks.services.losses import hand_back
from tasks.services.recorder import Recorder
from tasks.services.settling import give_back_failed, settle
from tasks.tracking import tracking

__all__ = ["carry_out", "work_off", "work_on", "worker_name"]

logger = logging.getLogger(__name__)

#: How long one hint is worked on: then the worker looks whether it is to stop, or whether other queues have work.
HINT_SECONDS = 0.5


def worker_name() -> str:
    """Return a name for this worker process that is unique among living ones."""
    return f"{socket.gethostname()}:{os.getpid()}"


def work_on(queue: str, *, seconds: float = HINT_SECONDS, early: bool = False) -> int:
    """Work off job after job of `queue` until none is due or the time is over; return how many.

    A message for each job would cost more than many a job. Where more may be due, a new hint says so. An early hint may
    have overtaken its job, whose insert is about to be committed.
    """
    until = monotonic() + seconds
    done = 0
    pauses = iter(EARLY_PAUSES if early else ())
    while not is_draining():
        if work_off(queue):
            done += 1
            if monotonic() >= until:
                send_hint(queue)
                break
        elif done or (pause := next(pauses, None)) is None:
            break
        else:
            sleep(pause)
    return done


#: How long a worker waits for a job whose hint has overtaken it, before each further look.
EARLY_PAUSES = (0.002, 0.004, 0.008)


def work_off(queue: str) -> bool:
    """Claim one job of `queue` and carry it out; False where there was nothing to do.

    Safe to call twice for one job, or for none: the claim decides. Never raises for what a job does.
    """
    held = _claim(queue)
    if held is None:
        return False
    carry_out(held)
    return True


def _claim(queue: str) -> Claim | None:
    try:
        return claim(queue=queue, worker=worker_name())
    except OperationalError:
        # The connection is kept from one hint to the next, and the server may have been started anew meanwhile.
        if connection.in_atomic_block:
            raise
        connection.close()
        return claim(queue=queue, worker=worker_name())


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
    if spec.meta_model is not None:
        recorder.root.meta_type = metas.type_for(spec.meta_model)
    hold = Hold(
        root_id=held.root_id,
        fence=held.fence,
        cancel_requested=held.cancel_requested,
        cancel_reason=read_cancel_reason(held.root_id) if held.cancel_requested else "",
        timeout_seconds=spec.timeout_seconds,
        force=partial(end_stuck, held),
    )
    context = Context(claim=held, recorder=recorder, hold=hold)
    # So that code deep in the work can ask, without the context.
    recorder.check = context.check_cancelled
    try:
        with process_heart().holding(hold):
            if held.continues and not spec.checkpointed:
                # What it has saved says where it goes on, and what was counted until there has been done.
                recorder.start_over(_("interrupted; it runs again"), keeps_count=held.saved is not None)
            _run(spec, context)
    except StaleFence:
        # Nothing of this claim was stored after it was lost; its successor tells the rest.
        logger.warning("Task %s was taken over by another worker.", held.root_id)
    finally:
        flusher.forget(recorder)
        tidy_connections()


def _run(spec: JobSpec, context: Context) -> None:
    try:
        outcome = _call(spec, context)
        _settle(context, outcome)
    except StaleFence:
        raise
    except BaseException as error:
        if is_ending():
            # Neither the work nor its attempt has failed: somebody else does it.
            logger.warning("Task %s (%s) is handed on: this process was told to end.", context.id, spec.name)
            hand_back(context.claim)
            raise
        if isinstance(error, KeyboardInterrupt | GeneratorExit | WorkInterrupted):
            # This process ends, or whoever has broken into the work knows how it goes on.
            raise
        _settle_error(spec, context, error)


def _settle_error(spec: JobSpec, context: Context, error: BaseException) -> None:
    if isinstance(error, TaskCancelled):
        _settle(context, Cancelled(reason=error.message))
    elif isinstance(error, PermanentError):
        _settle(context, Failed(reason=error.message, error=_describe(error)))
    else:
        # An outcome that can't be stored fails the attempt like anything else: left alone, the job would seem to run.
        # So does what is no Exception, such as SystemExit and the time limits of some libraries.
        logger.exception("Task %s (%s) failed.", context.id, spec.name)
        _fail(spec, context, error)


def _call(spec: JobSpec, context: Context) -> Outcome:
    hold = context.hold
    if hold.cancel_requested and not spec.checkpointed:
        raise TaskCancelled(hold.cancel_reason or _("cancelled before it began"))
    interruption = Interruption(context.may_interrupt, in_any_thread=not spec.checkpointed)
    before = depths()
    left_open = False
    try:
        # A time zone or a language that the function activates is not that of whatever this thread does next.
        with (
            working(context.id, context.claim.owner),
            tracking(context.recorder.root),
            timezone.override(None),
            own_language(),
            interruption,
        ):
            hold.interruption = interruption
            value = call(spec, context, interruption)
            left_open = has_left_open(before)
            if left_open:
                raise OpenTransaction
            return _as_outcome(spec, value)
    except (WorkInterrupted, asyncio.CancelledError) as interrupted:
        if not interruption.was_sent:
            raise RuntimeError("The work was cancelled by something of its own.") from interrupted
        return _interrupted(spec, context, interrupted)
    finally:
        hold.interruption = None
        if interruption.was_sent or left_open or not are_as_before(before):
            renew_connections()


def _interrupted(spec: JobSpec, context: Context, interrupted: BaseException) -> Outcome:
    reason = context.hold.stop_reason
    if reason is StopReason.CANCELLED:
        text = _("%(reason)s; it was interrupted") % {"reason": context.hold.cancel_reason or _("cancelled")}
        if not spec.checkpointed:
            return Cancelled(reason=text)
        context.recorder.rewind()
        hook = spec.settle_idle
        return Cancelled(
            reason=text, write=None if hook is None else partial(hook, context.id, NodeStatus.CANCELLED, text)
        )
    if reason is StopReason.TIMED_OUT:
        text = _("It took longer than %(count)s seconds.") % {"count": f"{spec.timeout_seconds:g}"}
        raise JobTimeout(text) from interrupted
    raise StaleFence("Another worker has taken this job over.", task_id=str(context.id)) from interrupted


def _settle(context: Context, outcome: Outcome) -> None:
    if isinstance(outcome, Failed | Cancelled):
        status = NodeStatus.FAILED if isinstance(outcome, Failed) else NodeStatus.CANCELLED
        context.recorder.end_all(status, error=outcome.reason)
    elif isinstance(outcome, Completed):
        context.recorder.end_all(NodeStatus.COMPLETED)
    settle(context.claim, outcome=outcome, recorder=context.recorder)


def _as_outcome(spec: JobSpec, value: object) -> Outcome:
    if isinstance(value, Completed | Failed | Cancelled | Parked | Yielded):
        return value
    return Completed(result=spec.signature.result_to_json(value))


def _fail(spec: JobSpec, context: Context, error: BaseException) -> None:
    told = text_of(error)
    reason = shorten(f"{type(error).__name__}: {told}" if told else type(error).__name__, ERROR_CHARS)
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


def _describe(error: BaseException) -> JSON:
    return {
        "code": error.code if isinstance(error, TasksError) else type(error).__name__,
        "message": shorten(text_of(error), ERROR_CHARS),
        # Of a text without end the frames are to be left.
        "traceback": "".join(shorten(part, ERROR_CHARS) for part in traceback.format_exception(error))[-8_000:],
    }
