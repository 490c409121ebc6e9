"""What happens when an instance isn't done in time: steps, each so long after it was due.

A step is `{"after": seconds, "users": [key], "groups": [key], "action": name}`: who is asked instead, and which action
of its process runs, or both. Stored with the instance are those that are yet to come, the next one first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from processes.domain.json_values import JSON

__all__ = ["EscalationStep", "next_step_at", "steps_from_json", "steps_to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """Hold one step: `after` the due time, `users` and `groups` (keys of rows) are asked, and `action` runs."""

    after: timedelta = timedelta(0)
    users: tuple[int | str, ...] = ()
    groups: tuple[int, ...] = ()
    action: str = ""

    @property
    def asks_others(self) -> bool:
        """Tell whether it is given to others."""
        return bool(self.users or self.groups)

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form."""
        return {
            "after": self.after.total_seconds(),
            "users": list(self.users),
            "groups": list(self.groups),
            "action": self.action,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "EscalationStep":
        """Rebuild it."""
        return cls(
            after=timedelta(seconds=value["after"]),
            users=tuple(value["users"]),
            groups=tuple(value["groups"]),
            action=value["action"],
        )


def steps_to_json(steps: Sequence[EscalationStep]) -> list[JSON]:
    """Return steps as they are stored: in the order of their times."""
    return [step.to_json() for step in sorted(steps, key=lambda step: step.after)]


def steps_from_json(value: Sequence[Mapping[str, Any]]) -> list[EscalationStep]:
    """Rebuild stored steps."""
    return [EscalationStep.from_json(step) for step in value]


def next_step_at(due_at: datetime | None, steps: Sequence[EscalationStep]) -> datetime | None:
    """Return when the first of the steps is to happen; None where nothing is, nothing is due, or time ends before."""
    if due_at is None or not steps:
        return None
    try:
        return due_at + min(step.after for step in steps)
    except OverflowError:
        return None
