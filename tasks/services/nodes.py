"""One node of a tree, as whoever works on it holds it: reports go to the buffers of its recorder."""

import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from tasks.domain.bounds import (
    MESSAGE_CHARS,
    OUTPUT_WAITING_CHARS,
    TITLE_CHARS,
    TYPE_CHARS,
    counted,
    measure,
    pieces,
    shorten,
)
from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import MetaType
from tasks.domain.statuses import NODE_TERMINAL, NodeStatus
from tasks.domain.updates import encode_node

#: Steps that a node gathers before they are added up, where nothing is flushed.
MOST_STEPS = 10_000

_RUNNING = NodeStatus.RUNNING


class Reports(Protocol):
    """Say what a node needs of the recorder that takes its reports."""

    root_id: uuid.UUID
    root: "TaskNode"
    #: Guards the buffers, and what the nodes gather.
    mutex: threading.Lock

    def start(self, title: str, *, parent: "TaskNode | None", type: str, alias: str, total: float | None) -> "TaskNode":
        """Start a node."""

    def end(self, node: "TaskNode", status: NodeStatus, *, error: str = "") -> None:
        """End a node."""

    def note_progress(self, node: "TaskNode") -> None:
        """Make a place for the node's progress; the caller holds the mutex."""

    def note_steps(self, node: "TaskNode") -> None:
        """Take notice of steps that nobody is about to read, or of many."""

    def note_output(self, node: "TaskNode", text: str) -> None:
        """Take text."""

    def note_meta(self, node: "TaskNode", meta: object) -> None:
        """Take the node's new meta."""

    def note_data(self, node: "TaskNode", data: JSON) -> None:
        """Take what the node produced."""

    def check_cancelled(self) -> None:
        """Raise where the work is to stop."""


class TaskNode:
    """Be the handle of one node: reports go to its recorder's buffers."""

    __slots__ = (
        "_current", "alias", "attempt", "depth", "error", "id", "id_text", "message", "meta", "meta_type", "ordinal",
        "output_entry", "output_tail", "parent", "progress_entry", "recorder", "reference", "settled", "status",
        "steps", "title", "total", "type",
    )  # fmt: skip

    def __init__(
        self,
        *,
        recorder: "Reports",
        id: uuid.UUID,
        parent: "TaskNode | None",
        ordinal: int,
        type: str,
        title: str,
        alias: str = "",
        attempt: int = 1,
        total: float | None = None,
    ) -> None:
        self.recorder = recorder
        self.id = id
        self.id_text = str(id)
        self.parent = parent
        #: How many nodes are above it.
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.ordinal = ordinal
        self.type = shorten(type, TYPE_CHARS)
        self.title = shorten(title, TITLE_CHARS)
        self.alias = shorten(alias, TITLE_CHARS)
        self.attempt = attempt
        self.status = _RUNNING
        self.error = ""
        self._current: float | None = None
        #: What was stepped since `_current` was last brought up to date.
        self.steps: list[float] = []
        self.total = total
        self.message = ""
        self.meta: JSON = None
        #: What the meta must be; what is below a node takes the same.
        self.meta_type: MetaType | None = None if parent is None else parent.meta_type
        self.output_tail = ""
        #: Status, error and meta as the last checkpoint wrote them: what a flush in between shows.
        self.settled: tuple[NodeStatus, str, JSON] = (_RUNNING, "", None)
        self.progress_entry: ProgressEntry | None = None
        self.output_entry: OutputEntry | None = None
        self.reference = self.encode_reference()

    @property
    def is_open(self) -> bool:
        """Tell whether the node has not ended."""
        return self.status not in NODE_TERMINAL

    @property
    def current(self) -> float | None:
        """How much is done."""
        return counted(self._current, self.steps) if self.steps else self._current

    @current.setter
    def current(self, value: float | None) -> None:
        self._current = value
        self.steps.clear()

    @property
    def root(self) -> "TaskNode":
        """The root of the node's tree."""
        return self.recorder.root

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given of current, total and message; an ended node stays as it is.

        What is no finite number counts as not given, since no update could tell it.
        """
        recorder = self.recorder
        with recorder.mutex:
            if not self.is_open:
                return
            if measure(current) is not None:
                self.current = current
            if measure(total) is not None:
                self.total = total
            if message is not None:
                self.message = shorten(message, MESSAGE_CHARS)
            if self.progress_entry is None:
                recorder.note_progress(self)

    def step(self, count: float = 1) -> None:
        """Add `count` to the node's current value."""
        # Without the mutex, which alone takes twice as long as all of this: appending is atomic, and whoever takes the
        # progress out of the buffer lets go of its place first, and reads the steps then. So a step that finds a place
        # is read with it.
        steps = self.steps
        steps.append(count)
        if self.progress_entry is None or len(steps) > MOST_STEPS:
            self.recorder.note_steps(self)

    def add_up(self) -> None:
        """Bring the current value up to date. The caller holds the recorder's mutex."""
        steps = self.steps
        if count := len(steps):
            # More may come meanwhile, at the end.
            self._current = counted(self._current, islice(steps, count))
            del steps[:count]

    def output(self, text: str) -> None:
        """Stream `text`; it is shown as it comes, so end lines yourself."""
        if text:
            self.recorder.note_output(self, text)

    def set_meta(self, meta: object) -> None:
        """Replace the node's meta: JSON, a model or a dataclass; raises InvalidMeta where the tree takes another."""
        self.recorder.note_meta(self, meta)

    def update(self, data: JSON) -> None:
        """Report `data` as what the node has produced."""
        self.recorder.note_data(self, data)

    def child(self, title: str, *, type: str = "task", alias: str = "", total: float | None = None) -> "TaskNode":
        """Start a node below this one."""
        return self.recorder.start(title, parent=self, type=type, alias=alias, total=total)

    def complete(self) -> None:
        """End the node as completed; an ended node stays as it is."""
        self.recorder.end(self, NodeStatus.COMPLETED)

    def fail(self, error: str) -> None:
        """End the node as failed, and its unfinished descendants with the same reason; an ended one stays as it is."""
        self.recorder.end(self, NodeStatus.FAILED, error=error)

    def cancel(self, reason: str = "") -> None:
        """End the node as cancelled, and its unfinished descendants with it; an ended node stays as it is."""
        self.recorder.end(self, NodeStatus.CANCELLED, error=reason)

    def check_cancelled(self) -> None:
        """Raise TaskCancelled once the end of the tree's work was asked for, StaleFence once it was taken over."""
        self.recorder.check_cancelled()

    def encode_reference(self) -> str:
        """Return the encoded `node` object that this node's updates share."""
        parent = self.parent
        return encode_node(
            node_id=self.id_text,
            type=self.type,
            title=self.title,
            # Directly below the root, the parent is the root itself.
            parent_id=None if parent is None else parent.id_text,
            alias=self.alias or None,
            attempt=self.attempt,
        )


@dataclass(slots=True, eq=False)
class ProgressEntry:
    """Stand in the buffer for a node's latest progress; later calls change the node, not the buffer."""

    node: TaskNode


@dataclass(slots=True, eq=False)
class OutputEntry:
    """Stand in the buffer for text of a node that is still being gathered; the oldest of too much is left out."""

    node: TaskNode
    parts: deque[str] = field(default_factory=deque)
    chars: int = 0
    #: Characters that were left out.
    omitted: int = 0

    def add(self, text: str) -> None:
        """Gather text."""
        # In small parts, so that no more is left out than must be.
        self.parts.extend(pieces(text))
        self.chars += len(text)
        while self.chars > OUTPUT_WAITING_CHARS:
            gone = len(self.parts.popleft())
            self.chars -= gone
            self.omitted += gone

    def take_over(self, other: "OutputEntry") -> None:
        """Gather what another one has gathered, and leave it empty."""
        self.omitted += other.omitted
        for part in other.parts:
            self.add(part)
        other.parts, other.chars, other.omitted = deque(), 0, 0
