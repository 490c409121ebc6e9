"""The buffers of a recorder: what was reported and isn't written yet. Everything here touches memory only."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from tasks.domain.bounds import ERROR_CHARS, MESSAGE_CHARS, NODE_DEPTH, measure, pieces, shorten, storable_text, tail
from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import meta_to_json
from tasks.domain.statuses import NODE_TERMINAL, NODE_TRANSITIONS, NodeStatus, check_transition
from tasks.domain.updates import OUT_OF_BAND_TYPES, Draft, UpdateType, draft
from tasks.errors import StaleFence
from tasks.services import sql
from tasks.services.nodes import OutputEntry, ProgressEntry, TaskNode

_RUNNING = NodeStatus.RUNNING
#: What takes a node's unfinished descendants along.
_CASCADING = frozenset({NodeStatus.FAILED, NodeStatus.CANCELLED})

_Entry = Draft | ProgressEntry | OutputEntry


class FlushSchedule(Protocol):
    """Say what a recorder needs of whoever flushes it."""

    def schedule(self, recorder: "Flushed") -> None:
        """Flush `recorder` soon; called with the recorder's mutex held, so it must only take a note."""


class Flushed(Protocol):
    """Say what whoever flushes needs of a recorder."""

    root_id: uuid.UUID
    last_flush: float

    def flush(self) -> None:
        """Write what may be written now; never raises."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """Hold what was taken out of the buffers for one transaction."""

    #: What goes back into the buffers where the transaction fails.
    entries: list[Draft | OutputEntry]
    drafts: list[Draft]
    rows: list[tuple[sql.Value, ...]]
    root_columns: dict[str, sql.Value]
    touched: dict[TaskNode, None]
    settled: list[tuple[TaskNode, tuple[NodeStatus, str, JSON]]]

    def __bool__(self) -> bool:
        return bool(self.drafts or self.rows or self.root_columns)


class Buffer:
    """Take the reports of one tree, and hand them out for a transaction.

    The mutex that guards them is never held across I/O. What was handed out is given up after the commit, never before:
    `put_back` returns it.
    """

    def __init__(self, *, root_id: uuid.UUID, title: str, attempt: int = 1) -> None:
        self.root_id = root_id
        self.attempt = attempt
        #: Set once another worker has taken the work over: nothing more is written.
        self.lost = False
        #: Asked by `check_cancelled`; it raises where the work is to stop.
        self.check: Callable[[], None] | None = None
        #: The tree has ended: nothing more is taken.
        self.closed = False
        #: There is something to write besides the buffers.
        self.pending = False
        self.last_flush = 0.0
        self.mutex = threading.Lock()
        self.root = TaskNode(recorder=self, id=root_id, parent=None, ordinal=0, type="task", title=title)
        self._schedule: FlushSchedule | None = None
        self._scheduled = False
        self._entries: list[_Entry] = []
        self._touched: dict[TaskNode, None] = {}
        self._open: dict[uuid.UUID, TaskNode] = {}
        #: The ends of what earlier attempts have left, by their `id()`.
        self._given_up: dict[int, Draft] = {}
        self._ordinal = 0

    def flush(self) -> None:
        """Write what may be written now; never raises."""
        raise NotImplementedError

    def check_cancelled(self) -> None:
        """Raise TaskCancelled once the end of the work was asked for, and StaleFence once it was taken over."""
        if self.lost:
            raise StaleFence(task_id=str(self.root_id))
        if self.check is not None:
            self.check()

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
            parent = parent or self.root
            node = TaskNode(
                recorder=self,
                id=id or uuid7(),
                parent=parent if parent.depth < NODE_DEPTH else parent.parent,
                ordinal=self._ordinal,
                type=type,
                title=title,
                alias=alias,
                attempt=self.attempt,
                total=total,
            )
            if self.closed:
                node.status = NodeStatus.CANCELLED
                return node
            self._open[node.id] = node
            self._note(node, draft(UpdateType.NODE_START, node=node.reference, total=measure(total)))
            above = node.parent
            if above is not None and above.status in _CASCADING:
                # Whoever works there hasn't noticed yet.
                self._end_one(node, above.status, above.error)
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
            node.reference = node.encode_reference()
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

    def give_up(self, node: TaskNode, *, reason: str) -> None:
        """End as cancelled what an earlier attempt has left open, with what is below it.

        Nobody goes on with it, whatever becomes of this attempt: unlike other ends it waits for no checkpoint.
        """
        with self.mutex:
            given_up = [other for other in self._open.values() if _is_below(other, node)][::-1]
            for each in [*given_up, node]:
                if each.status in NODE_TERMINAL:
                    continue
                before = len(self._entries)
                self._end_one(each, NodeStatus.CANCELLED, reason)
                self._given_up |= {id(entry): entry for entry in self._entries[before:] if isinstance(entry, Draft)}
                each.settled = _current(each)

    def end_again(self, node: TaskNode, status: NodeStatus) -> None:
        """Say what has become of a node after its end; raises IllegalTransition for what can't."""
        with self.mutex:
            check_transition(NODE_TRANSITIONS, current=node.status, new=status)
            self._end_one(node, status, "")

    def touched_node(self, node_id: uuid.UUID) -> TaskNode | None:
        """Return a node that is to be written."""
        with self.mutex:
            return next((node for node in self._touched if node.id == node_id), None)

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
            self._entries = [entry for entry in self._entries if self._may_go_early(entry)]
            for node in self._touched:
                node.status, node.error, node.meta = node.settled
                if node is not self.root and node.is_open:
                    self._open[node.id] = node

    def defer(self, node: TaskNode, *, reason: str, until: str | None = None) -> None:
        """Say that a node waits, for what (for people; empty: what it has told stays), and until when (RFC 3339)."""
        with self.mutex:
            check_transition(NODE_TRANSITIONS, current=node.status, new=NodeStatus.WAITING)
            node.status = NodeStatus.WAITING
            if reason:
                node.message = shorten(reason, MESSAGE_CHARS)
            told = node.message if reason else None
            self._note(node, draft(UpdateType.NODE_DEFER, node=node.reference, reason=told, until=until))

    def note_progress(self, node: TaskNode) -> None:
        """Put a place for the node's progress into the buffer. The caller holds the mutex."""
        if node.status in NODE_TERMINAL:
            return
        node.progress_entry = ProgressEntry(node)
        self._note(node, node.progress_entry)

    def note_steps(self, node: TaskNode) -> None:
        """Take notice that a node has steps that nobody is about to read, or many."""
        with self.mutex:
            if node.status in NODE_TERMINAL:
                # Nothing follows an end.
                node.steps.clear()
                return
            node.add_up()
            if node.progress_entry is None:
                self.note_progress(node)

    def note_output(self, node: TaskNode, text: str) -> None:
        """Put text into the buffer; what comes between two flushes becomes one update."""
        text = storable_text(text)
        with self.mutex:
            if node.status in NODE_TERMINAL:
                return
            node.output_tail = tail(node.output_tail + text)
            if node.output_entry is None:
                node.output_entry = OutputEntry(node)
                self._note(node, node.output_entry)
            node.output_entry.add(text)

    def note_meta(self, node: TaskNode, meta: object) -> None:
        """Put a node's new meta into the buffer; raises InvalidMeta where it isn't what the tree takes."""
        value = meta_to_json(meta, node.meta_type)
        change = draft(UpdateType.NODE_META, node=node.reference, meta=value)
        with self.mutex:
            if self.closed:
                return
            node.meta = value
            self._note(node, change)

    def note_data(self, node: TaskNode, data: JSON) -> None:
        """Put what a node produced into the buffer."""
        change = draft(UpdateType.NODE_UPDATE, node=node.reference, data=data)
        with self.mutex:
            self._note(node, change)

    # What is taken out of the buffers, and put back.

    def _note(self, node: TaskNode, entry: _Entry) -> None:
        if self.closed:
            return
        self._entries.append(entry)
        self._touched[node] = None
        if not self._scheduled and self._schedule is not None:
            self._scheduled = True
            self._schedule.schedule(self)

    def _end_one(self, node: TaskNode, status: NodeStatus, error: str) -> None:
        node.status = status
        # What comes later would stand behind the end, and is dropped with the steps that it brings.
        node.add_up()
        node.progress_entry = node.output_entry = None
        self._open.pop(node.id, None)
        if error:
            node.error = shorten(error, ERROR_CHARS)
            self._note(node, draft(UpdateType.NODE_ERROR, node=node.reference, error=node.error))
        self._note(node, draft(UpdateType.NODE_END, node=node.reference, status=status.value))

    def take(self, *, everything: bool) -> Batch:
        """Take out what one transaction is to write: everything, or only what may go before a checkpoint."""
        with self.mutex:
            self._scheduled = False
            taken: list[_Entry]
            if everything:
                taken, self._entries = self._entries, []
                touched, self._touched = self._touched, {}
            else:
                taken = [entry for entry in self._entries if self._may_go_early(entry)]
                if not taken:
                    return Batch(entries=[], drafts=[], rows=[], root_columns={}, touched={}, settled=[])
                self._entries = [entry for entry in self._entries if not self._may_go_early(entry)]
                touched, self._touched = self._touched, {}
                # What has ended meanwhile is written again, whole, by the checkpoint.
                self._touched = {node: None for node in touched if node.settled != _current(node)}
            for entry in taken:
                if isinstance(entry, ProgressEntry) and entry.node.progress_entry is entry:
                    entry.node.progress_entry = None
            for node in touched:
                node.add_up()
            entries = [_draft_progress(entry) if isinstance(entry, ProgressEntry) else entry for entry in taken]
            drafts: list[Draft] = []
            for each in entries:
                drafts += [each] if isinstance(each, Draft) else _draft_output(each)
            settled = [(node, _current(node) if everything else node.settled) for node in touched]
            rows = [self._row(node, state) for node, state in settled if node is not self.root]
            columns = self._root_columns(dict(settled)[self.root][2]) if self.root in touched else {}
        rows.sort(key=lambda row: row[3])  # type: ignore[arg-type, return-value]  # by ordinal: one lock order
        return Batch(entries=entries, drafts=drafts, rows=rows, root_columns=columns, touched=touched, settled=settled)

    def _may_go_early(self, entry: _Entry) -> bool:
        is_early = not isinstance(entry, Draft) or entry.type in OUT_OF_BAND_TYPES
        return is_early or id(entry) in self._given_up

    def put_back(self, batch: Batch) -> None:
        """Take back what could not be written."""
        with self.mutex:
            for entry in batch.entries:
                if isinstance(entry, OutputEntry):
                    self._gather_again(entry)
            self._entries[:0] = batch.entries
            self._touched = {**batch.touched, **self._touched}
        self.reschedule()

    def _gather_again(self, entry: OutputEntry) -> None:
        # One place for all the text that waits, so that it is bounded however often a write fails.
        node = entry.node
        if node.output_entry is not None:
            entry.take_over(node.output_entry)
        if node.is_open:
            node.output_entry = entry

    def reschedule(self) -> None:
        """Ask to be flushed again, where something is left."""
        with self.mutex:
            self._scheduled = bool(self._entries or self._touched or self.pending) and self._schedule is not None
            if self._scheduled and self._schedule is not None:
                self._schedule.schedule(self)

    def settle(self, batch: Batch) -> None:
        """Give up what has been written: the transaction has committed."""
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


def _current(node: TaskNode) -> tuple[NodeStatus, str, JSON]:
    return (node.status, node.error, node.meta)


def _is_below(node: TaskNode, ancestor: TaskNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent is ancestor:
            return True
        parent = parent.parent
    return False


def _draft_progress(entry: ProgressEntry) -> Draft:
    """Return the update that tells what a node has counted until now."""
    node = entry.node
    return draft(
        UpdateType.NODE_PROGRESS,
        node=node.reference,
        current=measure(node.current),
        total=measure(node.total),
        message=node.message or None,
    )


def _draft_output(entry: OutputEntry) -> list[Draft]:
    """Return the updates that tell what was gathered until now; what comes later is gathered anew."""
    node = entry.node
    if node.output_entry is entry:
        node.output_entry = None
    text = "".join(entry.parts)
    if entry.omitted:
        told = _("[… %(count)d characters are left out here: they came faster than they could be written. …]")
        text = f"{told % {'count': entry.omitted}}\n{text}"
    return [draft(UpdateType.NODE_OUTPUT, node=node.reference, text=text) for text in pieces(text)]
