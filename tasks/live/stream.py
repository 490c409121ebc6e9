"""What a client may follow, seen from outside: a task, or a list of tasks."""

import uuid
from collections.abc import Sequence
from typing import Protocol

from tasks.domain.sequencer import Item
from tasks.errors import TasksError
from tasks.live.visitor import Visitor
from tasks.models import TaskRoot
from tasks.services.access import Viewer

__all__ = ["Stream"]


class Stream(Protocol):
    """Hand a client its messages at the client's own pace."""

    @property
    def visitor(self) -> Visitor:
        """Return who follows."""

    @property
    def ended(self) -> bool:
        """Tell that nothing follows."""

    @property
    def root_id(self) -> uuid.UUID | None:
        """Return the id of the root that is followed, or None where it isn't one root."""

    def may_go_on(self, viewer: Viewer, root: TaskRoot | None) -> bool:
        """Tell whether the visitor, who is now `viewer`, may still follow; `root` as it is now."""

    def wake(self) -> None:
        """Look for something to deliver."""

    def end(self, error: TasksError) -> None:
        """Let the client's next request raise `error`."""

    def close(self) -> None:
        """Stop following; may be called twice."""

    async def next(self, *, timeout_seconds: float | None = None) -> list[Item]:
        """Return the next messages as soon as there are any; none where the time is over, or nothing follows."""

    def frames(self, items: Sequence[Item]) -> list[str]:
        """Return the messages as texts for a client that takes several in one: JSON arrays, encoded once for all."""
