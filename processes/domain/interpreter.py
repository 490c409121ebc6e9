"""Interpret plans, action by action.

One loop carries out actions, for a single step as for a whole run; what follows an action is decided in `rules`.
Between actions the whole state is the cursor.

    interpreter = Interpreter.start(plan, app=app, host=host, entry=app.request.action)
    outcome = interpreter.run()
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from processes.domain.application import UNSET, Application, Host, entry_of
from processes.domain.cursor import Cursor, Frame, Phase, check_park
from processes.domain.directives import (
    INHERITED,
    RUNNING,
    Anchor,
    Background,
    CallProcess,
    Directive,
    Failed,
    Finished,
    Outcome,
    Park,
    Suspended,
    Suspending,
)
from processes.domain.entering import FORM, Entering
from processes.domain.json_values import JSON
from processes.domain.placeholders import Context, fill
from processes.domain.plan import EXIT, Plan, PlanAction
from processes.domain.rules import CALLBACK, RETRY, destination
from processes.domain.steps import Guard, Pending, Trace, TraceEntry
from processes.domain.targets import ScriptTarget
from processes.errors import ActionLimitError, DurableInCallError, NotFoundError, ProcessError, RunInterrupted

__all__ = ["ACTION_LIMIT", "CALLBACK", "RETRY", "Guard", "Interpreter", "Pending", "Trace", "TraceEntry"]

#: How many actions a foreground run, or the Python calls below one action, may carry out.
ACTION_LIMIT: Final = 10_000

_MAIN, _ERROR = Phase.MAIN, Phase.ERROR
#: What a script returns to tell the interpreter something. (A union would be built anew for each value.)
_ORDERS: Final = (Directive, ProcessError)


class Interpreter(Entering):
    """Carry out one run of a plan."""

    __slots__ = ()

    def __init__(
        self,
        *,
        app: Application,
        host: Host,
        trace: Trace | None = None,
        guard: Guard | None = None,
        nested: bool = False,
    ) -> None:
        super().__init__(app=app, host=host, trace=trace, guard=guard, nested=nested)
        app.attach(host, self._run_nested)

    @classmethod
    def start(
        cls,
        plan: Plan,
        *,
        app: Application,
        host: Host,
        entry: JSON = None,
        outside: bool = True,
        bare: bool = False,
        trace: Trace | None = None,
        guard: Guard | None = None,
    ) -> "Interpreter":
        """Begin a run at the action `entry` (None or empty: at `@default`, or the first).

        `outside` says that the entry comes from a caller, who can't enter actions marked `"entry": false`; `bare` runs
        no lifecycle actions. Raises nothing: an entry that doesn't exist is an error of the run.
        """
        interpreter = cls(app=app, host=host, trace=trace, guard=guard)
        interpreter._enter(plan, entry, outside=outside, bare=bare)
        return interpreter

    @classmethod
    def restore(
        cls,
        cursor: object,
        *,
        app: Application,
        host: Host,
        trace: Trace | None = None,
        guard: Guard | None = None,
    ) -> "Interpreter":
        """Go on from a cursor's JSON; raises CursorError for one that is damaged or comes from a newer release."""
        interpreter = cls(app=app, host=host, trace=trace, guard=guard)
        stored = Cursor.from_json(cursor, find_plan=host.plan_by_hash, link=interpreter._link)
        interpreter._frames = stored.frames
        interpreter._final = stored.final
        interpreter._compensation = stored.compensation
        app.ordinal = stored.ordinal
        if stored.parked is not None:
            interpreter._outcome = Suspended(interpreter._noted(stored.parked))
        elif stored.final is not None:
            interpreter._outcome = stored.final
        if isinstance(stored.final, Failed):
            app.error = stored.final.error
        elif stored.final is not None:
            app.state = stored.final.state
        else:
            app.error = stored.frames[-1].error_in_force
        if stored.frames:
            app.authority = stored.frames[-1].authority
        return interpreter

    @property
    def outcome(self) -> Outcome:
        """Tell how the run stands: RUNNING, Suspended, Finished or Failed."""
        return self._outcome

    @property
    def pending(self) -> Pending | None:
        """Give the action that is about to run (or, of a parked run, that waits); None once the run has ended."""
        if not self._frames:
            return None
        frame = self._frames[-1]
        parked = self._parked
        return Pending(
            action=frame.plan.actions[frame.index],
            plan=frame.plan,
            phase=frame.phase,
            depth=sum([1 for below in self._frames[:-1] if below.ordinal]),
            ordinal=parked.at if parked is not None and parked.at else self.app.ordinal + 1,
            process=frame.label,
        )

    @property
    def may_run_again(self) -> bool:
        """Tell whether an error of the pending action lets it, or what has led to it, run again by a policy."""
        for frame in self._frames:
            actions = frame.plan.actions
            if actions[frame.index].retry is not None:
                return True
            # The error of a branch is one of its anchor.
            if frame.interrupted is not None and actions[frame.entry].retry is not None:
                return True
        return False

    @property
    def is_compensating(self) -> bool:
        """Tell whether the run undoes what it has done, and will end with an error."""
        return self._compensation.cause is not None and self._final is None

    @property
    def was_cancelled(self) -> bool:
        """Tell whether the run was cancelled, and has undone or undoes what it had done."""
        return self._compensation.cancelled

    @property
    def can_compensate(self) -> bool:
        """Tell whether something is done that can be undone."""
        return bool(self._compensation.done)

    @property
    def waiting_steps(self) -> list[int]:
        """Give the steps that wait, the one at the top first; those below wait until the branches above have ended."""
        parked = self._parked
        below = [frame.interrupted[1] for frame in reversed(self._frames) if frame.interrupted is not None]
        return [waits.at for waits in ([parked] if parked is not None else []) + below if waits.at]

    @property
    def waiting_forms(self) -> list[int]:
        """Give the steps that wait for an answer to their form."""
        parks = [self._parked, *(frame.interrupted[1] for frame in self._frames if frame.interrupted is not None)]
        return [park.at for park in parks if park is not None and park.reason == FORM]

    @property
    def open_callbacks(self) -> list[str]:
        """Give the callbacks that anchors of this run wait for, the outermost process's first."""
        return [callback for frame in self._frames for callback in frame.anchors]

    def take_dropped(self) -> list[str]:
        """Give, once, the callbacks whose process has ended before they did."""
        dropped, self._dropped = self._dropped, []
        return dropped

    @property
    def under_way(self) -> list[TraceEntry]:
        """Give what has begun and not ended: the actions whose sub process runs, then the pending one."""
        pending = self.pending
        if pending is None:
            return []
        entries = self._callers()
        entries.append(TraceEntry(pending.ordinal, pending.name, pending.script, None, pending.process))
        return entries

    def cursor_json(self) -> dict[str, JSON]:
        """Give the cursor as JSON, to be asked for between actions; raises NotJsonError for a value that isn't JSON."""
        return Cursor(
            frames=self._frames,
            ordinal=self.app.ordinal,
            parked=self._parked,
            final=self._final,
            compensation=self._compensation,
        ).to_json()

    # -- going on ----------------------------------------------------------------------------------------------------

    def step(self) -> Outcome:
        """Run exactly one action and move the cursor; an action that runs a sub process begins it.

        Errors of scripts are dealt with by the rules of the process. RunInterrupted passes through: the action stays
        the pending one.
        """
        if self._goes_on():
            self.app.action_limit = self.app.ordinal + 1 + ACTION_LIMIT
            self._loop(single=True)
        return self._outcome

    def run(self, limit: int | None = ACTION_LIMIT) -> Outcome:
        """Run until the process ends or suspends; more than `limit` actions end it with an ActionLimitError.

        A run that is suspended but not parked goes on.
        """
        if self._goes_on():
            self.app.action_limit = float("inf") if limit is None else self.app.ordinal + limit
            self._loop(single=False)
        return self._outcome

    def resume(self, state: str | None = None, value: object = None, *, alternatives: tuple[str, ...] = ()) -> None:
        """Complete the action that is parked, under a state; `alternatives` are looked up after it (aliases, groups).

        Raises ProcessError `not_parked` where none is.
        """
        frame, ordinal = self._take_up(parked_only=True)
        action = self._back_to(frame)
        state = self.app.state = None if state is None else _state_text(state)
        self._report(frame, action, state, ordinal)
        self._complete(frame, action, state, value, alternatives)

    def fail(self, error: ProcessError, *, as_new: bool = False) -> None:
        """Let the pending or parked action fail, by the rules of the process.

        Where it is tried again, that is the same step once more, or with `as_new` another one. Raises ProcessError
        `not_parked` where the run has ended, or rests for its callbacks.
        """
        frame, ordinal = self._take_up(parked_only=False)
        self._back_to(frame)
        self.app.state = None
        # What others have come after can't be the same step.
        called = as_new or ordinal != self.app.ordinal
        self._pass_used()
        self._fail_action(error, ordinal, called=called)

    def report(
        self,
        callback: str,
        state: str,
        *,
        alternatives: tuple[str, ...] = (),
        is_last: bool,
        stores: bool = False,
        attributes: Mapping[str, JSON] | None = None,
    ) -> bool:
        """Lead a waiting run on from the anchor of a callback, under a state; `alternatives` are looked up after it.

        The run waits as before once that branch has ended; where `is_last` says that the callback has ended, and
        it was the last one, the process ends then. With `stores`, a report that isn't the last one leads nowhere unless
        a route names it. `attributes` are named ones that are set for the branch. Returns False where no anchor of this
        run waits for the callback. Raises ProcessError `not_parked` where the run doesn't wait.
        """
        parked = self._parked
        if parked is None:
            raise ProcessError("The run isn't waiting", code="not_parked")
        depth = next((depth for depth, frame in enumerate(self._frames) if callback in frame.anchors), None)
        if depth is None:
            return False
        owner = self._frames[depth]
        action = owner.plan.by_name[owner.anchors[callback]]
        if is_last:
            del owner.anchors[callback]
        elif stores and not any(name in (action.routes or {}) for name in (state, *alternatives)):
            return True
        self.app.ordinal += 1
        self._back_to(owner)
        self.app.state = state
        before = {name: self.app.attributes.get(name) for name in attributes or {}}
        for name, value in (attributes or {}).items():
            self.app.set(name, value)
        # A step of its own; what the anchor has done, and can be undone, was done with the first one.
        self._tell(owner, action, state, self.app.ordinal)
        after = destination(action, state, alternatives)
        if after == EXIT:
            self._branch_over(depth, parked, before, state=state, value=None)
        else:
            self._branch(depth, action, after, parked, before)
        return True

    def cancel(self, error: ProcessError) -> bool:
        """End the run with an error that no rule deals with, where it can undo what it has done; tell whether it can.

        What undoes is then pending. A run that is undoing already goes on with that.
        """
        if self._final is not None:
            return False
        if self._compensation.cause is not None:
            self._compensation.cancelled = True
            return True
        if not self._compensation.done:
            return False
        self._compensation.cancelled = True
        if self._parked is None:
            # The pending action may have begun: its number is used.
            self.app.ordinal += 1
        self._pass_used()
        self._stop(error)
        return True

    def take_for_done(self, other: "Interpreter") -> bool:
        """Take for done what `other`, which went on from here, has done since and can undo; tell whether there is any.

        So does an action that has others done, and is then left in the middle: by itself it isn't done.
        """
        since = [done for done in other._compensation.done if done.ordinal > self.app.ordinal]
        self._compensation.done += since
        return bool(since)

    def _noted(self, parked: Park) -> Park:
        """Give a directive with the step that waits; an older release has stored it without."""
        if parked.at or (self._frames and self._frames[-1].resting):
            return parked
        self.app.ordinal += 1
        return replace(parked, at=self.app.ordinal)

    @property
    def deadline(self) -> datetime | None:
        """Give when the time is up for an action that waits, or whose sub process runs; None where none has a limit."""
        if len(self._frames) == 1:
            # Asked several times for each action.
            return self._frames[0].deadline
        return min((frame.deadline for frame in self._frames if frame.deadline is not None), default=None)

    def expire(self, error: ProcessError) -> None:
        """Let the outermost action whose time is up at `deadline` fail, by the rules of the process."""
        deadline = self.deadline
        depth, owner = next(place for place in enumerate(self._frames) if place[1].deadline == deadline)
        parked = self._parked
        ordinal = owner.ordinal
        if not ordinal:
            # It waits: at the top, or below the branch that a report has begun.
            above = self._frames[depth + 1 : depth + 2]
            waits = above[0].interrupted[1] if above and above[0].interrupted is not None else parked
            ordinal = self.app.ordinal if waits is None else waits.at
        self._end_above(depth, error, waits=parked)
        self._back_to(owner)
        self._called_at(owner)
        self._pass_used()
        self.app.state, self.app.error, self._outcome = None, owner.error_in_force, RUNNING
        self._fail_action(error, ordinal, called=True)

    def _goes_on(self) -> bool:
        """Leave a suspension that just goes on; tell whether there is something to run."""
        outcome = self._outcome
        if isinstance(outcome, Suspended) and not isinstance(outcome.directive, Park):
            self._outcome = self._final or RUNNING
        return self._outcome is RUNNING

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _loop(self, *, single: bool) -> None:
        """Carry out actions: the part that must be fast.

        The inner loop stays within the main phase of one frame; all else goes through `_complete`. It writes the
        application's slots itself, since a method call for each action would cost as much as everything else.
        """
        app, trace, guard, unset = self.app, self.trace, self.guard, UNSET
        while self._outcome is RUNNING:
            frame = self._frames[-1]
            plan, code, phase, index = frame.plan, frame.code, frame.phase, frame.index
            actions, main, ambient = plan.actions, phase is _MAIN, frame.error_in_force
            ordinal = app.ordinal
            if ordinal >= app.action_limit:
                self._stop(_too_many(ordinal, actions[index], plan))
                return
            stop = ordinal + 1 if single else app.action_limit
            try:
                while True:
                    action = actions[index]
                    app.ordinal = ordinal = app.ordinal + 1
                    app.process = plan
                    app._action = action
                    app._config = app._typed = unset
                    app.state = None
                    if action.fillers:
                        self._fill_config(action)
                    value = code[index](app)
                    if value is not None and isinstance(value, _ORDERS):
                        frame.index = index
                        self._obey(frame, action, value, ordinal)
                        break
                    # Scripts set what they like, whatever the annotation says.
                    state: Any = app.state
                    if state is not None and state.__class__ is not str:
                        app.state = state = _state_text(state)
                    if app.error is not ambient and phase is not _ERROR:
                        ambient = self._error_was_set(frame)
                    if guard is not None:
                        guard(app, value)
                    if trace is not None or action.compensate is not None:
                        self._report(frame, action, state, ordinal)
                    if main:
                        # The commonest branch of `_complete`, without the call.
                        routes = action.routes
                        after = action.after if routes is None or state is None else routes.get(state, action.after)
                        if after >= 0:
                            index = after
                            if app.ordinal < stop:
                                continue
                            frame.index = index
                            break
                    frame.index = index
                    self._complete(frame, action, state, value)
                    break
            except RunInterrupted:
                self._broken_off(frame, index, ordinal)
                raise
            except Exception as exception:  # noqa: BLE001 - whatever a script raises is the process's to deal with
                frame.index = index
                if guard is not None:
                    # What it has left goes on from here as well; of two errors the script's own is the one to tell.
                    with suppress(Exception):
                        guard(app, None)
                self._fail_action(ProcessError.wrap(exception), ordinal)
            except BaseException:
                self._broken_off(frame, index, ordinal)
                raise
            if single:
                return

    def _broken_off(self, frame: Frame, index: int, ordinal: int) -> None:
        """Stand before an action again that was left in the middle; what it had called has taken numbers of its own."""
        app = self.app
        app.most_used = max(app.most_used, app.ordinal)
        frame.index, app.ordinal = index, ordinal - 1

    def _pass_used(self) -> None:
        """Let what comes next have a number that nobody has had: other systems may know them from there."""
        self.app.ordinal = max(self.app.ordinal, self.app.most_used)

    def _fill_config(self, action: PlanAction) -> None:
        app = self.app
        # Nobody's config is in force while this one is being filled.
        app._config = None
        context = Context(app.request.parameters, app.data, app.describe, app.now)
        app._config = fill(action.config, action.fillers, context)
        if isinstance(action.target, ScriptTarget):
            # Now that all values are known the model must accept them, whether or not the script looks.
            app.load_config()

    def _obey(self, frame: Frame, action: PlanAction, value: Directive | ProcessError, ordinal: int) -> None:
        """Carry out a directive that a script has returned; an error that it has returned is raised."""
        app = self.app
        if isinstance(value, ProcessError):
            raise value
        if self.guard is not None:
            self.guard(app, None)
        if isinstance(value, CallProcess):
            found = app.resolve(value.target)
            if not isinstance(found, Plan):
                raise NotFoundError(f'"{found.name}" is a script: only a process can be called like this')
            frame.ordinal = ordinal
            frame.config = app.get("config") if action.fillers else None
            self._limit(frame, action)
            self._enter(found, entry_of(value.config), outside=False, label=found.name, authority=value.authority)
        elif isinstance(value, Anchor):
            if self._nested:
                raise DurableInCallError("A callback can't be awaited below a call from Python code")
            frame.anchors[value.callback] = action.name
            app.state = "prepare"
            self._report(frame, action, "prepare", ordinal)
            self._complete(frame, action, "prepare", None, ("create", "anchor"))
        elif not isinstance(value, Suspending):
            raise ProcessError(f"Unknown directive {type(value).__name__}", code="unknown_directive")
        elif self._nested:
            raise DurableInCallError("The run can't stop below a call from Python code: return CallProcess")
        elif isinstance(value, Background):
            state = app.state = None if app.state is None else _state_text(app.state)
            self._report(frame, action, state, ordinal)
            self._complete(frame, action, state, None)
            if not self.host.durable:
                self._outcome = Suspended(value)
        elif isinstance(value, Park):
            if self.host.durable:
                check_park(value)
            self._limit(frame, action)
            self._outcome = Suspended(replace(value, at=ordinal))
        else:
            app.ordinal = ordinal - 1
            self._outcome = Suspended(value)

    def _limit(self, frame: Frame, action: PlanAction) -> None:
        """Note when the time of an action is up that outlasts its step."""
        if action.timeout_seconds is not None and self.host.durable:
            frame.deadline = self.host.now() + timedelta(seconds=action.timeout_seconds)

    def _run_nested(
        self,
        plan: Plan,
        *,
        app: Application,
        host: Host,
        entry: JSON = None,
        bare: bool = False,
        authority: JSON = INHERITED,
    ) -> object:
        """Run a plan to its end below the script that is running here; see `Nested`."""
        before, depth, authority_before = app.error, app.depth, app.authority
        nested = Interpreter(app=app, host=host, trace=self.trace, nested=True)
        if app is self.app:
            # What is done there is done by this run; a context of its own is another one's.
            nested._compensation = self._compensation
        try:
            app.depth = depth + len(self._frames)
            # An invoked action belongs to the process that is running, and is traced as such.
            label = self._frames[-1].label if bare else plan.name
            nested._enter(plan, entry, outside=False, bare=bare, label=label, authority=authority)
            nested._loop(single=False)
        finally:
            app.depth, app.authority = depth, authority_before
            if app is self.app:
                app.attach(self.host, self._run_nested)
        outcome = nested.outcome
        if isinstance(outcome, Failed):
            app.error = before
            raise outcome.error
        return outcome.value if isinstance(outcome, Finished) else None


def _state_text(state: object) -> str:
    """Give a state that isn't text as JSON would write it; only scalars can be one."""
    if isinstance(state, str):
        # A member of a text enumeration says its value, whatever its class makes of str().
        return str.__str__(state)
    if isinstance(state, bool):
        return "true" if state else "false"
    if isinstance(state, int | float) and isfinite(state):
        return str(state)
    raise ProcessError(f"A state is a text (or a number, true or false), not {type(state).__name__}", code="bad_state")


def _too_many(count: int, action: PlanAction, plan: Plan) -> ActionLimitError:
    return ActionLimitError(
        f"Stopped after {count:,} actions: does the process run in circles?", action=action.name, process=plan.name
    )
