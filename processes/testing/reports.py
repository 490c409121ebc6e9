"""Keep what scripts report of their progress."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from processes.domain.json_values import JSON
from tasks.domain.meta import meta_to_json

__all__ = ["Reported"]


@dataclass(slots=True, eq=False)
class Reported:
    """Hold what was reported of a run, an action or a subtask; `status` tells how a subtask ended.

    `children` are the actions of a run, and the subtasks of an action or a subtask.
    """

    title: str
    parent: "Reported | None" = field(default=None, repr=False)
    current: float | None = None
    total: float | None = None
    message: str | None = None
    meta: JSON = None
    data: JSON = None
    status: str = "running"
    error: str | None = None
    children: list["Reported"] = field(default_factory=list)
    id: uuid.UUID = field(default_factory=uuid.uuid4, repr=False, compare=False)
    _lines: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        """Give the output, that of the children included, in order."""
        return "".join(self._lines)

    def find(self, title: str) -> "Reported":
        """Give the action or subtask of that title, the last one if there are several; raises LookupError."""
        found = [node for node in self._walk() if node.title == title]
        if not found:
            known = ", ".join(f'"{node.title}"' for node in self._walk()) or "nothing"
            raise LookupError(f'Nothing was reported by "{title}", only by {known}')
        return found[-1]

    def _walk(self) -> Iterator["Reported"]:
        for child in self.children:
            yield child
            yield from child._walk()

    # -- what is reported to -----------------------------------------------------------------------------------------

    @property
    def root(self) -> "Reported":
        """Give the run's own."""
        return self if self.parent is None else self.parent.root

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given."""
        self.current = self.current if current is None else current
        self.total = self.total if total is None else total
        self.message = self.message if message is None else message

    def step(self, count: float = 1) -> None:
        """Add to the current value."""
        self.current = (self.current or 0) + count

    def output(self, text: str) -> None:
        """Keep text, also for all around."""
        self._lines.append(text)
        if self.parent is not None:
            self.parent.output(text)

    def set_meta(self, meta: object) -> None:
        """Keep the meta, as it is stored."""
        self.meta = meta_to_json(meta)

    def check_cancelled(self) -> None:
        """Go on: nobody cancels a trial."""

    def update(self, data: JSON) -> None:
        """Keep what was produced."""
        self.data = data

    def complete(self) -> None:
        """End well."""
        self._end("completed")

    def fail(self, error: str) -> None:
        """End with an error."""
        self._end("failed", error)

    def cancel(self, reason: str = "") -> None:
        """End as cancelled."""
        self._end("cancelled", reason)

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "Reported":
        """Begin a part."""
        part = Reported(title, parent=self, total=total)
        self.children.append(part)
        return part

    def _end(self, status: str, error: str | None = None) -> None:
        if self.status == "running":
            self.status, self.error = status, error
