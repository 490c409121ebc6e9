"""Interpret plans, action by action.

One loop carries out actions, for a single step as for a whole run; what follows an action is decided in `rules`.
Between actions the whole state is the cursor.

    interpreter = Interpreter.start(plan, app=app, host=host, entry=app.request.action)
    outcome = interpreter.run()
"""

from math import isfinite
from typing import Any, Final

from processes.domain.application import UNSET, Application, Host, entry_of
from processes.domain.cursor import Cursor, Frame, Phase
from processes.domain.directives import (
    INHERITED,
    RUNNING,
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
from processes.domain.json_values import JSON
from processes.domain.placeholders import Context, fill
from processes.domain.plan import Plan, PlanAction
from processes.domain.rules import Rules
from processes.domain.steps import Guard, Pending, Trace, TraceEntry
from processes.domain.targets import ScriptTarget
from processes.errors import ActionLimitError, DurableInCallError, NotFoundError, ProcessError, RunInterrupted

__all__ = ["ACTION_LIMIT", "Guard", "Interpreter", "Pending", "Trace", "TraceEntry"]

#: How many actions a foreground run, or the Python calls below one action, may carry out.
ACTION_LIMIT: Final = 10_000

_MAIN, _ERROR = Phase.MAIN, Phase.ERROR
#: What a script returns to tell the interpreter something. (A union would be built anew for each value.)
_ORDERS: Final = (Directive, ProcessError)


class Interpreter(Rules):
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
        app.ordinal = stored.ordinal
        if stored.parked is not None:
            interpreter._outcome = Suspended(stored.parked)
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
        return Pending(
            action=frame.plan.actions[frame.index],
            plan=frame.plan,
            phase=frame.phase,
            depth=len(self._frames) - 1,
            ordinal=self.app.ordinal + 1,
            process=frame.label,
        )

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
        outcome = self._outcome
        parked = outcome.directive if isinstance(outcome, Suspended) and isinstance(outcome.directive, Park) else None
        return Cursor(frames=self._frames, ordinal=self.app.ordinal, parked=parked, final=self._final).to_json()

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
        frame = self._take_up(parked_only=True)
        action = self._back_to(frame)
        state = self.app.state = None if state is None else _state_text(state)
        self._report(frame, action, state, self.app.ordinal)
        self._complete(frame, action, state, value, alternatives)

    def fail(self, error: ProcessError) -> None:
        """Let the pending or parked action fail, by the rules of the process.

        Raises ProcessError `not_parked` where the run has ended.
        """
        frame = self._take_up(parked_only=False)
        self._back_to(frame)
        self.app.state = None
        self._fail_action(error, self.app.ordinal)

    def _goes_on(self) -> bool:
        """Leave a suspension that just goes on; tell whether there is something to run."""
        outcome = self._outcome
        if isinstance(outcome, Suspended) and not isinstance(outcome.directive, Park):
            self._outcome = self._final or RUNNING
        return self._outcome is RUNNING

    def _take_up(self, *, parked_only: bool) -> Frame:
        outcome = self._outcome
        parked = isinstance(outcome, Suspended) and isinstance(outcome.directive, Park)
        if not self._frames or (parked_only and not parked):
            raise ProcessError("The run isn't waiting at an action", code="not_parked")
        self._outcome = RUNNING
        self.app.ordinal += 1
        return self._frames[-1]

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
                    if trace is not None:
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
                frame.index, app.ordinal = index, ordinal - 1
                raise
            except Exception as exception:  # noqa: BLE001 - whatever a script raises is the process's to deal with
                frame.index = index
                self._fail_action(ProcessError.wrap(exception), ordinal)
            except BaseException:
                frame.index, app.ordinal = index, ordinal - 1
                raise
            if single:
                return

    def _fill_config(self, action: PlanAction) -> None:
        app = self.app
        # Nobody's config is in force while this one is being filled.
        app._config = None
        context = Context(app.request.parameters, app.data, app.describe, self.host.now)
        app._config = fill(action.config, action.fillers, context)
        if isinstance(action.target, ScriptTarget):
            # Now that all values are known the model must accept them, whether or not the script looks.
            app.load_config()

    def _obey(self, frame: Frame, action: PlanAction, value: Directive | ProcessError, ordinal: int) -> None:
        """Carry out a directive that a script has returned; an error that it has returned is raised."""
        app = self.app
        if isinstance(value, ProcessError):
            raise value
        if isinstance(value, CallProcess):
            found = app.resolve(value.target)
            if not isinstance(found, Plan):
                raise NotFoundError(f'"{found.name}" is a script: only a process can be called like this')
            frame.ordinal = ordinal
            frame.config = app.get("config") if action.fillers else None
            self._enter(found, entry_of(value.config), outside=False, label=found.name, authority=value.authority)
        elif not isinstance(value, Suspending):
            raise ProcessError(f"Unknown directive {type(value).__name__}", code="unknown_directive")
        elif self._nested:
            raise DurableInCallError("The run can't stop below a call from Python code: return CallProcess")
        elif isinstance(value, Background):
            state = app.state = None if app.state is None else _state_text(app.state)
            if self.guard is not None:
                self.guard(app, None)
            self._report(frame, action, state, ordinal)
            self._complete(frame, action, state, None)
            if not self.host.durable:
                self._outcome = Suspended(value)
        else:
            app.ordinal = ordinal - 1
            self._outcome = Suspended(value)

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
