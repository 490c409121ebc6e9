"""What one claim of a run works with: its place, its context, and the items of a child run."""

import json
from collections.abc import Mapping
from copy import copy
from time import monotonic
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext as _

from processes.domain.application import Application
from processes.domain.callback_tokens import redact, redacted
from processes.domain.directives import Failed, Finished, Park, Suspended
from processes.domain.interpreter import Interpreter, Pending
from processes.domain.json_values import JSON, json_problems
from processes.domain.origin import begin_anew, give_back, spent_actions
from processes.domain.outside import Answer, OutboundRequest
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.run_status import RunStatus
from processes.errors import (
    ActionTimeoutError,
    NotJsonError,
    ProcessError,
    RunInterrupted,
)
from processes.models import Checkpoint, FormOutcome, InboxItem, RunAnswer
from processes.services.access import Caller
from processes.services.batch import Batch
from processes.services.clock_readings import ClockReadings
from processes.services.derivation import load_plan
from processes.services.host import DjangoHost
from processes.services.outside.hearing import answer_json
from processes.services.run_steps import RunSteps
from processes.services.run_store import Found, new_context
from processes.services.stored_context import StoredContext
from processes.services.stored_data import StoredData, is_storable
from tasks.domain.jsonvalue import storable
from tasks.errors import JobTimeout, StaleFence, TaskCancelled
from tasks.services.context import Context

__all__ = ["Changed", "ClaimedRun", "Columns", "RunTakenOver"]

Changed = dict[str, str | None]
Columns = dict[str, object]

_METHOD_CHARS: Final = 10


class RunTakenOver(RunInterrupted):
    """Stop because another worker carries the run on."""


class ClaimedRun:
    """Hold what one claim of a run works with."""

    def __init__(self, found: Found, *, context: Context) -> None:
        self.run = run = found.run
        self.context = context
        self.recorder = context.recorder
        #: What other systems have answered since the last checkpoint.
        self.answers: list[RunAnswer] = []
        #: What the clock has shown to its actions since then; a part doesn't become a test.
        self.readings = ClockReadings(run.pk)
        self.steps = RunSteps(run_id=run.pk, recorder=self.recorder, continues=context.claim.continues)
        #: The items of a child run.
        self.batch = None if run.fan_out_id is None else Batch(run)
        #: Actions without effect have been carried out since the last checkpoint, at this time.
        self.is_ahead, self.written_at = False, monotonic()
        #: Nothing is stored of the item that a child run is at: it would begin once more.
        self.is_unstored = False
        #: An action has heard of the run's cancellation, and left: what others it had done by then is known.
        self.is_left = False
        #: The steps that waited when this claim began, as far as they still do.
        self.waits: list[int] = []
        self._restore(found.stands)
        #: The changed keys of data, as the guard has found them after the last script.
        self.changed: Changed | None = None
        #: What the run began with, where the next checkpoint is to write it anew.
        self.origin: dict[str, JSON] | None = None
        #: Callbacks of items that have ended since the last checkpoint.
        self.dropped: list[str] = []
        #: The message with which the run ends.
        self.taken: InboxItem | None = None
        #: The steps that wait at forms which are open, as far as that is stored; and what to say of those that close.
        self.forms: set[int] = set(self.interpreter.waiting_forms)
        self.closes_forms_as = FormOutcome.OVER
        #: Who has paused the run, and since when.
        self.paused: JSON = self.run.paused

    def _restore(self, stands: Checkpoint | None) -> None:
        """Take up the run where its last checkpoint has left it."""
        run = self.run
        #: The plan that the run has, once the next checkpoint is written.
        self.plan_id = run.plan_id
        if stands is not None:
            run.cursor, run.ordinal = stands.cursor, stands.ordinal
        self.stored, data = StoredData.load(run.pk, lazily=True)
        self.app: Application = new_context(run, data)
        self.stored_context = StoredContext(self.app)
        if self.batch is not None and self.batch.index is not None and stands is None:
            self._begin_item(ordinal=run.ordinal)
            return
        self._interpret(run.cursor)
        self._note_item()
        self.waits = self.interpreter.waiting_steps
        under_way = {entry.ordinal for entry in self.interpreter.under_way}.union(self.waits)
        self.steps.take_up(self.interpreter.pending, ordinals=under_way, waits=self._parked is not None)

    def _interpret(self, cursor: JSON) -> None:
        self.interpreter = Interpreter.restore(
            cursor, app=self.app, host=self._host(), trace=self.steps.ended, guard=self._check_storable
        )

    def _host(self) -> DjangoHost:
        run, template = self.run, self.run.template
        caller = Caller(
            user_id=run.user_id,
            session_key=run.session_key,
            template_id=run.template_id,
            slug=template.slug if template is not None else "",
            instance_id=run.instance_id,
            run_id=run.pk,
        )
        return DjangoHost(
            caller=caller,
            plan=load_plan(self.plan_id),
            durable=True,
            why_cancelled=self._why_cancelled,
            hold=self._hold_claim,
            heard=self._hear_answer,
            told_time=None if self.batch is not None else self.readings.note,
            # What was lent to an execution serves its parts too.
            execution=str(run.lent_to or run.pk),
        )

    def _begin_item(self, *, ordinal: int) -> None:
        """Begin the present item of a child run, in a context of its own; `ordinal` is the last one that was used."""
        assert self.batch is not None
        data = self.batch.begin()
        self.is_unstored = True
        self.changed = None
        self.app = new_context(self.run, data, attributes={})
        # The row may hold what the item before has left.
        self.app.request = Request(language=self.app.request.language)
        self.app.response.clear()
        self.app.ordinal, self.app.authority = ordinal, self.batch.authority
        target = self.batch.target
        self._note_item()
        self.interpreter = Interpreter.start(
            load_plan(str(target["plan"])),
            app=self.app,
            host=self._host(),
            entry=target.get("entry"),
            outside=False,
            bare=bool(target.get("bare")),
            trace=self.steps.ended,
            guard=self._check_storable,
        )

    def _note_item(self) -> None:
        """Show which item is at work, where there are several."""
        if self.batch is None or self.batch.index is None or not self.batch.holds_many:
            return
        number = self.batch.index + 1
        self.steps.begin_item(number, self.batch.name or f"{number:,}")
        self.recorder.root.progress(self.batch.done, self.batch.size)

    def _end_item(self) -> bool:
        """Where a child run's item has ended, begin the next; tell whether there is one."""
        if self.batch is None or self.batch.index is None:
            return False
        outcome = self.interpreter.outcome
        if not isinstance(outcome, Finished | Failed):
            return False
        self.steps.end_item(outcome.error if isinstance(outcome, Failed) else None)
        self._strike_undone()
        origin = self._own_origin
        spent = spent_actions(origin)
        if spent:
            # From now on the item says so itself.
            self.origin = begin_anew(origin)
        if not self.batch.end(outcome, self.app, spent=spent, cancelled=self.interpreter.was_cancelled):
            return False
        self.dropped += self.interpreter.take_dropped()
        self._begin_item(ordinal=self.app.ordinal)
        return True

    def _strike_undone(self) -> None:
        """Note what a child run has undone since: for its parent that isn't done any more."""
        undone = self.steps.take_undone()
        if self.batch is not None and spent_actions(self._own_origin):
            for ordinal in undone:
                self.origin = give_back(self._own_origin, ordinal=ordinal)

    @property
    def _own_origin(self) -> Mapping[str, Any]:
        """Give what the run began with as the next checkpoint writes it; of a child run, what its item has spent."""
        return (self.run.origin or {}) if self.origin is None else self.origin

    def _take_dropped(self) -> list[str]:
        """Give, once, the callbacks whose process has ended before they did."""
        dropped, self.dropped = [*self.dropped, *self.interpreter.take_dropped()], []
        return dropped

    def _left_steps(self) -> list[int]:
        """Give the steps that waited, and don't any more: nobody asks for what they have spread."""
        if not self.waits:
            return []
        waiting = self.interpreter.waiting_steps
        return [step for step in self.waits if step not in waiting]

    @property
    def _left_forms(self) -> set[int]:
        """Return the steps whose forms are open, and at which the run doesn't wait any more."""
        return self.forms.difference(self.interpreter.waiting_forms) if self.forms else self.forms

    @property
    def _parked(self) -> Park | None:
        outcome = self.interpreter.outcome
        return outcome.directive if isinstance(outcome, Suspended) and isinstance(outcome.directive, Park) else None

    @property
    def _status(self) -> RunStatus:
        return RunStatus.COMPENSATING if self.interpreter.is_compensating else RunStatus.RUNNING

    def _check_storable(self, app: Application, value: object) -> None:
        """Let an action fail that leaves what can't be stored; the interpreter calls it before it moves on.

        So does a script that goes on in a transaction that an error of the database has broken: its writes are lost.
        """
        if connection.in_atomic_block and connection.needs_rollback:
            raise ProcessError(
                _("It caught an error of the database, and what it wrote before is lost: put what may fail into a "
                  "transaction.atomic() of its own."),
                code="broken_transaction",
            )  # fmt: skip
        try:
            self._check_kinds(app)
            self.stored_context.look(app)
            self.changed = self.stored.changes(app.data)
            if app.state is not None and (problems := json_problems(app.state, limit=1)):
                raise NotJsonError(f"The action's state can't be stored: {problems[0].message}")
        except NotJsonError:
            self._drop_unstorable()
            raise

    def _drop_unstorable(self) -> None:
        """Put what isn't JSON back to what is stored of it."""
        _, stored = StoredData.load(self.run.pk, lazily=True)
        for key in [key for key, value in self.app.data.items() if not is_storable(key, value)]:
            del self.app.data[key]
            if key in stored:
                self.app.data[key] = stored[key]
        app, kept = self.app, self._context_before()
        for name in [name for name, value in app.attributes.items() if json_problems(value, limit=1)]:
            app.remove(name)
            if name in kept.attributes:
                app.set(name, kept.attributes[name])
        if json_problems(app.request.to_json(), limit=1):
            app.request = kept.request
        if json_problems(app.response.to_json(), limit=1):
            app.response = kept.response

    def _check_kinds(self, app: Application) -> None:
        """Raise NotJsonError where a script has put something else in the place of a part, which is put back."""
        if not isinstance(app.data, dict):
            self.stored, app.data = StoredData.load(self.run.pk, lazily=True)
            raise NotJsonError("app.data was replaced by something that is no dict.")
        for name, kind in (("request", Request), ("response", Response)):
            if not isinstance(getattr(app, name), kind):
                setattr(app, name, getattr(self._context_before(), name))
                raise NotJsonError(f"app.{name} was replaced by something that is no {kind.__name__}.")

    def _context_before(self) -> Application:
        """Return the context as it was when it was last looked at: copies, which a script may have."""
        stood = copy(self.run)
        for name, part in self.stored_context.parts.items():
            setattr(stood, name, part)
        return new_context(stood, {})

    def _forget_changes(self) -> None:
        """Put the context back to what is stored: an action that was broken off leaves nothing behind."""
        self.changed = None
        self.stored, stored = StoredData.load(self.run.pk, lazily=True)
        self.app.data = stored
        self._put_context(new_context(self.run, stored))

    def _put_context(self, kept: Application) -> None:
        self.app.request, self.app.response = kept.request, kept.response
        for name in list(self.app.attributes):
            self.app.remove(name)
        for name, value in kept.attributes.items():
            self.app.set(name, value)

    def _take_along(self, left: Application, stored: StoredData) -> None:
        """Let the context be what it was when an action was left that had others done: they are undone with that.

        `stored` are the data that it began with. Where it has left what can't be stored, what is stored stays.
        """
        try:
            self._check_kinds(left)
            left.context_json()
            changed = stored.changes(left.data)
        except NotJsonError:
            return
        for key, text in changed.items():
            if text is None:
                self.app.data.pop(key, None)
            else:
                self.app.data[key] = json.loads(text)
        self._put_context(left)

    def _hear_answer(self, request: OutboundRequest, answer: Answer | ProcessError) -> None:
        self.answers.append(
            RunAnswer(
                run_id=self.run.pk,
                method=request.method.upper()[:_METHOD_CHARS],
                url=redact(request.url),
                # What answers quote of tokens is hidden, as everywhere.
                answer=storable(redacted(answer_json(answer))),
            )
        )

    def _why_cancelled(self) -> str:
        """Return the reason for which the run is to end; empty where it isn't."""
        try:
            self.context.check_cancelled()
        except TaskCancelled as error:
            return error.message
        except StaleFence as error:
            raise RunTakenOver(str(error)) from error
        except JobTimeout as error:
            raise self._too_late(self.interpreter.pending) from error
        return ""

    def _hold_claim(self) -> None:
        try:
            self.context.hold_claim()
        except StaleFence as error:
            raise RunTakenOver(str(error)) from error

    @staticmethod
    def _too_late(pending: Pending | None) -> ActionTimeoutError:
        if pending is None:
            return ActionTimeoutError(_("It took longer than it may."))
        seconds = pending.action.timeout_seconds or 0
        text = _("“%(action)s” took longer than %(seconds)g seconds.") % {"action": pending.name, "seconds": seconds}
        return ActionTimeoutError(text, fields={"timeout_seconds": seconds})
