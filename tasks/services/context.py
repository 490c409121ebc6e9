"""What a job's function asks and tells while it works."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from asgiref.sync import sync_to_async
from django.db import connection
from django.utils.translation import gettext as _

from tasks.domain.bounds import measure
from tasks.domain.jsonvalue import JSON, JSONObject, dumps, storable
from tasks.errors import InvalidState, JobTimeout, StaleFence, TaskCancelled, WorkInterrupted
from tasks.models import Job
from tasks.services.claims import Claim, consume_cancel, hold_claim, save_state
from tasks.services.committing import after_commit
from tasks.services.connections import renew_connections
from tasks.services.draining import is_draining
from tasks.services.hold import Hold, StopReason
from tasks.services.interruption import Interruption
from tasks.services.recorder import Recorder

__all__ = ["Context"]

#: How long a claim works before it ends at a checkpoint, so that long runs don't keep others waiting.
CLAIM_SECONDS = 60.0
#: Longest JSON text that a job may save.
SAVED_CHARS = 1_048_576


class Context:
    """Be what a job's function asks and tells while it works (tasks.registry.JobContext)."""

    def __init__(self, *, claim: Claim, recorder: Recorder, hold: Hold) -> None:
        self.claim = claim
        self.recorder = recorder
        self.hold = hold
        self._saved = claim.saved
        #: Whether it was saved in a transaction, of which nobody tells here whether it was rolled back.
        self._saved_in_transaction = False
        self._until = monotonic() + CLAIM_SECONDS

    @property
    def id(self) -> uuid.UUID:
        """The id of the job and of its root."""
        return self.claim.root_id

    @property
    def arguments(self) -> JSONObject:
        """What the job was enqueued with, as it is stored."""
        return self.claim.arguments

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.claim.attempt

    @property
    def is_retry(self) -> bool:
        """Whether an earlier attempt has failed."""
        return self.claim.attempt > 1

    @property
    def is_last_attempt(self) -> bool:
        """Whether the job is tried no more if this attempt fails."""
        return not self.claim.has_attempts_left

    @property
    def must_yield(self) -> bool:
        """Whether the claim has lasted long enough, or the worker is to stop: end it at the next checkpoint."""
        return monotonic() >= self._until or is_draining()

    @property
    def saved(self) -> JSON:
        """What this or an earlier attempt has saved last; None where nothing was. After a transaction it is read."""
        if self._saved_in_transaction:
            self._saved = Job.objects.values_list("saved", flat=True).get(pk=self.id)
            self._saved_in_transaction = connection.in_atomic_block
        return self._saved

    def save(self, state: JSON) -> None:
        """Store `state` at once, for the attempt that follows this one, whatever becomes of it.

        Inside a transaction of the function's own it commits with that: state and work are then never apart. Raises
        StaleFence where the work was taken over, InvalidState where `state` isn't JSON or is too long.
        """
        try:
            text = dumps(storable(state))
        except (TypeError, ValueError) as error:
            raise InvalidState(f"What a job saves must be JSON: {error}") from error
        if len(text) > SAVED_CHARS:
            raise InvalidState(f"A job saves at most {SAVED_CHARS:,} characters of JSON; this has {len(text):,}.")
        save_state(self.claim, text)
        self._saved = state
        self._saved_in_transaction = connection.in_atomic_block
        if connection.in_atomic_block:
            # The heart has had to wait for this row until now, and the lease may be over.
            after_commit(self.hold.beat)

    async def asave(self, state: JSON) -> None:
        """Do what `save` does, in a coroutine."""
        await sync_to_async(self.save)(state)

    def may_interrupt(self) -> bool:
        """Tell whether this thread may be broken into: not while it writes a checkpoint, whose commit must be known of.

        Nor while it reports: the buffers, and those who wait for them, must stay whole.
        """
        return not self.recorder.is_writing and not self.recorder.mutex.locked()

    @contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """Interrupt the block where it takes longer than `seconds`; it then raises JobTimeout.

        The thread has new database connections afterwards. Code that can't be interrupted is ended with its process,
        after the time of grace; somebody else goes on from the last checkpoint.
        """
        if seconds is None:
            yield
            return
        outer = self.hold.interruption
        inner = Interruption(self.may_interrupt, in_any_thread=False)
        self.hold.interruption = inner
        self.hold.limit(seconds)
        try:
            with inner:
                yield
        except WorkInterrupted as interrupted:
            renew_connections()
            if self.hold.stop_reason is StopReason.OVERDUE:
                raise JobTimeout(f"It took longer than {seconds:g} seconds.") from interrupted
            if outer is not None:
                inner.pass_on(outer)
            raise
        finally:
            self.hold.interruption = outer
            self.hold.go_on()

    def hold_claim(self) -> None:
        """Let nobody take the work over before the caller's transaction ends.

        Raises StaleFence where somebody has. This locks the job.
        """
        hold_claim(self.claim)

    def consume_cancel(self) -> None:
        """Take the wish to cancel the work, in the caller's transaction: it ends by what it does about it.

        Raises StaleFence where the work was taken over. This locks the job.
        """
        consume_cancel(self.claim)
        after_commit(self.hold.go_on, after_cancel=True)

    def progress(self, percent: float, message: str | None = None) -> None:
        """Report a percentage, clamped to 0 to 100, and a message; what is no number leaves the percentage as it is."""
        number = measure(percent)
        self.recorder.root.progress(None if number is None else max(0.0, min(100.0, number)), 100, message)

    def check_cancelled(self) -> None:
        """Raise where the work is to stop.

        TaskCancelled once cancellation was asked for, JobTimeout once the time is over, StaleFence once the work was
        taken over.
        """
        reason = self.hold.stop_reason
        if reason is StopReason.LOST or self.recorder.lost:
            raise StaleFence("Another worker has taken this job over.", task_id=str(self.id))
        if reason is StopReason.CANCELLED:
            raise TaskCancelled(self.hold.cancel_reason or _("The work was cancelled."), task_id=str(self.id))
        if reason in (StopReason.TIMED_OUT, StopReason.OVERDUE):
            raise JobTimeout(_("The work took longer than it may."), task_id=str(self.id))
