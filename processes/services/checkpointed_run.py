"""What a claim of a run writes: its checkpoints, what goes before certain actions, and the end."""

from copy import copy
from time import monotonic
from typing import TypedDict, cast

from django.db import transaction
from django.utils import timezone

from processes.domain.interpreter import Pending
from processes.domain.json_values import JSON
from processes.domain.origin import give_back, spend
from processes.domain.run_status import RunStatus
from processes.models import FormOutcome, InboxItem, Run, RunAnswer
from processes.services import audit
from processes.services.background import end_along, record_end
from processes.services.callback_ends import end_callbacks
from processes.services.checkpoints import Point, checkpoint_along, names_files, write_checkpoint, write_values
from processes.services.claimed_run import Changed, ClaimedRun, Columns
from processes.services.fan_out import child_ended
from processes.services.giving_up import give_up
from processes.services.inbox import (
    lock_run,
    mark_taken,
)
from processes.services.operators import record_heard
from processes.services.pieces import write_results
from processes.services.run_forms import close_forms
from processes.services.run_steps import tell
from processes.services.run_store import (
    run_columns,
    told,
)
from tasks.domain.along import MOST_ROWS, Along
from tasks.domain.outcomes import Write
from tasks.services import prepared
from tasks.services.committing import after_commit
from tasks.services.recorder import TaskNode

__all__ = ["CheckpointedRun"]


class Ending(TypedDict):
    """Say what is written with the end of a run's job (tasks.domain.outcomes)."""

    along: list[Along]
    write: Write | None


class CheckpointedRun(ClaimedRun):
    """Write what a claim has come to; each write is one transaction, or part of that which ends the claim."""

    def _columns(self) -> tuple[Columns, Changed]:
        """Return what is to be written of the run's row where its claim ends, and of its data."""
        self._strike_undone()
        changed = self._take_changed()
        columns: Columns = {**run_columns(self.app, self.interpreter, context=self.stored_context.parts)}
        if self.origin is not None:
            columns["origin"], self.origin = self.origin, None
        return columns, changed

    def _take_changed(self) -> Changed:
        """Give, once, the changed keys of data; the context has been looked at then."""
        changed, self.changed = self.changed, None
        if changed is None:
            self.stored_context.look(self.app)
            changed = self.stored.changes(self.app.data)
        return changed

    def _checkpoint(
        self,
        node: TaskNode | None = None,
        *,
        taken: InboxItem | None = None,
        consumes_cancel: bool = False,
        gives_up: bool = False,
    ) -> None:
        """Write the state between two actions in one transaction; the fence is compared by its last lock.

        `gives_up` says that nothing is wanted any more that the run has spread.
        """
        self._strike_undone()
        changed, cursor = self._take_changed(), self.interpreter.cursor_json()
        dropped, left = self._take_dropped(), self._left_steps()
        if changed:
            tell(node, told(changed))
        changes, point, taken = self._changes(), self._point(cursor), taken or self.taken
        results = [] if self.batch is None else self.batch.results
        left_forms = self._left_forms
        locks = bool(dropped or left_forms) or names_files(changed)
        is_more = bool(results or self.answers or locks or left or consumes_cancel or taken is not None)
        with self.recorder.checkpoint() as checkpoint:
            if not is_more and checkpoint.can_be_whole and len(changed) <= MOST_ROWS:
                along: list[Along] = [prepared.change(Run, self.run.pk, changes)] if changes else []
                along += checkpoint_along(self.run.pk, point, changed=changed)
                checkpoint.write_whole([*along, *self.readings.along()])
            else:
                with transaction.atomic():
                    if consumes_cancel:
                        # The job is the first lock of all.
                        self.context.consume_cancel()
                    if locks:
                        # So it is here: who waits for the end of a callback may be this run itself.
                        lock_run(self.run.pk)
                    if changes:
                        prepared.update(Run, self.run.pk, changes)
                    write_checkpoint(self.run.pk, point, changed=changed)
                    end_callbacks(self.run.pk, dropped)
                    self._close_forms(left_forms)
                    if gives_up:
                        give_up(self.run.pk)
                    elif left:
                        give_up(self.run.pk, ordinals=left)
                    self._keep_answers()
                    self.readings.write()
                    if taken is not None:
                        mark_taken(taken)
                        record_heard(taken, run=self.run)
                    self._write_results()
                    checkpoint.write()
        self.taken, self.is_ahead, self.is_unstored, self.written_at = None, False, False, monotonic()
        self.waits = [step for step in self.waits if step not in left]
        self.forms, self.closes_forms_as = self.forms - left_forms, FormOutcome.OVER
        if self.batch is not None:
            self.batch.take_results()
        self.readings.clear()
        self.stored.saved(changed, self.app.data)
        # The next place has a step of its own, or none: where an action has called a process, or waits.
        self.steps.last_ended = None
        self.stored_context.saved(self.app)
        self.run.cursor, self.run.ordinal = cursor, point.ordinal
        for name, value in changes.items():
            setattr(self.run, name, value)

    def _changes(self) -> Columns:
        """Return what has changed of the run's own row; for most actions that is nothing."""
        run, status = self.run, self._status.value
        changes: Columns = {}
        if run.status != status:
            changes["status"] = status
        if run.step_began_at is not None:
            changes["step_began_at"] = None
        if run.waiting_for is not None:
            changes["waiting_for"] = None
        if run.paused != self.paused:
            changes["paused"] = self.paused
        if run.plan_id != self.plan_id:
            changes["plan_id"] = self.plan_id
        origin, self.origin = self.origin, None
        if origin is not None and run.origin != origin:
            changes["origin"] = origin
        return {**changes, **self.stored_context.changed}

    def _point(self, cursor: JSON) -> Point:
        ended = self.steps.last_ended
        # A place that is written again holds the whole.
        is_new = self.app.ordinal != self.run.ordinal
        context = self.stored_context.changed if is_new else self.stored_context.parts
        return Point(
            ordinal=self.app.ordinal,
            cursor=cursor,
            action="" if ended is None else ended.action,
            state=None if ended is None else ended.state,
            context=context,
        )

    def _commit_intent(self, pending: Pending) -> bool:
        """Store that a `once` action is about to run; False where that is stored already: its worker has died."""
        if self.run.intent == pending.ordinal:
            return False
        changes: Columns = {"intent": pending.ordinal}
        if self.run.origin is not None or self.batch is not None:
            # From now on the run can't be repeated, nor the item of a child run.
            self.run.origin = spend(self.run.origin or {}, ordinal=pending.ordinal, action=pending.name)
            changes["origin"] = self.run.origin
        self._note(changes)
        self.run.intent = pending.ordinal
        return True

    def _commit_start(self, limit_seconds: float) -> bool:
        """Store when an action with a time limit begins; False where earlier attempts have used that time up.

        One of them hung, and was ended with its process. The first of them counts, however many workers die.
        """
        if limit_seconds <= 0:
            return False
        if self.run.step_began_at is None:
            now = timezone.now()
            self._note({"step_began_at": now})
            # The next checkpoint takes it back.
            self.run.step_began_at = now
        return True

    def _note(self, changes: Columns) -> None:
        with self.recorder.checkpoint() as checkpoint, transaction.atomic():
            prepared.update(Run, self.run.pk, changes)
            checkpoint.write()

    def _give_back(self, pending: Pending) -> None:
        """Let the next checkpoint write that a `once` action has done nothing."""
        if self.run.origin is not None:
            self.origin = give_back(self.run.origin, ordinal=pending.ordinal)

    def _ending(
        self, status: RunStatus, error: JSON, *, columns: Columns | None = None, changed: Changed | None = None
    ) -> Ending:
        """Return what is written with the end of the run's job: all of it known, for most runs that end well."""
        if columns is not None and "origin" in columns:
            self.run.origin = cast(dict[str, JSON], columns["origin"])
        ended: Columns = {"status": status.value, "error": error, "finished_at": timezone.now()}
        ended |= {"waiting_for": None, "paused": None, "step_began_at": None, **(columns or {})}
        changed = changed or {}
        along: list[Along] = [prepared.change(Run, self.run.pk, ended), *self.readings.along()]
        apart = len(changed) > MOST_ROWS or names_files(changed)
        if columns is not None:
            point = self._point(cast(JSON, columns["cursor"]))
            along += checkpoint_along(self.run.pk, point, changed={} if apart else changed)
        told = audit.is_watched()
        if not told:
            along.append(end_along(self.run, status))
        ordinal = self.app.ordinal
        if status is RunStatus.CANCELLED:
            self.closes_forms_as = FormOutcome.CANCELLED
        callbacks, left = [*self.interpreter.open_callbacks, *self._take_dropped()], self._left_steps()

        def write() -> None:
            if apart:
                write_values(self.run.pk, ordinal=ordinal, changed=changed)
            self._keep_answers()
            if self.taken is not None:
                mark_taken(self.taken)
            self._close_forms(self.forms)
            end_callbacks(self.run.pk, callbacks)
            if status is RunStatus.CANCELLED:
                give_up(self.run.pk)
            elif status is not RunStatus.COMPLETED:
                give_up(self.run.pk, awaited=True)
            elif left:
                give_up(self.run.pk, ordinals=left)
            if self.batch is not None:
                reason = str(error["message"]) if isinstance(error, dict) else ""
                child_ended(self.run, self.batch.results, status=status, reason=reason)
            if told:
                record_end(self.run, status)

        is_more = bool(apart or self.answers or self.forms or callbacks or left or self.batch is not None or told)
        is_more = is_more or self.taken is not None or status is not RunStatus.COMPLETED
        return {"along": along, "write": write if is_more else None}

    def _close_forms(self, ordinals: set[int]) -> None:
        """Close forms at which the run doesn't wait any more; it is locked by now."""
        if ordinals:
            close_forms(self.run.pk, outcome=self.closes_forms_as, among=ordinals)

    def _write_results(self) -> None:
        """Write what has come of a child run's items; they are forgotten once that is committed."""
        if self.batch is not None and self.batch.results and self.run.fan_out_id is not None:
            write_results(self.run.fan_out_id, self.batch.results)

    def _keep_answers(self) -> None:
        """Store what other systems have answered, inside the transaction of a checkpoint."""
        if self.answers:
            # Written anew where that transaction is rolled back.
            RunAnswer.objects.bulk_create([copy(answer) for answer in self.answers])
            after_commit(self.answers.clear)
