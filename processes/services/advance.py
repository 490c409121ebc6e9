"""Carrying a background run on, action by action, each with its checkpoint.

A claim of the run's job restores the interpreter from the cursor and runs until the process ends, waits, or has worked
long enough. Between two actions everything is in the database; a worker that dies repeats at most the action it was in.
"""

import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished, Park, RunAgain, Running, Suspended, Suspending
from processes.domain.interpreter import Interpreter, Pending, TraceEntry
from processes.domain.json_values import JSON, json_problems
from processes.domain.origin import give_back, is_harmless, spend
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.errors import (
    NotJsonError,
    OutcomeUnknownError,
    ProcessError,
    RunCancelled,
    RunInterrupted,
)
from processes.models import InboxItem, Run
from processes.services.access import Caller
from processes.services.background import record_end
from processes.services.derivation import load_plan
from processes.services.host import DjangoHost
from processes.services.inbox import RESUME, has_messages, mark_taken, next_message
from processes.services.indicators import spoken, told_reason
from processes.services.run_store import (
    StoredData,
    check_run_transition,
    new_context,
    run_columns,
    told,
    write_values,
)
from tasks.domain import outcomes
from tasks.domain.jsonvalue import storable
from tasks.domain.statuses import NodeStatus
from tasks.errors import StaleFence, TaskCancelled
from tasks.services.context import Context
from tasks.services.recorder import TaskNode
from tasks.tracking import tracking


class RunTakenOver(RunInterrupted):
    """Stop because another worker carries the run on."""


def advance_run(context: Context) -> outcomes.Outcome:
    """Carry a run on as far as one claim goes, and return how the claim ends.

    Raises StaleFence, having stored nothing since, where another worker has taken the run over.
    """
    run = Run.objects.select_related("user", "template").get(pk=context.id)
    if run.status in RUN_TERMINAL:
        raise StaleFence("This run has ended.", task_id=str(context.id))
    # What is told on the way is for the person who began it.
    language = (run.request or {}).get("language") or settings.LANGUAGE_CODE
    with translation.override(str(language)):
        return _Advance(run=run, context=context).go()


class _Advance:
    """Hold what one claim of a run works with."""

    def __init__(self, *, run: Run, context: Context) -> None:
        self.run = run
        self.context = context
        self.recorder = context.recorder
        self.stored, data = StoredData.load(run.pk)
        self.app: Application = new_context(run, data)
        template = run.template
        caller = Caller(
            user_id=run.user_id,
            session_key=run.session_key,
            template_id=run.template_id,
            slug=template.slug if template is not None else "",
            instance_id=run.instance_id,
            run_id=run.pk,
        )
        host = DjangoHost(
            caller=caller,
            plan=load_plan(run.plan_id),
            durable=True,
            is_cancelled=self._is_cancelled,
            execution=str(run.pk),
        )
        # Read what earlier claims left open before anything is started.
        self.left = self.recorder.adopt() if context.claim.continues else {}
        self.interpreter = Interpreter.restore(
            run.cursor, app=self.app, host=host, trace=self._ended, guard=self._check_storable
        )
        #: The changed keys of data, as the guard has found them after the last script.
        self.changed: dict[str, str | None] | None = None
        #: The nodes of actions that have begun and not ended: a sub process's actions hang below their caller's.
        self.open: dict[int, TaskNode] = self._adopted_steps()
        self.last_error: ProcessError | None = None
        #: What the run began with, where the next checkpoint is to write it anew.
        self.origin: dict[str, JSON] | None = None

    def go(self) -> outcomes.Outcome:
        check_run_transition(self.run, RunStatus.RUNNING)
        try:
            while True:
                self.context.check_cancelled()
                self._take_message()
                ended = self._stand()
                if ended is not None:
                    return ended
                ended = self._act()
                if ended is not None:
                    return ended
                # Only now: every claim gets at least one action done, however short its time.
                if self.context.must_yield:
                    return outcomes.Yielded()
        except (RunCancelled, TaskCancelled) as error:
            reason = str(error)
            return outcomes.Cancelled(
                reason=reason, write=lambda: self._close(RunStatus.CANCELLED, {"code": "cancelled", "message": reason})
            )
        except RunTakenOver as error:
            raise StaleFence(str(error)) from error

    # One action.

    def _act(self) -> outcomes.Outcome | None:
        """Run the pending action, and write its checkpoint; return the outcome of a run that ends or waits with it."""
        pending = self.interpreter.pending
        assert pending is not None
        node = self._start(pending)
        if pending.effect == "once" and not self._commit_intent(pending):
            self.interpreter.fail(
                OutcomeUnknownError(
                    _("The worker died in “%(action)s”, which must not run twice: find out whether it was done.")
                    % {"action": pending.name}
                )
            )
            self._checkpoint(node)
            return self._stand()
        transactional = pending.effect == "transactional"
        if not transactional:
            self._step(node)
            if pending.effect == "once" and self.last_error is not None and is_harmless(self.last_error):
                self._give_back(pending)
            # The end of a run is stored together with the status of its job, not here.
            if isinstance(self.interpreter.outcome, Running):
                self._checkpoint(node)
            return self._stand(node)
        # Between a transactional script and its checkpoint nobody else may write for this run.
        with self.recorder.writing, transaction.atomic():
            point = transaction.savepoint()
            self._step(node)
            # Its writes go with its error; the error itself is the process's, and has its checkpoint.
            (transaction.savepoint_rollback if self.last_error else transaction.savepoint_commit)(point)
            self._checkpoint(node)
        return self._stand(node)

    def _step(self, node: TaskNode) -> None:
        self.last_error = None
        with tracking(node):
            self.interpreter.step()

    def _stand(self, node: TaskNode | None = None) -> outcomes.Outcome | None:
        """Return how the claim ends where the process has ended or waits; None where there is an action to run."""
        outcome = self.interpreter.outcome
        if isinstance(outcome, Running):
            return None
        try:
            columns, changed = self._columns()
        except NotJsonError as error:
            return self._fail(error)
        _tell(node, changed)
        if isinstance(outcome, Failed):
            return self._fail(outcome.error, columns=columns, changed=changed)
        if isinstance(outcome, Finished):
            return outcomes.Completed(
                result=_shown(outcome.value),
                write=lambda: self._close(RunStatus.COMPLETED, None, columns=columns, changed=changed),
            )
        return self._wait(outcome.directive, columns, changed)

    def _wait(
        self, directive: Suspending, columns: dict[str, object], changed: dict[str, str | None]
    ) -> outcomes.Outcome:
        """Return how the claim ends at an action that waits, or that wants to run again later."""
        if not isinstance(directive, Park | RunAgain):
            return self._fail(ProcessError("The run has stopped in a way that can't be stored.", code="not_storable"))
        waiting_for: dict[str, JSON] = {"code": directive.reason, **directive.facts}
        if directive.until is not None:
            waiting_for["until"] = directive.until.isoformat()
        pending = self.interpreter.pending
        node = None if pending is None else self.open.get(pending.ordinal)
        if node is not None and node.status is NodeStatus.RUNNING:
            self.recorder.defer(node, reason=directive.reason, until=waiting_for.get("until"))

        def write() -> None:
            # A `once` action that says it will wait has told how it stands: it may begin again.
            Run.objects.filter(pk=self.run.pk).update(status=RunStatus.WAITING.value, intent=None, **columns)
            write_values(self.run.pk, ordinal=self.app.ordinal, changed=changed)

        if isinstance(directive, RunAgain) and directive.until is not None:
            return outcomes.Yielded(due_at=directive.until, write=write)
        return outcomes.Parked(waiting_for=waiting_for, write=write, is_woken=lambda: has_messages(self.run.pk))

    def _fail(
        self,
        error: ProcessError,
        *,
        columns: dict[str, object] | None = None,
        changed: dict[str, str | None] | None = None,
    ) -> outcomes.Failed:
        described = storable(error.to_json())
        return outcomes.Failed(
            reason=told_reason(error),
            error=described,
            write=lambda: self._close(RunStatus.FAILED, described, columns=columns, changed=changed),
        )

    # The inbox.

    def _take_message(self) -> None:
        """Take the oldest message, if there is one: taking it and moving the cursor are one transaction."""
        item = next_message(self.run.pk)
        if item is None:
            return
        if item.kind == RESUME:
            self._resume(item)
        self._checkpoint(taken=item)

    def _resume(self, item: InboxItem) -> None:
        outcome = self.interpreter.outcome
        pending = self.interpreter.pending
        parked = isinstance(outcome, Suspended) and isinstance(outcome.directive, Park) and pending is not None
        # A report that comes late, to an action that no longer waits, is taken and changes nothing.
        if parked and pending is not None and pending.ordinal == item.payload.get("ordinal"):
            node = self.open.get(pending.ordinal)
            if node is not None and node.status is NodeStatus.WAITING:
                self.recorder.restart(node)
            self.interpreter.resume(item.payload.get("state"), item.payload.get("value"))

    # Writes.

    def _columns(self) -> tuple[dict[str, object], dict[str, str | None]]:
        changed, self.changed = self.changed, None
        if changed is None:
            changed = self.stored.changes(self.app.data)
        columns = run_columns(self.app, self.interpreter)
        if self.origin is not None:
            columns["origin"], self.run.origin, self.origin = self.origin, self.origin, None
        return columns, changed

    def _check_storable(self, app: Application, value: object) -> None:
        """Let an action fail that leaves what can't be stored; the interpreter calls it before it moves on."""
        try:
            app.context_json()
            self.changed = self.stored.changes(app.data)
        except NotJsonError:
            self._drop_unstorable()
            raise

    def _checkpoint(self, node: TaskNode | None = None, *, taken: InboxItem | None = None) -> None:
        """Write the state between two actions in one transaction; the fence is compared by its last lock."""
        columns, changed = self._columns()
        _tell(node, changed)
        with self.recorder.checkpoint() as checkpoint, transaction.atomic():
            Run.objects.filter(pk=self.run.pk).update(status=RunStatus.RUNNING.value, **columns)
            write_values(self.run.pk, ordinal=self.app.ordinal, changed=changed)
            if taken is not None:
                mark_taken(taken)
            checkpoint.write()
        self.stored.saved(changed)

    def _drop_unstorable(self) -> None:
        """Put what isn't JSON back to what is stored of it."""
        _, stored = StoredData.load(self.run.pk)
        for key in [key for key, value in self.app.data.items() if json_problems(value, limit=1)]:
            del self.app.data[key]
            if key in stored:
                self.app.data[key] = stored[key]
        for name in [name for name, value in self.app.attributes.items() if json_problems(value, limit=1)]:
            self.app.remove(name)
        if json_problems(self.app.response.to_json(), limit=1):
            self.app.response.clear()

    def _commit_intent(self, pending: Pending) -> bool:
        """Store that a `once` action is about to run; False where that is stored already: its worker has died."""
        if self.run.intent == pending.ordinal:
            return False
        changes: dict[str, object] = {"intent": pending.ordinal}
        if self.run.origin is not None:
            # From now on the run can't be repeated.
            self.run.origin = spend(self.run.origin, ordinal=pending.ordinal, action=pending.name)
            changes["origin"] = self.run.origin
        with self.recorder.checkpoint() as checkpoint, transaction.atomic():
            Run.objects.filter(pk=self.run.pk).update(**changes)
            checkpoint.write()
        self.run.intent = pending.ordinal
        return True

    def _give_back(self, pending: Pending) -> None:
        """Let the next checkpoint write that a `once` action has done nothing."""
        if self.run.origin is not None:
            self.origin = give_back(self.run.origin, ordinal=pending.ordinal)

    def _close(
        self,
        status: RunStatus,
        error: JSON,
        *,
        columns: dict[str, object] | None = None,
        changed: dict[str, str | None] | None = None,
    ) -> None:
        """Write the end of the run, inside the transaction that ends its job."""
        Run.objects.filter(pk=self.run.pk).update(
            status=status.value, error=error, finished_at=timezone.now(), **(columns or {})
        )
        write_values(self.run.pk, ordinal=self.app.ordinal, changed=changed or {})
        record_end(self.run, status)

    # The tree.

    def _start(self, pending: Pending) -> TaskNode:
        """Start the node of an action, or take up the one that an interrupted attempt has left."""
        step_id = _step_id(self.run.pk, pending.ordinal)
        present = self.left.pop(step_id, None)
        if present is not None:
            for node in [node for node in self.left.values() if _hangs_below(node, present)]:
                node.cancel(_("interrupted; it runs again"))
                self.left.pop(node.id, None)
            self.recorder.restart(present)
            node = present
        else:
            callers = [node for node in self.open.values() if node.is_open]
            node = self.recorder.start(
                spoken(pending.name),
                parent=callers[-1] if pending.depth and callers else None,
                type="process" if pending.is_process else "action",
                alias=pending.name,
                id=step_id,
            )
        self.open[pending.ordinal] = node
        return node

    def _ended(self, entry: TraceEntry) -> None:
        """End the node of an action that has ended; the interpreter calls it."""
        if entry.error is not None:
            self.last_error = entry.error
        node = self.open.pop(entry.ordinal, None)
        if node is None:
            return
        if entry.error is None:
            node.complete()
        else:
            node.fail(told_reason(entry.error))

    def _adopted_steps(self) -> dict[int, TaskNode]:
        """Return the nodes of actions whose sub process is under way, or that wait, by ordinal."""
        pending = self.interpreter.pending
        if pending is None:
            return {}
        by_id = {_step_id(self.run.pk, ordinal): ordinal for ordinal in range(1, pending.ordinal + 1)}
        steps = {by_id[node_id]: node for node_id, node in self.left.items() if node_id in by_id}
        return {
            ordinal: node
            for ordinal, node in sorted(steps.items())
            if ordinal < pending.ordinal or node.status is NodeStatus.WAITING
        }

    def _is_cancelled(self) -> bool:
        try:
            self.context.check_cancelled()
        except TaskCancelled:
            return True
        except StaleFence as error:
            raise RunTakenOver(str(error)) from error
        return False


def _step_id(run_id: uuid.UUID, ordinal: int) -> uuid.UUID:
    """Return the id of a step's node: the same in every attempt, since a step is (execution, ordinal)."""
    return uuid.uuid5(run_id, str(ordinal))


def _hangs_below(node: TaskNode, ancestor: TaskNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False


def _tell(node: TaskNode | None, changed: dict[str, str | None]) -> None:
    """Tell those who follow the run which data an action has changed."""
    if node is not None and (data := told(changed)):
        node.update(data)


def _shown(value: object) -> JSON:
    """Return a run's value as its result; what isn't JSON is no result."""
    return None if json_problems(value, limit=1) else value
