"""Carry a run on as workers do: action by action, each time from the stored cursor."""

import json
from dataclasses import dataclass, field
from typing import Any

from processes.domain.application import Application
from processes.domain.directives import Failed, Finished, Outcome, Park, RunAgain, Running, Suspended
from processes.domain.interpreter import Interpreter, TraceEntry
from processes.errors import ProcessError
from tests.processes.domain.support import FakeHost, begin


@dataclass
class Durable:
    """A run of which nothing is kept between two actions but JSON."""

    host: FakeHost
    cursor: Any
    data: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    trace: list[TraceEntry] = field(default_factory=list)
    outcome: Outcome | None = None
    dropped: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, definition: object, *, host: FakeHost | None = None, **options: Any) -> "Durable":
        host = host or FakeHost(durable=True)
        ran = begin(definition, host=host, **options)
        return cls(host=host, cursor=ran.interpreter.cursor_json(), data=ran.app.data)

    def restore(self) -> Interpreter:
        app = Application(
            data=json.loads(json.dumps(self.data)),
            attributes=json.loads(json.dumps(self.attributes)),
            execution="run",
        )
        return Interpreter.restore(
            json.loads(json.dumps(self.cursor)), app=app, host=self.host, trace=self.trace.append
        )

    def store(self, interpreter: Interpreter) -> Outcome:
        self.cursor, self.data, self.outcome = interpreter.cursor_json(), interpreter.app.data, interpreter.outcome
        self.dropped += interpreter.take_dropped()
        self.attributes = dict(interpreter.app.attributes)
        return self.outcome

    def go(self) -> "Durable":
        """Run until the process ends or suspends; what wants to run again just does the next time."""
        while isinstance(self.store(interpreter := self.restore()), Running):
            interpreter.step()
            if not isinstance(self.store(interpreter), Running):
                break
        return self

    def again(self) -> "Durable":
        """Go on after a `RunAgain`."""
        interpreter = self.restore()
        interpreter.step()
        self.store(interpreter)
        return self.go() if isinstance(self.outcome, Running) else self

    def resume(self, state: str | None = None, value: object = None) -> "Durable":
        interpreter = self.restore()
        interpreter.resume(state, value)
        self.store(interpreter)
        return self.go()

    def report(self, callback: str, state: str, *, is_last: bool = False, **options: Any) -> bool:
        interpreter = self.restore()
        known = interpreter.report(callback, state, is_last=is_last, **options)
        self.store(interpreter)
        if isinstance(self.outcome, Running):
            self.go()
        return known

    def cancel(self) -> bool:
        interpreter = self.restore()
        undoes = interpreter.cancel(ProcessError("cancelled", code="cancelled"))
        self.store(interpreter)
        self.go()
        return undoes

    @property
    def names(self) -> list[str]:
        return [entry.action for entry in sorted(self.trace, key=lambda entry: entry.ordinal)]

    @property
    def waits_for(self) -> str | None:
        """Why it doesn't go on: the reason of what has suspended it."""
        outcome = self.outcome
        if isinstance(outcome, Suspended) and isinstance(outcome.directive, Park | RunAgain):
            return outcome.directive.reason
        return None

    @property
    def finished(self) -> Finished:
        assert isinstance(self.outcome, Finished), self.outcome
        return self.outcome

    @property
    def failed(self) -> Failed:
        assert isinstance(self.outcome, Failed), self.outcome
        return self.outcome
