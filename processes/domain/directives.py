"""Let a script answer with an order to the interpreter instead of a value, and say how a run stands.

A script returns a directive: `return Park(reason="wait", until=due)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from processes.domain.json_values import JSON
from processes.errors import ProcessError

__all__ = [
    "INHERITED",
    "RUNNING",
    "Anchor",
    "Background",
    "CallProcess",
    "Directive",
    "Failed",
    "Finished",
    "Outcome",
    "Park",
    "RunAgain",
    "Running",
    "Suspended",
    "Suspending",
]


#: The authority of whoever calls.
INHERITED: Final[Any] = object()


class Directive:
    """Mark what the interpreter obeys when a script returns it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProcess(Directive):
    """Run a process as the rest of this action; `target` is as for `app.call`, `config["action"]` enters it.

    Its last state and value become the action's. Unlike `app.call` this holds no Python stack, so it may wait.
    `authority` is what the process, and only that, runs under (see `Application.authority`).
    """

    target: JSON
    config: JSON = None
    authority: JSON = INHERITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor(Directive):
    """Complete this action under the state `prepare` (or `create`, `anchor`), and let it be resumed by a callback.

    `callback` is the callback's id. Until it has ended the process doesn't: where its actions have come to an end it
    rests, and each report leads on from this action (`Interpreter.report`).
    """

    callback: str


class Suspending(Directive):
    """Mark the directives that stop a run for now."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Background(Suspending):
    """Go on in a durable run: this action is done, the next one is the first there.

    A run that is durable already just goes on.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgain(Suspending):
    """Stop before this action: when the run goes on, it runs again from its beginning.

    Without a durable run around it, a durable script is stopped like this (reason `durable`) before it starts.
    """

    reason: str
    until: datetime | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Park(Suspending):
    """Wait: the action stays current until `Interpreter.resume` completes it (or `fail` does).

    `reason` is a code and `facts` any JSON for those who ask why the run doesn't move. At `until`, where it is given,
    the action is completed under the state `then`. `private` is any JSON that followers aren't told.
    `at` is the step that waits, which the interpreter notes.
    """

    reason: str
    until: datetime | None = None
    then: str | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict)
    private: Mapping[str, JSON] = field(default_factory=dict)
    at: int = field(default=0, compare=False)

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form, which a cursor keeps."""
        result: dict[str, JSON] = {"reason": self.reason}
        if self.until is not None:
            result["until"] = self.until.isoformat()
        if self.then is not None:
            result["then"] = self.then
        if self.facts:
            result["facts"] = dict(self.facts)
        if self.private:
            result["private"] = dict(self.private)
        if self.at:
            result["at"] = self.at
        return result

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Park":
        """Rebuild the directive."""
        until = value.get("until")
        return cls(
            reason=str(value["reason"]),
            until=None if until is None else datetime.fromisoformat(until),
            then=value.get("then"),
            facts=value.get("facts", {}),
            private=value.get("private", {}),
            at=int(value.get("at", 0)),
        )


@dataclass(frozen=True, slots=True)
class Running:
    """Say that there is an action to run."""


RUNNING = Running()


@dataclass(frozen=True, slots=True)
class Suspended:
    """Say that the run has stopped for now, and why."""

    directive: Suspending


@dataclass(frozen=True, slots=True)
class Finished:
    """Say that the run has ended without an error, with the state and value of its last ordinary action."""

    state: str | None = None
    value: object = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Say that the run has ended with an error; `compensated` says that what it had done has been undone."""

    error: ProcessError
    compensated: bool = False


Outcome: TypeAlias = Running | Suspended | Finished | Failed
