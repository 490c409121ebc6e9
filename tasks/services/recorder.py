"""The recorder: what one claim, or one request, reports of its tree.

Calls touch memory only. The buffers go to the database at checkpoints, and between them at most every 100 ms by the
flusher. Four rules hold (docs/architecture.md argues them):

1. Numbers are taken from the head row inside the transaction that writes the updates (tasks.services.log).
2. A flush between two checkpoints writes only starts, progress and output. Everything that a successor would have to
   keep (ends, errors, data, meta, statuses) waits for the checkpoint, because the work before it may run again.
3. The mutex that guards the buffers is never held across I/O. Buffers are given up after the commit, never before: a
   write that fails puts them back.
4. A recorder writes to its own root only; children that fan out have their own.
"""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Protocol

from django.db import Error, connection, transaction
from uuid_utils.compat import uuid7

from tasks.domain.bounds import ERROR_CHARS, MESSAGE_CHARS, TITLE_CHARS, measure, pieces, shorten, storable_text, tail
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import NODE_TERMINAL, NODE_TRANSITIONS, NodeStatus, check_transition
from tasks.domain.updates import OUT_OF_BAND_TYPES, Draft, UpdateType, draft, encode_node
from tasks.errors import StaleFence
from tasks.models import Node, TaskRoot
from tasks.services import sql
from tasks.services.log import append_updates

logger = logging.getLogger(__name__)

#: Shortest time between two flushes of one recorder.
FLUSH_SECONDS = 0.1

#: Steps that a node gathers before they are added up, where nothing is flushed.
MOST_STEPS = 10_000

_RUNNING = NodeStatus.RUNNING


class FlushSchedule(Protocol):
    """Say what a recorder needs of whoever flushes it."""

    def schedule(self, recorder: "Recorder") -> None:
        """Flush `recorder` soon; called with the recorder's mutex held, so it must only take a note."""


class TaskNode:
    """Be the handle of one node: reports go to its recorder's buffers."""

    __slots__ = (
        "_current", "_output", "_progress", "_steps", "alias", "attempt", "error", "id", "message", "meta", "ordinal",
        "output_tail", "parent", "recorder", "reference", "settled", "status", "title", "total", "type",
    )  # fmt: skip

    def __init__(
        self,
        *,
        recorder: "Recorder",
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
        self.parent = parent
        self.ordinal = ordinal
        self.type = type
        self.title = shorten(title, TITLE_CHARS)
        self.alias = shorten(alias, TITLE_CHARS)
        self.attempt = attempt
        self.status = _RUNNING
        self.error = ""
        self._current: float | None = None
        #: What was stepped since `_current` was last brought up to date.
        self._steps: list[float] = []
        self.total = total
        self.message = ""
        self.meta: JSON = None
        self.output_tail = ""
        #: Status, error and meta as the last checkpoint wrote them: what a flush in between shows.
        self.settled: tuple[NodeStatus, str, JSON] = (_RUNNING, "", None)
        self._progress: _Progress | None = None
        self._output: _Output | None = None
        self.reference = self._encode_reference()

    @property
    def is_open(self) -> bool:
        """Tell whether the node has not ended."""
        return self.status not in NODE_TERMINAL

    @property
    def current(self) -> float | None:
        """How much is done."""
        return (self._current or 0) + sum(self._steps) if self._steps else self._current

    @current.setter
    def current(self, value: float | None) -> None:
        self._current = value
        self._steps.clear()

    @property
    def root(self) -> "TaskNode":
        """The root of the node's tree."""
        return self.recorder.root

    def progress(self, current: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Set what is given of current, total and message."""
        recorder = self.recorder
        with recorder.mutex:
            if current is not None:
                self.current = current
            if total is not None:
                self.total = total
            if message is not None:
                self.message = shorten(message, MESSAGE_CHARS)
            if self._progress is None:
                recorder.note_progress(self)

    def step(self, count: float = 1) -> None:
        """Add `count` to the node's current value."""
        # Without the mutex, which alone takes twice as long as all of this: appending is atomic, and whoever takes the
        # progress out of the buffer lets go of its place first, and reads the steps then. So a step that finds a place
        # is read with it.
        steps = self._steps
        steps.append(count)
        if self._progress is None or len(steps) > MOST_STEPS:
            self.recorder.note_steps(self)

    def add_up(self) -> None:
        """Bring the current value up to date. The caller holds the recorder's mutex."""
        steps = self._steps
        if count := len(steps):
            # More may come meanwhile, at the end.
            self._current = (self._current or 0) + sum(islice(steps, count))
            del steps[:count]

    def output(self, text: str) -> None:
        """Stream `text`; it is shown as it comes, so end lines yourself."""
        if text:
            self.recorder.note_output(self, text)

    def set_meta(self, meta: JSON) -> None:
        """Replace the node's meta."""
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

    def _encode_reference(self) -> str:
        parent = self.parent
        return encode_node(
            node_id=str(self.id),
            type=self.type,
            title=self.title,
            # Directly below the root, the parent is the root itself.
            parent_id=None if parent is None else str(parent.id),
            alias=self.alias or None,
            attempt=self.attempt,
        )


@dataclass(slots=True, eq=False)
class _Progress:
    """Stand in the buffer for a node's latest progress; later calls change the node, not the buffer."""

    node: TaskNode


@dataclass(slots=True, eq=False)
class _Output:
    """Stand in the buffer for text of a node that is still being gathered."""

    node: TaskNode
    parts: list[str] = field(default_factory=list)


_Entry = Draft | _Progress | _Output


@dataclass(slots=True, kw_only=True)
class Batch:
    """Hold what was taken out of the buffers for one transaction."""

    drafts: list[Draft]
    rows: list[tuple[sql.Value, ...]]
    root_columns: dict[str, sql.Value]
    touched: dict[TaskNode, None]
    settled: list[tuple[TaskNode, tuple[NodeStatus, str, JSON]]]

    def __bool__(self) -> bool:
        return bool(self.drafts or self.rows or self.root_columns)


class Recorder:
    """Buffer the reports of one claim or request, and write them.

    `fence` is that of the claim, None where the root has no job. With `strict`, flushes between checkpoints keep rule
    2; a request-scoped tree isn't run again, so it may show everything at once.
    """

    def __init__(
        self,
        *,
        root_id: uuid.UUID,
        title: str,
        fence: int | None,
        attempt: int = 1,
        strict: bool = True,
        schedule: FlushSchedule | None = None,
    ) -> None:
        self.root_id = root_id
        self.fence = fence
        self.attempt = attempt
        self.strict = strict
        #: Set once another worker has taken the work over: nothing more is written.
        self.lost = False
        self.last_flush = 0.0
        self.mutex = threading.Lock()
        #: Held across a write, so that a checkpoint and a flush never overlap. No report ever waits for it. A claim may
        #: hold it around several writes of its own.
        self.writing = threading.RLock()
        self.root = TaskNode(recorder=self, id=root_id, parent=None, ordinal=0, type="task", title=title)
        self._schedule = schedule
        self._scheduled = False
        self._entries: list[_Entry] = []
        self._touched: dict[TaskNode, None] = {}
        self._open: dict[uuid.UUID, TaskNode] = {}
        self._ordinal = 0

    @property
    def is_writing(self) -> bool:
        """Tell whether this very thread is in the middle of a write."""
        # What a condition asks of its lock, too; there is no public name for it.
        return self.writing._is_owned()  # type: ignore[attr-defined, no-any-return]

    # Reports: memory only.

    def start(
        self,
        title: str,
        *,
        parent: TaskNode | None = None,
        type: str = "task",
        alias: str = "",
        total: float | None = None,
        id: uuid.UUID | None = None,
    ) -> TaskNode:
        """Start a node below `parent`, or below the root."""
        with self.mutex:
            self._ordinal += 1
            node = TaskNode(
                recorder=self,
                id=id or uuid7(),
                parent=parent or self.root,
                ordinal=self._ordinal,
                type=type,
                title=title,
                alias=alias,
                attempt=self.attempt,
                total=total,
            )
            self._open[node.id] = node
            self._note(node, draft(UpdateType.NODE_START, node=node.reference, total=measure(total)))
        return node

    def restart(self, node: TaskNode) -> None:
        """Start a node again that an earlier attempt, or an earlier claim, left open."""
        with self.mutex:
            check_transition(NODE_TRANSITIONS, current=node.status, new=_RUNNING)
            node.status = _RUNNING
            node.error = node.message = ""
            node.current = None
            node.attempt = self.attempt
            node.settled = (_RUNNING, "", node.meta)
            node.reference = node._encode_reference()
            self._open[node.id] = node
            self._note(node, draft(UpdateType.NODE_START, node=node.reference, total=measure(node.total)))

    def end(self, node: TaskNode, status: NodeStatus, *, error: str = "") -> None:
        """End a node: the first terminal status wins. Failed and cancelled take unfinished descendants along."""
        with self.mutex:
            if node.status in NODE_TERMINAL:
                return
            if status is not NodeStatus.COMPLETED:
                for other in [other for other in self._open.values() if _is_below(other, node)][::-1]:
                    self._end_one(other, status, error)
            self._end_one(node, status, error)

    def end_all(self, status: NodeStatus, *, error: str = "") -> None:
        """End every node that is still open, leaves first: the work is over."""
        with self.mutex:
            for node in list(self._open.values())[::-1]:
                self._end_one(node, status, error)

    def rewind(self) -> None:
        """Forget what no checkpoint has declared: the work since the last one is to be done again.

        What a flush may write stays, so that the tree shows how far that work came.
        """
        with self.mutex:
            self._entries = [entry for entry in self._entries if _may_go_early(entry)]
            for node in self._touched:
                node.status, node.error, node.meta = node.settled
                if node is not self.root and node.is_open:
                    self._open[node.id] = node

    def defer(self, node: TaskNode, *, reason: str, until: str | None = None) -> None:
        """Say that a node waits, for what, and until when (RFC 3339)."""
        with self.mutex:
            check_transition(NODE_TRANSITIONS, current=node.status, new=NodeStatus.WAITING)
            node.status = NodeStatus.WAITING
            node.message = shorten(reason, MESSAGE_CHARS)
            self._note(node, draft(UpdateType.NODE_DEFER, node=node.reference, reason=node.message, until=until))

    def note_progress(self, node: TaskNode) -> None:
        """Put a place for the node's progress into the buffer. The caller holds the mutex."""
        if node.status in NODE_TERMINAL:
            return
        node._progress = _Progress(node)
        self._note(node, node._progress)

    def note_steps(self, node: TaskNode) -> None:
        """Take notice that a node has steps that nobody is about to read, or many."""
        with self.mutex:
            if node.status in NODE_TERMINAL:
                # Nothing follows an end.
                node._steps.clear()
                return
            node.add_up()
            if node._progress is None:
                self.note_progress(node)

    def note_output(self, node: TaskNode, text: str) -> None:
        """Put text into the buffer; what comes between two flushes becomes one update."""
        text = storable_text(text)
        with self.mutex:
            if node.status in NODE_TERMINAL:
                return
            node.output_tail = tail(node.output_tail + text)
            if node._output is None:
                node._output = _Output(node)
                self._note(node, node._output)
            node._output.parts.append(text)

    def note_meta(self, node: TaskNode, meta: JSON) -> None:
        """Put a node's new meta into the buffer."""
        change = draft(UpdateType.NODE_META, node=node.reference, meta=meta)
        with self.mutex:
            node.meta = meta
            self._note(node, change)

    def note_data(self, node: TaskNode, data: JSON) -> None:
        """Put what a node produced into the buffer."""
        change = draft(UpdateType.NODE_UPDATE, node=node.reference, data=data)
        with self.mutex:
            self._note(node, change)

    # Writes.

    def adopt(self) -> dict[uuid.UUID, TaskNode]:
        """Read what earlier claims left of this tree, and return its unfinished nodes by id, parents first."""
        root = TaskRoot.objects.get(pk=self.root_id)
        self.root.current, self.root.total = root.current, root.total
        self.root.message, self.root.output_tail, self.root.meta = root.message, root.output, root.meta
        self.root.settled = (_RUNNING, "", root.meta)
        rows = Node.objects.filter(root_id=self.root_id).order_by("ordinal")
        unfinished = [NodeStatus.CREATED.value, _RUNNING.value, NodeStatus.WAITING.value]
        for row in rows.filter(status__in=unfinished):
            node = TaskNode(
                recorder=self,
                id=row.pk,
                parent=self._open.get(row.parent_id, self.root) if row.parent_id else self.root,
                ordinal=row.ordinal,
                type=row.type,
                title=row.title,
                alias=row.alias,
                attempt=row.attempt,
                total=row.total,
            )
            node.status = NodeStatus(row.status)
            node.current, node.message, node.meta, node.output_tail = row.current, row.message, row.meta, row.output
            node.settled = (node.status, "", row.meta)
            self._open[node.id] = node
        self._ordinal = rows.order_by("-ordinal").values_list("ordinal", flat=True).first() or 0
        return dict(self._open)

    def flush(self) -> None:
        """Write what may be written between two checkpoints. Never raises: what can't be written now stays buffered."""
        if not self.writing.acquire(blocking=False):
            # A checkpoint is being written, and takes along what it finds; what comes after that is for a later tick.
            self.last_flush = monotonic()
            self._reschedule()
            return
        try:
            batch = self._take(everything=not self.strict)
            if not batch:
                return
            try:
                with transaction.atomic():
                    self._write(batch, extra=(), columns={})
            except StaleFence:
                self.lost = True
            except Exception as error:
                # Locked, or the connection is gone: the next tick tries again.
                self._put_back(batch)
                connection.close_if_unusable_or_obsolete()
                if not isinstance(error, Error):
                    logger.exception("The progress of task %s can't be written.", self.root_id)
            else:
                self._settle(batch)
        finally:
            self.last_flush = monotonic()
            self.writing.release()

    @contextmanager
    def checkpoint(self) -> Iterator["Checkpoint"]:
        """Take everything out of the buffers for one transaction, and put it back if that fails.

        Open the transaction inside, write the rest of the checkpoint, and call `write` as its last statement.
        """
        with self.writing:
            batch = self._take(everything=True)
            checkpoint = Checkpoint(recorder=self, batch=batch)
            try:
                yield checkpoint
            except BaseException:
                self._put_back(batch)
                raise
            if checkpoint.written:
                self._settle(batch)
            else:
                self._put_back(batch)
            self.last_flush = monotonic()

    def _write(self, batch: Batch, *, extra: tuple[Draft, ...], columns: dict[str, sql.Value]) -> int:
        with connection.cursor() as cursor:
            if batch.rows:
                sql.upsert_nodes(cursor, batch.rows, changed=sql.NODE_CHECKPOINTED)
        return append_updates(
            root_id=self.root_id,
            drafts=[*batch.drafts, *extra],
            columns={**batch.root_columns, **columns},
            fence=self.fence,
            attempt=self.attempt,
        )

    # Buffers. Everything below is called with the mutex held, or takes it.

    def _note(self, node: TaskNode, entry: _Entry) -> None:
        self._entries.append(entry)
        self._touched[node] = None
        if not self._scheduled and self._schedule is not None:
            self._scheduled = True
            self._schedule.schedule(self)

    def _end_one(self, node: TaskNode, status: NodeStatus, error: str) -> None:
        node.status = status
        # What comes later would stand behind the end.
        node._progress = node._output = None
        self._open.pop(node.id, None)
        if error:
            node.error = shorten(error, ERROR_CHARS)
            self._note(node, draft(UpdateType.NODE_ERROR, node=node.reference, error=node.error))
        self._note(node, draft(UpdateType.NODE_END, node=node.reference, status=status.value))

    def _take(self, *, everything: bool) -> Batch:
        with self.mutex:
            self._scheduled = False
            taken: list[_Entry]
            if everything:
                taken, self._entries = self._entries, []
                touched, self._touched = self._touched, {}
            else:
                taken = [entry for entry in self._entries if _may_go_early(entry)]
                if not taken:
                    return Batch(drafts=[], rows=[], root_columns={}, touched={}, settled=[])
                self._entries = [entry for entry in self._entries if not _may_go_early(entry)]
                touched, self._touched = self._touched, {}
                # What has ended meanwhile is written again, whole, by the checkpoint.
                self._touched = {node: None for node in touched if node.settled != _current(node)}
            for entry in taken:
                if isinstance(entry, _Progress) and entry.node._progress is entry:
                    entry.node._progress = None
            for node in touched:
                node.add_up()
            drafts: list[Draft] = []
            for entry in taken:
                _draft_entry(entry, drafts)
            settled = [(node, _current(node) if everything else node.settled) for node in touched]
            rows = [self._row(node, state) for node, state in settled if node is not self.root]
            columns = self._root_columns(dict(settled)[self.root][2]) if self.root in touched else {}
        rows.sort(key=lambda row: row[3])  # type: ignore[arg-type, return-value]  # by ordinal: one lock order
        return Batch(drafts=drafts, rows=rows, root_columns=columns, touched=touched, settled=settled)

    def _put_back(self, batch: Batch) -> None:
        with self.mutex:
            self._entries[:0] = batch.drafts
            self._touched = {**batch.touched, **self._touched}
        self._reschedule()

    def _reschedule(self) -> None:
        with self.mutex:
            self._scheduled = bool(self._entries or self._touched) and self._schedule is not None
            if self._scheduled and self._schedule is not None:
                self._schedule.schedule(self)

    def _settle(self, batch: Batch) -> None:
        with self.mutex:
            for node, state in batch.settled:
                node.settled = state

    def _row(self, node: TaskNode, state: tuple[NodeStatus, str, JSON]) -> tuple[sql.Value, ...]:
        status, error, meta = state
        parent = node.parent
        return (
            sql.uuid_value(node.id),
            sql.uuid_value(self.root_id),
            None if parent is None or parent is self.root else sql.uuid_value(parent.id),
            node.ordinal,
            node.type,
            node.title,
            node.alias,
            node.attempt,
            status.value,
            error,
            measure(node.current),
            measure(node.total),
            node.message,
            node.output_tail,
            sql.json_value(meta),
        )

    def _root_columns(self, meta: JSON) -> dict[str, sql.Value]:
        root = self.root
        return {
            "current": measure(root.current),
            "total": measure(root.total),
            "message": root.message,
            "output": root.output_tail,
            "meta": sql.json_value(meta),
        }


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """Write the recorder's part of a checkpoint, as the last statement of its transaction."""

    recorder: Recorder
    batch: Batch
    written: bool = False

    def write(self, *extra: Draft, columns: dict[str, sql.Value] | None = None) -> int:
        """Write nodes, then number and write the updates and `extra`, and return the last number.

        Raises StaleFence where another claim has taken the work over: the transaction must then be rolled back.
        """
        try:
            last = self.recorder._write(self.batch, extra=extra, columns=columns or {})
        except StaleFence:
            self.recorder.lost = True
            raise
        self.written = True
        return last


def _current(node: TaskNode) -> tuple[NodeStatus, str, JSON]:
    return (node.status, node.error, node.meta)


def _is_below(node: TaskNode, ancestor: TaskNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False


def _may_go_early(entry: _Entry) -> bool:
    return not isinstance(entry, Draft) or entry.type in OUT_OF_BAND_TYPES


def _draft_entry(entry: _Entry, drafts: list[Draft]) -> None:
    """Turn a buffer entry into drafts, reading what its node has gathered until now."""
    if isinstance(entry, Draft):
        drafts.append(entry)
        return
    node = entry.node
    if isinstance(entry, _Progress):
        drafts.append(
            draft(
                UpdateType.NODE_PROGRESS,
                node=node.reference,
                current=measure(node.current),
                total=measure(node.total),
                message=node.message or None,
            )
        )
        return
    if node._output is entry:
        node._output = None
    drafts += [draft(UpdateType.NODE_OUTPUT, node=node.reference, text=text) for text in pieces("".join(entry.parts))]
