"""Carry a test's run on action by action."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from processes.domain.application import Application
from processes.domain.directives import Park, Suspended
from processes.domain.entering import LEADS, FormAnswer
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.errors import NotJsonError, ProcessError
from processes.registry import scripts as registry
from processes.services.documents import Runnable
from processes.services.running import LocalRun
from processes.testing.answers import Answers
from processes.testing.host import KitHost
from processes.testing.ran import Ran

__all__ = ["Script", "Stepping", "standing_in"]

#: What can be a task script.
Script: TypeAlias = Callable[..., object]


@contextmanager
def standing_in(scripts: Mapping[str, Script]) -> Iterator[None]:
    """Put functions in the place of registered scripts, which lend them config model and effect; or add them."""
    with ExitStack() as stack:
        for name, function in scripts.items():
            known = registry.find(name)
            if known is None:
                stack.enter_context(registry.override(name, function))
            else:
                stack.enter_context(registry.override(name, function, config=known.config, effect=known.effect))
        yield


class Stepping:
    """Hold a run that stands between two actions.

    `step` runs the one that comes next, whose name is `next`; `finish` runs all that are left and gives the `Ran`.
    """

    def __init__(
        self,
        *,
        runnable: Runnable,
        app: Application,
        host: KitHost,
        answers: Answers,
        scripts: Mapping[str, Script],
        limit: int,
    ) -> None:
        self.app, self.host, self.answers = app, host, answers
        self._scripts = dict(scripts)
        with standing_in(self._scripts):
            self._run = LocalRun(
                plan=runnable.plan, app=app, host=host, limit=limit, guard=_check_storable if host.durable else None
            )

    def __repr__(self) -> str:
        return f"<Stepping {'ended or waiting' if self.next is None else f'before {self.next}'}; {self.ran!r}>"

    @property
    def next(self) -> str | None:
        """Give the action that comes next, that of a sub process as `process.action`; None if there is none to run."""
        pending = self._run.interpreter.pending
        if pending is None or not self._run.goes_on:
            return None
        return pending.name if pending.process is None else f"{pending.process}.{pending.name}"

    @property
    def data(self) -> dict[str, Any]:
        """Give the data as they are now."""
        return self.app.data

    @property
    def ran(self) -> Ran:
        """Give what has come of the run so far."""
        clock, answers, reported = self.host.clock, self.answers, self.host.reported
        return Ran(report=self._run.report(), app=self.app, clock=clock, answers=answers, reported=reported)

    def step(self) -> "Stepping":
        """Run one action; an action that calls a process begins it."""
        if self.next is None:
            raise AssertionError(f"There is no action to run: {self!r}")
        return self._go(self._run.step)

    def step_to(self, action: str) -> "Stepping":
        """Run until the action `action` comes next; AssertionError if it never does."""
        while self.next is not None:
            if self.next == action:
                return self
            self.step()
        raise AssertionError(f'"{action}" never came: {self!r}')

    def resume(self, state: str | None = None, value: object = None) -> "Stepping":
        """Complete the action at which a run waits, as whatever it waits for would."""
        return self._go(lambda: self._run.interpreter.resume(state, value))

    def answer(self, values: Mapping[str, JSON] | None = None, *, button: str = "submit") -> "Stepping":
        """Answer the form at which a durable run waits, as somebody would whose values the form has taken.

        None is what a button takes along that leaves the form, or leads back.
        """
        outcome = self._run.interpreter.outcome
        parked = outcome.directive if isinstance(outcome, Suspended) else None
        if not isinstance(parked, Park) or button not in parked.private.get(LEADS, {}):
            raise AssertionError(f'No form with a button "{button}" waits: {self!r}')
        answer = FormAnswer(ordinal=parked.at, button=button, values=None if values is None else copy_json(values))
        return self._go(lambda: self._run.interpreter.answer(answer))

    def fail(self, error: ProcessError) -> "Stepping":
        """Let the action fail at which a run waits, or which comes next."""
        return self._go(lambda: self._run.interpreter.fail(error))

    def finish(self) -> Ran:
        """Run to the end, or to where the run has to wait."""
        self._go(self._run.finish)
        return self.ran

    def _go(self, on: Callable[[], object]) -> "Stepping":
        with standing_in(self._scripts):
            on()
        self.answers.check()
        return self


def _check_storable(app: Application, value: object) -> None:
    """Refuse what a stored run would refuse: data, attributes or a response that isn't JSON."""
    if problems := json_problems(app.data, limit=1):
        place = f"data{problems[0].path}"
        raise NotJsonError(f"{place} can't be stored: {problems[0].message}", path=f"/{place}")
    app.context_json()
