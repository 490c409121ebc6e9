"""What an app wants done by the dispatcher, besides what the dispatcher does for tasks themselves."""

from collections.abc import Callable, Iterator
from typing import Protocol

from tasks.errors import TasksError

__all__ = ["DuplicateDuty", "Duty", "DutyRegistry", "duties", "duty"]


class Duty(Protocol):
    """Do what is due now, at most `limit` things, and return how many were done.

    It is called at each tick, twice a second, by any number of dispatchers at once, from processes that may be killed
    at any point: claim what is due with locked rows, do it and note it in one transaction, and ask cheaply whether
    there is anything. It must not wait for anybody. What it raises is logged, and tried again at the next tick.
    """

    def __call__(self, *, limit: int) -> int:
        """Do it."""


class DuplicateDuty(TasksError):
    """Two functions are registered as the same duty."""

    code = "duplicate_duty"


class DutyRegistry:
    """Map names to duties, in the order in which they were registered."""

    def __init__(self) -> None:
        self._duties: dict[str, Duty] = {}

    def add(self, name: str, function: Duty) -> None:
        """Register a duty; raises DuplicateDuty where another function has its name."""
        if self._duties.setdefault(name, function) is not function:
            raise DuplicateDuty(f"A duty named {name!r} is registered already; give this one another name.")

    def remove(self, name: str) -> None:
        """Forget a duty."""
        self._duties.pop(name, None)

    def __iter__(self) -> Iterator[tuple[str, Duty]]:
        return iter(tuple(self._duties.items()))


duties = DutyRegistry()


def duty(name: str) -> Callable[[Duty], Duty]:
    """Register the function as a duty of the dispatcher: `@duty("shop.reminders")`, in an app's `jobs` module."""

    def register(function: Duty) -> Duty:
        duties.add(name, function)
        return function

    return register
