"""Remember what a run has done that can be undone.

A run that fails, or is cancelled, carries out the compensating actions of its completed actions, the last one first;
`rules` says when. The list is part of the cursor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from processes.domain.json_values import JSON
from processes.domain.plan import Plan, PlanAction
from processes.errors import CursorError, ProcessError

__all__ = ["Compensation", "Done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Name a completed action that another action of its plan undoes; `process` and `authority` are its frame's."""

    plan: Plan
    action: str
    ordinal: int
    process: str | None = None
    authority: JSON = None

    @property
    def compensating(self) -> PlanAction:
        """Give the action that undoes it."""
        name = self.plan.by_name[self.action].compensate
        if name is None or name not in self.plan.by_name:
            raise CursorError(f'"{self.action}" of "{self.plan.name}" has no compensating action')
        return self.plan.by_name[name]

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form, which a cursor keeps."""
        result: dict[str, JSON] = {"plan": self.plan.hash, "action": self.action, "ordinal": self.ordinal}
        if self.process is not None:
            result["process"] = self.process
        if self.authority is not None:
            result["authority"] = self.authority
        return result


@dataclass(slots=True, kw_only=True)
class Compensation:
    """Hold what can be undone, in the order in which it was done, and for which error it is being undone, if it is.

    `cancelled` says that the end of the run was asked for, before it began to undo or while it does.
    """

    done: list[Done] = field(default_factory=list)
    cause: ProcessError | None = None
    cancelled: bool = False

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form; empty where there is nothing to undo."""
        result: dict[str, JSON] = {}
        if self.done:
            result["done"] = [done.to_json() for done in self.done]
        if self.cause is not None:
            result["cause"] = self.cause.to_json()
        if self.cancelled:
            result["cancelled"] = True
        return result

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, find_plan: Callable[[str], Plan]) -> "Compensation":
        """Rebuild it over its plans."""
        done = [
            Done(
                plan=find_plan(stored["plan"]),
                action=str(stored["action"]),
                ordinal=int(stored["ordinal"]),
                process=stored.get("process"),
                authority=stored.get("authority"),
            )
            for stored in value.get("done", ())
        ]
        cause = value.get("cause")
        return cls(
            done=done,
            cause=None if cause is None else ProcessError.from_json(cause),
            cancelled=bool(value.get("cancelled")),
        )
