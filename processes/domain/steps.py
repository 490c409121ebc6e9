"""Describe actions to whoever follows a run: the one that is pending, and those that have ended."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from processes.domain.application import Application
from processes.domain.cursor import Phase
from processes.domain.plan import Plan, PlanAction
from processes.domain.scripts import Effect
from processes.domain.targets import ProcessTarget, ScriptTarget
from processes.errors import ProcessError

__all__ = ["Guard", "Pending", "Trace", "TraceEntry"]


class Pending(NamedTuple):
    """Describe the action that is about to run, or that is waiting.

    `ordinal` numbers the steps of an execution; `depth` is 0 in the run's own process; `process` is None there and the
    sub process's name below.
    """

    action: PlanAction
    plan: Plan
    phase: Phase
    depth: int
    ordinal: int
    process: str | None

    @property
    def name(self) -> str:
        """Give the action's name."""
        return self.action.name

    @property
    def script(self) -> str | None:
        """Give the canonical name of the script, or the name of the process, that runs the action; None for neither."""
        return self.action.script

    @property
    def is_process(self) -> bool:
        """Tell whether the action runs a sub process, whose actions come next."""
        return isinstance(self.action.target, ProcessTarget)

    @property
    def effect(self) -> Effect | None:
        """Give the effect that the script declared when the plan was derived, None without a script."""
        return self.action.target.effect if isinstance(self.action.target, ScriptTarget) else None


class TraceEntry(NamedTuple):
    """Report an action that has ended; entries come as actions end, ordinals say in which order they began.

    `undoes` is the ordinal of the step that a compensating action has undone, 0 for any other action.
    """

    ordinal: int
    action: str
    script: str | None
    state: str | None
    process: str | None
    error: ProcessError | None = None
    undoes: int = 0


Trace: TypeAlias = Callable[[TraceEntry], None]
#: Looks at what a script has left, and at its value, before the cursor moves on; what it raises fails the action.
Guard: TypeAlias = Callable[[Application, object], None]
