"""The steps that a client takes, said by generators: what to do next is decided in one place, for both ways of waiting.

A flow yields steps and is sent what has come of them; `tasks.client.driving` carries them out, blocking or in an event
loop. What breaks on the way is thrown into the flow as `Broken`.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tasks.client.exchange import Request

__all__ = ["Broken", "Emit", "Event", "Flow", "Next", "Open", "Send", "Sleep", "Step"]

T = TypeVar("T")
R = TypeVar("R")


class Broken(Exception):
    """A connection broke, or there was none."""

    def __init__(self, why: str, *, was_sent: bool = True) -> None:
        super().__init__(why)
        #: Whether the request may have arrived.
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Event:
    """Hold one server-sent event."""

    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Send:
    """Ask, and be sent the answer."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Ask for a stream, and be sent the answer; what it bears follows, by `Next`, until another one is opened."""

    request: Request


@dataclass(frozen=True, slots=True)
class Next:
    """Be sent the next event of the open stream, or None at its end."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand something out to whoever iterates."""

    value: T


Step = Send | Open | Next | Sleep | Emit[Any]
Flow = Generator[Step, Any, R]
