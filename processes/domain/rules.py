"""Move a run's cursor by the rules of interpretation: what follows an action that ends well, or badly.

Nothing here runs a script. Where the rules are: `_enter` (entry, `@start`), `_complete` (next clauses, `@end`),
`_fail_action` and `_complete_error` (`@error`), `_return` and `_give_up` (sub processes).
"""

from dataclasses import replace

from processes.domain.application import UNSET, Application, Host
from processes.domain.cursor import MAX_NESTING, Frame, Phase
from processes.domain.directives import INHERITED, RUNNING, Failed, Finished, Outcome
from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import JSON
from processes.domain.linking import link
from processes.domain.plan import EXIT, ONWARD, Plan, PlanAction
from processes.domain.scripts import ScriptFunction
from processes.domain.steps import Guard, Trace, TraceEntry
from processes.errors import ActionLimitError, NotFoundError, ProcessError

__all__ = ["Rules"]

_MAIN, _START, _END, _ERROR = Phase.MAIN, Phase.START, Phase.END, Phase.ERROR


class Rules:
    """Hold the stack of frames of a run, and move it."""

    __slots__ = ("_final", "_frames", "_links", "_nested", "_outcome", "app", "guard", "host", "trace")

    def __init__(self, *, app: Application, host: Host, trace: Trace | None, guard: Guard | None, nested: bool) -> None:
        self.app, self.host, self.trace, self.guard = app, host, trace, guard
        #: Below a Python call, where nothing can wait.
        self._nested = nested
        self._frames: list[Frame] = []
        self._outcome: Outcome = RUNNING
        #: How the run has ended, also while a suspension hides it.
        self._final: Finished | Failed | None = None
        #: Linked plans, by identity; the plan is kept so that its identity stays its own.
        self._links: dict[int, tuple[Plan, list[ScriptFunction]]] = {}

    # -- beginning a process -----------------------------------------------------------------------------------------

    def _enter(
        self,
        plan: Plan,
        entry: JSON,
        *,
        outside: bool,
        bare: bool = False,
        label: str | None = None,
        authority: JSON = INHERITED,
    ) -> None:
        """Put a frame for a process on the stack, at its first action."""
        frames, app = self._frames, self.app
        if len(frames) + app.depth >= MAX_NESTING:
            raise ProcessError(f"Processes call each other more than {MAX_NESTING} levels deep", code="too_deep")
        if authority is not INHERITED:
            app.authority = authority
        frame = Frame(plan, self._link(plan), bare=bare, label=label, authority=app.authority)
        frame.ambient = app.error
        try:
            place = find_entry(plan, entry, outside=outside)
        except NotFoundError as error:
            if not (frames or self._nested):
                # Below an action it is that action's error, which has asked for the wrong entry.
                error.process = plan.name
            frames.append(frame)
            self._fail_action(error, app.ordinal)
            return
        if isinstance(place, Nothing):
            self._return(None, None)
            return
        frames.append(frame)
        start = None if bare else plan.lifecycle.get("@start")
        if start is None:
            self._begin_main(frame, place)
        else:
            frame.phase, frame.index, frame.entry = _START, start.index, place

    def _begin_main(self, frame: Frame, place: int) -> None:
        frame.phase = _MAIN
        if place == EXIT:
            self._end_main(frame, None, None)
        else:
            frame.index = place

    def _link(self, plan: Plan) -> list[ScriptFunction]:
        known = self._links.get(id(plan))
        if known is None:
            known = self._links[id(plan)] = (plan, link(plan, self.host, nested=self._nested))
        return known[1]

    # -- after an action that ended well -----------------------------------------------------------------------------

    def _complete(
        self, frame: Frame, action: PlanAction, state: str | None, value: object, alternatives: tuple[str, ...] = ()
    ) -> None:
        """Move on by the action's next clause; `alternatives` are looked up after the state."""
        after = action.after
        if action.routes is not None and state is not None:
            after = next((action.routes[name] for name in (state, *alternatives) if name in action.routes), after)
        if frame.phase is _ERROR:
            self._complete_error(frame, state, after)
            return
        if frame.phase is _END:
            if action.name != "@end":
                frame.state, frame.value = state, value
            elif state is not None:
                frame.state = state
            if after == EXIT:
                self._leave(frame)
            else:
                frame.index = after
            return
        if after == ONWARD:
            self._begin_main(frame, frame.entry)
        elif after != EXIT:
            self._begin_main(frame, after)
        else:
            # From `@start` the process ends before it began: its state is told, a value it has none.
            self._end_main(frame, state, value if frame.phase is _MAIN else None)

    def _complete_error(self, frame: Frame, state: str | None, after: int) -> None:
        """Go on after `@error` if it has reset the error; end with the error if not."""
        app = self.app
        if app.error is not None:
            error = as_error(app.error)
            if frame.error is not None and error is not frame.error:
                error.chain(frame.error)
            self._give_up(error)
            return
        app.error, frame.error = frame.ambient, None
        frame.state, frame.phase = state, _MAIN
        if after == EXIT:
            self._leave(frame)
        else:
            frame.index = after

    def _end_main(self, frame: Frame, state: str | None, value: object) -> None:
        frame.state, frame.value = state, value
        end = frame.plan.lifecycle.get("@end")
        if end is None or frame.recovered or frame.bare:
            self._leave(frame)
        else:
            frame.phase, frame.index = _END, end.index

    def _leave(self, frame: Frame) -> None:
        """Take a finished frame from the stack."""
        self._frames.pop()
        self._return(frame.state, frame.value)

    def _return(self, state: str | None, value: object) -> None:
        """Give a process's state and value to the action that called it, or end the run with them."""
        app = self.app
        app.state = state
        if not self._frames:
            self._final = self._outcome = Finished(state, value)
            return
        caller = self._frames[-1]
        action, ordinal = self._back_to(caller), self._called_at(caller)
        app.state = state
        if caller.phase is not _ERROR:
            # Somebody's `@error` that reaches down to here may have had its error reset.
            caller.ambient = app.error
        self._report(caller, action, state, ordinal)
        self._complete(caller, action, state, value)

    # -- after an error ----------------------------------------------------------------------------------------------

    def _fail_action(self, error: ProcessError, ordinal: int) -> None:
        """Deal with an error of the current action: by `@error`, or by ending its process, and so on outward."""
        frame = self._frames[-1]
        if frame.index != EXIT:
            action = frame.plan.actions[frame.index]
            error.located(action=action.name, process=frame.plan.name)
            self._report(frame, action, None, ordinal, error)
        if isinstance(error, ActionLimitError):
            self._stop(error)
            return
        if frame.phase is _ERROR:
            if frame.error is not None:
                error.chain(frame.error)
            self._give_up(error)
            return
        handler = None if frame.bare else frame.plan.lifecycle.get("@error")
        if handler is None:
            self._give_up(error)
            return
        frame.state = frame.value = None
        frame.recovered = True
        frame.phase, frame.index = _ERROR, handler.index
        frame.error = self.app.error = error

    def _give_up(self, error: ProcessError) -> None:
        """End the process at the top with an error, which becomes one of the action that called it."""
        frame = self._frames.pop()
        self.app.error = frame.ambient
        if self._frames:
            caller = self._frames[-1]
            self._back_to(caller)
            self._fail_action(error, self._called_at(caller))
        else:
            self._stop(error)

    def _stop(self, error: ProcessError) -> None:
        """End the run with an error that no rule deals with."""
        if self.trace is not None:
            # It ends the actions that called their way to here, too; the innermost was told already.
            for entry in reversed(self._callers()):
                self.trace(replace(entry, error=error))
        self._frames.clear()
        self.app.state = None
        self.app.error = error
        self._final = self._outcome = Failed(error)

    def _callers(self) -> list[TraceEntry]:
        """Give the actions whose sub process is running, outermost first."""
        return [
            TraceEntry(frame.ordinal, action.name, action.script, None, frame.label)
            for frame in self._frames[:-1]
            for action in (frame.plan.actions[frame.index],)
        ]

    def _error_was_set(self, frame: Frame) -> ProcessError | None:
        """Deal with a script that changed `app.error`: raise what it has set; a reset concerns a caller's `@error`."""
        error = self.app.error
        if error is not None:
            self.app.error = frame.ambient
            raise as_error(error)
        frame.ambient = None
        return None

    # -- the application ---------------------------------------------------------------------------------------------

    def _back_to(self, frame: Frame) -> PlanAction:
        """Put process, action, config and authority back to those of the action that a frame is at."""
        action = frame.plan.actions[frame.index]
        app = self.app
        app.process, app._action, app.authority = frame.plan, action, frame.authority
        app._config, app._typed = UNSET if frame.config is None else frame.config, UNSET
        return action

    @staticmethod
    def _called_at(frame: Frame) -> int:
        """Give the ordinal of the action whose sub process is over, and forget what was kept for it."""
        ordinal, frame.ordinal, frame.config = frame.ordinal, 0, None
        return ordinal

    def _report(
        self, frame: Frame, action: PlanAction, state: str | None, ordinal: int, error: ProcessError | None = None
    ) -> None:
        if self.trace is not None:
            self.trace(TraceEntry(ordinal, action.name, action.script, state, frame.label, error))


def as_error(value: object) -> ProcessError:
    """Give what a script has put into `app.error` as an error."""
    return ProcessError.wrap(value) if isinstance(value, BaseException) else ProcessError(str(value))
