"""Carrying a background run on, action by action, each with its checkpoint.

A claim of the run's job restores the interpreter from the cursor and runs until the process ends, waits, or has worked
long enough. Between two actions everything is in the database; a worker that dies repeats at most the action it was in.
"""

from datetime import datetime
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from processes.domain.callback_tokens import redacted
from processes.domain.directives import Failed, Finished, Park, RunAgain, Running, Suspended, Suspending
from processes.domain.interpreter import RETRY, Pending
from processes.domain.json_values import JSON, json_problems
from processes.domain.origin import is_harmless
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.errors import (
    CANCELLED,
    NotJsonError,
    OutcomeUnknownError,
    ProcessError,
    RunCancelled,
)
from processes.models import FormOutcome, Run
from processes.services.batch import Batch
from processes.services.callback_ends import end_callbacks, next_expiry
from processes.services.checkpoints import newest_checkpoint, write_checkpoint
from processes.services.claimed_run import Changed, Columns, RunTakenOver
from processes.services.fan_out import begin
from processes.services.giving_up import cancels_rest, give_up
from processes.services.hearing_run import HearingRun
from processes.services.inbox import (
    has_controls,
)
from processes.services.indicators import told_reason
from processes.services.operators import PAUSED
from processes.services.run_forms import open_form
from processes.services.run_steps import tell
from processes.services.run_store import (
    check_run_transition,
    find_run,
    told,
)
from tasks.domain import outcomes
from tasks.domain.jsonvalue import storable
from tasks.errors import JobTimeout, StaleFence, TaskCancelled, WorkInterrupted
from tasks.services import prepared
from tasks.services.context import Context
from tasks.services.hold import StopReason
from tasks.services.recorder import TaskNode
from tasks.tracking import tracking

#: How long a child run goes on without a checkpoint where it does only what has no effect.
WRITTEN_EVERY_SECONDS = 0.1
#: Calls of sub processes, actions that run nothing, and what is declared to have no effect.
_WITHOUT_EFFECT = (None, "pure")


def advance_run(context: Context) -> outcomes.Outcome:
    """Carry a run on as far as one claim goes, and return how the claim ends.

    Raises StaleFence, having stored nothing since, where another worker has taken the run over.
    """
    found = find_run(context.id)
    run = found.run
    if run.status in RUN_TERMINAL:
        raise StaleFence("This run has ended.", task_id=str(context.id))
    # What is told on the way is for the person who began it.
    language = (run.request or {}).get("language") or settings.LANGUAGE_CODE
    with translation.override(str(language)):
        return _Advance(found, context=context).go()


class _Advance(HearingRun):
    """Carry a run on, as far as one claim goes."""

    def go(self) -> outcomes.Outcome:
        check_run_transition(self.run, self._status)
        while True:
            try:
                if self.batch is not None and not self.interpreter.is_compensating and cancels_rest(self.batch.fan_out):
                    # Whoever was to cancel it may have died before they got to it.
                    raise RunCancelled(_("It isn't needed any more."))
                ended = self._go_on()
            except (RunCancelled, TaskCancelled) as error:
                ended = self._cancel(str(error))
            except RunTakenOver as error:
                raise StaleFence(str(error)) from error
            except WorkInterrupted:
                if self.context.hold.stop_reason is not StopReason.CANCELLED or not self.interpreter.can_compensate:
                    raise
                # What was broken off isn't done. The next claim begins with the wish to cancel, and undoes the rest.
                self.recorder.rewind()
                return outcomes.Yielded()
            if ended is not None:
                return ended

    def _go_on(self) -> outcomes.Outcome | None:
        self.context.check_cancelled()
        self._hear_operators()
        if self.paused is not None:
            return self._pause()
        self._take_message()
        self._fire_timer()
        ended = self._stand()
        if ended is None:
            ended = self._act()
        # Only now: every claim gets at least one action done, however short its time.
        if ended is None and self.context.must_yield:
            ended = outcomes.Yielded()
        return ended

    def _act(self) -> outcomes.Outcome | None:
        """Run the pending action, and write its checkpoint; return the outcome of a run that ends or waits with it."""
        pending = self.interpreter.pending
        assert pending is not None
        if self.is_ahead and pending.effect not in _WITHOUT_EFFECT:
            # What has an effect begins where a successor would begin it.
            self._checkpoint()
        limit_seconds = self._limit_seconds(pending)
        if (self.is_ahead or self.is_unstored) and (limit_seconds is not None or self.interpreter.may_run_again):
            # Broken off, or tried again, it goes back to what is stored: that must be what it begins with.
            self._checkpoint()
            limit_seconds = self._limit_seconds(pending)
        node = self.steps.start(pending)
        # Where there is no time for it, it isn't begun.
        begins = limit_seconds is None or limit_seconds > 0 or self.run.intent == pending.ordinal
        if begins and pending.effect == "once" and not self._commit_intent(pending):
            self.interpreter.fail(
                OutcomeUnknownError(
                    _("The worker died in “%(action)s”, which must not run twice: find out whether it was done.")
                    % {"action": pending.name}
                )
            )
            self._checkpoint(node)
            return self._stand()
        if limit_seconds is not None and not self._commit_start(limit_seconds):
            self._time_out(pending)
        elif pending.effect == "transactional":
            self._step_and_commit(node, pending, limit_seconds)
            return self._stand(node)
        else:
            self._step(node, pending, limit_seconds)
        if pending.effect == "once" and self.steps.last_error is not None and is_harmless(self.steps.last_error):
            self._give_back(pending)
        self._end_item()
        # The end of a run is stored together with the status of its job, not here.
        if isinstance(self.interpreter.outcome, Running):
            self._checkpoint_in_time(node, pending)
        return self._stand(node)

    def _checkpoint_in_time(self, node: TaskNode, pending: Pending) -> None:
        """Write a checkpoint, unless a child run has only done what has no effect, and has written one just now.

        Such actions may run again; a row for each of many small items would cost more than they do.
        """
        soon = monotonic() - self.written_at < WRITTEN_EVERY_SECONDS and not self.context.must_yield
        # What can be undone is looked for in what is stored.
        is_free = pending.effect in _WITHOUT_EFFECT and not self.interpreter.can_compensate
        if self.batch is not None and is_free and soon:
            self.is_ahead = True
        else:
            self._checkpoint(node)

    def _step(self, node: TaskNode, pending: Pending, limit_seconds: float | None) -> None:
        self.steps.last_error = None
        try:
            if limit_seconds is None:
                with tracking(node):
                    self.interpreter.step()
            else:
                with tracking(node), self.context.limited(limit_seconds):
                    self.interpreter.step()
        except JobTimeout:
            self._forget_changes()
            self._time_out(pending)
        except (RunCancelled, TaskCancelled):
            self.is_left = True
            raise

    def _step_and_commit(self, node: TaskNode, pending: Pending, limit_seconds: float | None) -> None:
        """Run a transactional script: what it writes is committed with the checkpoint."""
        self.steps.last_error = None
        try:
            # Between the script and its checkpoint nobody else may write for this run. The limit ends while that holds,
            # so that nothing breaks in once all is committed.
            with self.recorder.writing, self.context.limited(limit_seconds), transaction.atomic():
                point = transaction.savepoint()
                with self.recorder.holding_writes(), tracking(node):
                    self.interpreter.step()
                # Its writes go with its error; the error itself is the process's, and has its checkpoint.
                if self.steps.last_error is not None or self._is_tried_again:
                    # An error of the database has broken the transaction, and the way back to the savepoint mends it.
                    transaction.set_rollback(False)
                    transaction.savepoint_rollback(point)
                else:
                    transaction.savepoint_commit(point)
                if self._is_tried_again:
                    # What it has changed goes with what it has written, before the checkpoint can store it.
                    self._forget_changes()
                self._checkpoint(node)
        except JobTimeout:
            self._forget_changes()
            self._time_out(pending)
            self._checkpoint(node)

    @property
    def _is_tried_again(self) -> bool:
        outcome = self.interpreter.outcome
        if not isinstance(outcome, Suspended) or not isinstance(outcome.directive, RunAgain):
            return False
        return outcome.directive.reason == RETRY

    def _limit_seconds(self, pending: Pending) -> float | None:
        """Return how long the action may take: what is left of its own limit, or to those that have called it."""
        own = None if pending.is_process else pending.action.timeout_seconds
        began_at, deadline = self.run.step_began_at, self.interpreter.deadline
        if own is None and deadline is None:
            return None
        now = timezone.now()
        if own is not None and began_at is not None:
            own = max(0.0, own - (now - began_at).total_seconds())
        if deadline is None:
            return own
        left = max(0.0, (deadline - now).total_seconds())
        return left if own is None else min(own, left)

    def _time_out(self, pending: Pending) -> None:
        """Let an action fail that took too long, or that whose sub process has."""
        deadline = self.interpreter.deadline
        if deadline is not None and deadline <= timezone.now():
            self.interpreter.expire(self._too_late(None))
        else:
            self.interpreter.fail(self._too_late(pending))

    def _stand(self, node: TaskNode | None = None) -> outcomes.Outcome | None:
        """Return how the claim ends where the process has ended or waits; None where there is an action to run."""
        if self._end_item():
            self._checkpoint(node)
        outcome = self.interpreter.outcome
        if isinstance(outcome, Running):
            return None
        if isinstance(outcome, Suspended):
            return self._wait(outcome.directive, node)
        try:
            columns, changed = self._columns()
        except NotJsonError as error:
            return self._fail(error)
        tell(node, told(changed))
        if isinstance(outcome, Failed) and not (self.batch is not None and self.batch.tolerates):
            return self._fail(outcome.error, compensated=outcome.compensated, columns=columns, changed=changed)
        return outcomes.Completed(
            result=_shown(outcome.value) if isinstance(outcome, Finished) else None,
            **self._ending(RunStatus.COMPLETED, None, columns=columns, changed=changed),
        )

    def _wait(self, directive: Suspending, node: TaskNode | None) -> outcomes.Outcome:
        """Return how the claim ends at an action that waits, or that wants to run again later."""
        if not isinstance(directive, Park | RunAgain):
            return self._fail(ProcessError("The run has stopped in a way that can't be stored.", code="not_storable"))
        if self._is_tried_again:
            # The next try begins with what the last checkpoint has stored, as after a worker's death.
            self._forget_changes()
        try:
            columns, changed = self._columns()
        except NotJsonError as error:
            return self._fail(error)
        tell(node, told(changed))
        until = self._sooner(directive)
        waiting_for: dict[str, JSON] = {"code": directive.reason, **directive.facts}
        if until is not None:
            waiting_for["until"] = until.isoformat()
        pending = self.interpreter.pending
        if pending is not None:
            self.steps.defer(
                pending.ordinal, reason=directive.reason, until=None if until is None else until.isoformat()
            )
        status = RunStatus.WAITING if self._status is RunStatus.RUNNING else self._status
        dropped, left, left_forms = self._take_dropped(), self._left_steps(), self._left_forms

        def write() -> None:
            # A `once` action that says it will wait has told how it stands: it may begin again.
            waits = {"status": status.value, "intent": None, "step_began_at": None, "waiting_for": waiting_for}
            prepared.update(Run, self.run.pk, {**waits, **columns})
            write_checkpoint(self.run.pk, self._point(columns["cursor"]), changed=changed)
            end_callbacks(self.run.pk, dropped)
            self._close_forms(left_forms)
            if left:
                give_up(self.run.pk, ordinals=left)
            self._write_results()
            self._keep_answers()
            self.readings.write()
            if isinstance(directive, Park):
                begin(self.run.pk, ordinal=directive.at)
                if directive.at not in self.forms:
                    open_form(self.run, directive, until=self.interpreter.deadline)

        if isinstance(directive, RunAgain) and until is not None:
            return outcomes.Yielded(due_at=until, waiting_for=waiting_for, write=write)
        return outcomes.Parked(
            waiting_for=waiting_for, until=until, write=write, is_woken=lambda: self._next_message() is not None
        )

    def _sooner(self, directive: Park | RunAgain) -> datetime | None:
        """Return when a run that waits goes on by itself: when a timer is up, of its own, an action's or a callback's.

        An action that runs again isn't disturbed by callbacks before.
        """
        callbacks = self.interpreter.open_callbacks if isinstance(directive, Park) else ()
        moments = (directive.until, self.interpreter.deadline, next_expiry(self.run.pk, callbacks))
        return min((moment for moment in moments if moment is not None), default=None)

    def _fail(
        self,
        error: ProcessError,
        *,
        compensated: bool = False,
        columns: Columns | None = None,
        changed: Changed | None = None,
    ) -> outcomes.Outcome:
        described, reason = storable(redacted(error.to_json())), told_reason(error)
        status = RunStatus.COMPENSATED if compensated else RunStatus.FAILED
        ending = self._ending(status, described, columns=columns, changed=changed)
        if compensated and error.code == CANCELLED:
            return outcomes.Cancelled(reason=reason, **ending)
        return outcomes.Failed(reason=reason, error=described, **ending)

    def _cancel(self, reason: str) -> outcomes.Outcome | None:
        """End the run, or begin to undo what it has done; a run that undoes already goes on with that."""
        undoes = self.interpreter.is_compensating
        if undoes:
            # What else it was to work off is given up all the same.
            self.interpreter.cancel(ProcessError(reason, code=CANCELLED))
        elif not self._begins_to_undo(reason):
            described: JSON = {"code": CANCELLED, "message": reason}
            return outcomes.Cancelled(reason=reason, **self._ending(RunStatus.CANCELLED, described))
        self.closes_forms_as = FormOutcome.CANCELLED
        self.paused = None
        self._checkpoint(consumes_cancel=True, gives_up=not undoes)
        return None

    def _begins_to_undo(self, reason: str) -> bool:
        """Go back to what is stored, and begin to undo what is done there; tell whether anything is."""
        if not self.interpreter.can_compensate:
            return False
        self.steps.cancel_open(reason)
        if self.batch is not None:
            # Items that have ended since then haven't, and are read once more.
            self.batch = Batch(self.run)
        # An action that was left in the middle has changed what it shouldn't have; what it had done by others is done.
        left, began_with = self.interpreter, self.stored
        self._restore(newest_checkpoint(self.run.pk))
        if self.is_left and self.interpreter.take_for_done(left):
            self._take_along(left.app, began_with)
        # Steps that are told already keep their numbers.
        self.app.ordinal, self.app.most_used = max(self.app.ordinal, left.app.ordinal), left.app.most_used
        begins = self.interpreter.cancel(ProcessError(reason, code=CANCELLED))
        # What has ended, though that isn't stored yet, ends as it has.
        return begins or isinstance(self.interpreter.outcome, Finished | Failed)

    def _pause(self) -> outcomes.Outcome:
        """Return how the claim ends of a run that stands still: whatever else it waits for is looked at afterwards."""
        status = RunStatus.WAITING if self._status is RunStatus.RUNNING else self._status
        paused: dict[str, JSON] = {"code": PAUSED, **self.paused}

        def write() -> None:
            Run.objects.filter(pk=self.run.pk).update(status=status.value, waiting_for=paused)

        # Those who follow the run aren't told who it was.
        told_to_all: dict[str, JSON] = {"code": PAUSED, "since": paused["since"]}
        return outcomes.Parked(waiting_for=told_to_all, write=write, is_woken=lambda: has_controls(self.run.pk))


def _shown(value: object) -> JSON:
    """Return a run's value as its result; what isn't JSON is no result."""
    return None if json_problems(value, limit=1) else value
