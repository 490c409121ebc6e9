"""Move a run's cursor by the rules of interpretation: what follows an action that ends well, or badly.

Nothing here runs a script. Where the rules are: `_enter` (entry, `@start`), `_complete` (next clauses, `@end`),
`_fail_action` and `_complete_error` (retry, `@error`), `_return` and `_give_up` (sub processes), `_rest` and
`_branch_over` (callbacks), `_stop` and `_undo` (compensation).
"""

from collections.abc import Mapping
from datetime import timedelta

from processes.domain.application import UNSET, Application, Host
from processes.domain.compensation import Compensation, Done
from processes.domain.cursor import MAX_NESTING, Frame, Phase, storable_value
from processes.domain.directives import INHERITED, RUNNING, Failed, Finished, Outcome, Park, RunAgain, Suspended
from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import JSON
from processes.domain.linking import link
from processes.domain.plan import EXIT, ONWARD, Plan, PlanAction
from processes.domain.scripts import ScriptFunction
from processes.domain.steps import Guard, Trace, TraceEntry
from processes.domain.targets import ScriptTarget
from processes.errors import ActionLimitError, NotFoundError, ProcessError

__all__ = ["CALLBACK", "RETRY", "Rules", "destination"]

#: Why a run waits that rests until its callbacks have ended.
CALLBACK = "callback"
#: Why a run waits whose action has failed and is tried again.
RETRY = "retry"

_MAIN, _START, _END, _ERROR, _UNDO = Phase.MAIN, Phase.START, Phase.END, Phase.ERROR, Phase.UNDO


class Rules:
    """Hold the stack of frames of a run, and move it."""

    __slots__ = (
        "_compensation", "_dropped", "_final", "_frames", "_links", "_nested", "_outcome", "app", "guard", "host",
        "trace",
    )  # fmt: skip

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
        self._compensation = Compensation()
        #: Callbacks whose process has ended before they did, for the driver to close.
        self._dropped: list[str] = []

    # -- waiting -----------------------------------------------------------------------------------------------------

    @property
    def _parked(self) -> Park | None:
        outcome = self._outcome
        return outcome.directive if isinstance(outcome, Suspended) and isinstance(outcome.directive, Park) else None

    def _take_up(self, *, parked_only: bool) -> tuple[Frame, int]:
        """Give the frame and the step of the action that waits, or comes next; raises ProcessError `not_parked`."""
        parked = self._parked
        if not self._frames or self._frames[-1].resting or (parked_only and parked is None):
            raise ProcessError("The run isn't waiting at an action", code="not_parked")
        self._outcome = RUNNING
        if parked is not None:
            return self._frames[-1], parked.at
        self.app.ordinal += 1
        return self._frames[-1], self.app.ordinal

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
        if frame.phase is _UNDO:
            self._undone(frame)
            return
        after = destination(action, state, alternatives)
        if frame.phase is _ERROR:
            self._complete_error(frame, state, after)
            return
        if frame.phase is _END:
            if action.name != "@end":
                frame.state, frame.value = state, self._kept(frame, value)
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
        frame.state, frame.value = state, self._kept(frame, value)
        if frame.anchors:
            self._rest(frame)
            return
        end = frame.plan.lifecycle.get("@end")
        if end is None or frame.recovered or frame.bare:
            self._leave(frame)
        else:
            frame.phase, frame.index = _END, end.index

    def _kept(self, frame: Frame, value: object) -> object:
        """Give the value of a process as a run keeps it; raises NotJsonError, while the action can still fail by it."""
        if value is None or self._nested or not self.host.durable:
            return value
        return storable_value(value, frame.plan.name if len(self._frames) > 1 else None)

    def _leave(self, frame: Frame) -> None:
        """Take a finished frame from the stack."""
        if frame.anchors:
            self._rest(frame)
            return
        self._frames.pop()
        if frame.interrupted is not None:
            self._branch_over(*frame.interrupted, state=frame.state, value=frame.value)
        else:
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

    # -- callbacks ---------------------------------------------------------------------------------------------------

    def _rest(self, frame: Frame) -> None:
        """Let a process whose actions are over wait for its callbacks."""
        anchored = list(frame.anchors.values())
        frame.resting, frame.index = True, frame.plan.by_name[anchored[0]].index
        facts: dict[str, JSON] = {"callbacks": list(frame.anchors), "actions": list(dict.fromkeys(anchored))}
        self._outcome = Suspended(Park(reason=CALLBACK, facts=facts))

    def _branch(
        self, depth: int, anchor: PlanAction, after: int, waited_for: Park, attributes: Mapping[str, JSON]
    ) -> None:
        """Put a frame for what follows a report on the stack; what the run waits for is taken up again behind it.

        With that come back the `attributes` that were set there, None for those that weren't.
        """
        owner = self._frames[depth]
        branch = Frame(owner.plan, owner.code, bare=True, label=owner.label, authority=owner.authority)
        branch.index, branch.entry, branch.interrupted = after, anchor.index, (depth, waited_for, attributes)
        branch.ambient = owner.ambient
        self.app.authority, self.app.error = owner.authority, owner.ambient
        self._frames.append(branch)
        self._outcome = RUNNING

    def _branch_over(
        self, depth: int, waited_for: Park, attributes: Mapping[str, JSON], *, state: str | None, value: object
    ) -> None:
        """Go back to waiting after a branch, or on to the end of a process whose last callback that was."""
        owner, top = self._frames[depth], self._frames[-1]
        if owner.resting:
            owner.state, owner.value = state, value
        self.app.authority, self.app.error = top.authority, top.error_in_force
        if not top.resting:
            # An action waits, in a branch of another report maybe: it goes on with what it knew.
            for name, kept in attributes.items():
                if kept is None:
                    self.app.remove(name)
                else:
                    self.app.set(name, kept)
            if attributes and self.guard is not None:
                # Whoever looks after each action has looked before.
                self.guard(self.app, value)
            self._outcome = Suspended(waited_for)
        elif top.anchors:
            self._rest(top)
        else:
            top.resting, self._outcome = False, RUNNING
            if top.phase is _MAIN:
                self._end_main(top, top.state, top.value)
            else:
                self._leave(top)

    def _drop(self, frame: Frame) -> None:
        """Take note that a frame goes before its callbacks have ended."""
        self._dropped.extend(frame.anchors)
        frame.anchors = {}

    # -- after an error ----------------------------------------------------------------------------------------------

    def _fail_action(self, error: ProcessError, ordinal: int, *, called: bool = False) -> None:
        """Deal with an error of the current action: by trying it again, by `@error`, or by ending its process.

        And so on outward; `called` says that it is the error of the sub process that the action runs, or of a branch.
        """
        frame = self._frames[-1]
        if frame.index != EXIT:
            action = frame.plan.actions[frame.index]
            error.located(action=action.name, process=frame.plan.name)
            if self._tries_again(frame, action, error, ordinal, called=called):
                return
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

    def _tries_again(
        self, frame: Frame, action: PlanAction, error: ProcessError, ordinal: int, *, called: bool
    ) -> bool:
        """Let the action run again later, where its policy says so; tell whether it does.

        The same try may be asked about twice, when a worker dies before it has stored the answer.
        """
        policy, app = action.retry, self.app
        if policy is None or self._nested:
            return False
        tries = 1 + (frame.tries[1] if frame.tries is not None and frame.tries[0] == ordinal else 0)
        effect = action.target.effect if isinstance(action.target, ScriptTarget) else None
        seconds = policy.delay_before_next(error, tries=tries, effect=effect, key=f"{app.execution}:{ordinal}")
        if seconds is None:
            return False
        if called:
            # A sub process has failed: called once more it is another one, whose steps have numbers of their own.
            self._report(frame, action, None, ordinal, error)
        else:
            app.ordinal = ordinal - 1
        frame.tries, frame.deadline = (app.ordinal + 1, tries), None
        app.state, app.error = None, frame.error_in_force
        facts: dict[str, JSON] = {
            "attempt": tries, "attempts": policy.attempts, "action": action.name, "error": error.message,
        }  # fmt: skip
        self._outcome = Suspended(
            RunAgain(reason=RETRY, until=self.host.now() + timedelta(seconds=seconds), facts=facts)
        )
        return True

    def _give_up(self, error: ProcessError) -> None:
        """End the process at the top with an error, which becomes one of the action that called it."""
        frame = self._frames.pop()
        self._drop(frame)
        self.app.error = frame.ambient
        if frame.interrupted is not None:
            self._branch_failed(frame, error)
        elif self._frames:
            caller = self._frames[-1]
            self._back_to(caller)
            self._fail_action(error, self._called_at(caller), called=True)
        else:
            self._stop(error)

    def _branch_failed(self, branch: Frame, error: ProcessError) -> None:
        """Make the error of a branch one of the action that anchors it."""
        assert branch.interrupted is not None
        depth, waited_for, _ = branch.interrupted
        self._end_above(depth, error, waits=waited_for)
        owner = self._frames[depth]
        owner.resting, owner.index = False, branch.entry
        self._back_to(owner)
        self._called_at(owner)
        self.app.error, self._outcome = owner.error_in_force, RUNNING
        # That step is the branch's: where the anchor is tried again, it is another one.
        self._fail_action(error, self.app.ordinal, called=True)

    def _end_above(self, depth: int, error: ProcessError, *, waits: Park | None) -> None:
        """End what a frame has called, with an error, and what waits there: at the top that is `waits`."""
        self._end_waits(error, above=depth, waits=waits)
        self._end_callers(error, above=depth)
        while len(self._frames) > depth + 1:
            self._drop(self._frames.pop())

    def _end_waits(self, error: ProcessError, *, waits: Park | None, above: int = 0) -> None:
        """Tell that an error has ended the actions that wait, the innermost first.

        One waits at the top, for `waits`, and one below each branch.
        """
        if self.trace is None:
            return
        for frame in reversed(self._frames[above:]):
            if waits is not None and waits.at:
                action = frame.plan.actions[frame.index]
                self.trace(TraceEntry(waits.at, action.name, action.script, None, frame.label, error))
            waits = None if frame.interrupted is None else frame.interrupted[1]

    def _stop(self, error: ProcessError) -> None:
        """End the run with an error that no rule deals with, once what it has done is undone."""
        # It ends the actions that wait below branches, and those that called their way to here, too; the innermost was
        # told already.
        self._end_waits(error, waits=None)
        self._end_callers(error)
        for frame in self._frames:
            self._drop(frame)
        self._frames.clear()
        self.app.state = None
        self.app.error = error
        compensation = self._compensation
        if compensation.cause is not None:
            # What was to undo something has failed; what is still to be undone stays known.
            error.chain(compensation.cause)
            self._final = self._outcome = Failed(error)
        elif compensation.done and not self._nested:
            compensation.cause = error
            self._undo()
        else:
            self._final = self._outcome = Failed(error)

    def _end_callers(self, error: ProcessError, *, above: int = 0) -> None:
        """Tell that an error has ended the actions whose sub process is running, the innermost first."""
        if self.trace is not None:
            for entry in reversed(self._callers(above=above)):
                self.trace(entry._replace(error=error))

    def _callers(self, *, above: int = 0) -> list[TraceEntry]:
        """Give the actions whose sub process is running, outermost first."""
        return [
            TraceEntry(frame.ordinal, action.name, action.script, None, frame.label)
            for frame in self._frames[above:-1]
            # A process that rests calls nothing, nor does one that waits while a branch of it runs.
            if frame.ordinal
            for action in (frame.plan.actions[frame.index],)
        ]

    # -- compensation ------------------------------------------------------------------------------------------------

    def _note_done(self, frame: Frame, action: PlanAction, ordinal: int) -> None:
        """Remember an action that is done and can be undone; what undoes others isn't undone itself."""
        if action.compensate is not None and self._compensation.cause is None:
            self._compensation.done.append(
                Done(
                    plan=frame.plan, action=action.name, ordinal=ordinal, process=frame.label, authority=frame.authority
                )
            )

    def _undo(self) -> None:
        """Go on to the compensating action of what was done last; when nothing is left, end with the error."""
        compensation, app = self._compensation, self.app
        cause = compensation.cause
        assert cause is not None
        if not compensation.done:
            app.state, app.error = None, cause
            self._final = self._outcome = Failed(cause, compensated=True)
            return
        # Undoing is bounded by what was done, however far the run got.
        app.action_limit = float("inf")
        done = compensation.done[-1]
        frame = Frame(done.plan, self._link(done.plan), bare=True, label=done.process, authority=done.authority)
        frame.phase, frame.index, frame.undoes = _UNDO, done.compensating.index, done.ordinal
        frame.ambient = app.error = cause
        app.authority = done.authority
        self._frames.append(frame)
        self._outcome = RUNNING

    def _undone(self, frame: Frame) -> None:
        """Strike out what a compensating action has undone, and go on."""
        # Nobody waits for what has begun there by an anchor.
        self._drop(self._frames.pop())
        self._compensation.done.pop()
        self._undo()

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
        frame.deadline = None
        if error is None and action.compensate is not None:
            self._note_done(frame, action, ordinal)
        self._tell(frame, action, state, ordinal, error)

    def _tell(
        self, frame: Frame, action: PlanAction, state: str | None, ordinal: int, error: ProcessError | None = None
    ) -> None:
        if self.trace is not None:
            undone = frame.undoes if error is None else 0
            self.trace(TraceEntry(ordinal, action.name, action.script, state, frame.label, error, undone))


def destination(action: PlanAction, state: str | None, alternatives: tuple[str, ...] = ()) -> int:
    """Give the index of what follows an action under a state; `alternatives` are looked up after it."""
    routes = action.routes
    if routes is None or state is None:
        return action.after
    return next((routes[name] for name in (state, *alternatives) if name in routes), action.after)


def as_error(value: object) -> ProcessError:
    """Give what a script has put into `app.error` as an error."""
    return ProcessError.wrap(value) if isinstance(value, BaseException) else ProcessError(str(value))
