"""The recorder: what one claim, or one request, reports of its tree.

Calls touch memory only. The buffers go to the database at checkpoints, and between them at most every 100 ms by the
flusher. Four rules hold (docs/architecture.md argues them):

1. Numbers are taken from the head row inside the transaction that writes the updates (tasks.services.log).
2. A flush between two checkpoints writes only starts, progress and output. Everything that a successor would have to
   keep (ends, errors, data, meta, statuses) waits for the checkpoint, because the work before it may run again. The
   ends of what an earlier attempt has left are no work of this one, and don't wait.
3. The mutex that guards the buffers is never held across I/O. Buffers are given up after the commit, never before: a
   write that fails puts them back.
4. A recorder writes to its own root only; children that fan out have their own.
"""

import logging
import os
import threading
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Self, cast

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.domain.along import MOST_ROWS, Along, Rows
from tasks.domain.statuses import NodeStatus
from tasks.domain.updates import Draft, Unnumbered
from tasks.errors import StaleFence
from tasks.models import Node, TaskRoot
from tasks.services import along_sql, checkpoint_sql, checkpoint_sqlite, sql
from tasks.services.buffer import Batch, Buffer, FlushSchedule
from tasks.services.cursors import fixed_cursor, is_postgresql, is_unwatched
from tasks.services.log import append_updates, publish_updates, stamped
from tasks.services.nodes import TaskNode

__all__ = ["Checkpoint", "Recorder", "TaskNode", "nodes_of"]

logger = logging.getLogger(__name__)

_RUNNING = NodeStatus.RUNNING


class Recorder(Buffer):
    """Buffer the reports of one claim or request, and write them.

    `fence` is that of the claim, None where the root has no job. With `strict`, flushes between checkpoints keep rule
    2; a tree whose work isn't run again may show everything at once.
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
        super().__init__(root_id=root_id, title=title, attempt=attempt)
        self.fence = fence
        self.strict = strict
        #: Held across a write, so that a checkpoint and a flush never overlap. No report ever waits for it. A claim may
        #: hold it around several writes of its own.
        self.writing = threading.RLock()
        #: Its holder writes nothing for the time being.
        self._held_open = False
        self._schedule = schedule
        #: The log tells already that nothing can be written.
        self._complained = False
        _recorders.add(self)

    @property
    def is_writing(self) -> bool:
        """Tell whether this very thread is in the middle of a write."""
        # What a condition asks of its lock, too; there is no public name for it.
        return self.writing._is_owned() and not self._held_open  # type: ignore[attr-defined]

    @contextmanager
    def holding_writes(self) -> Iterator[None]:
        """Let whoever holds `writing` do something else before they write: that may be broken into."""
        self._held_open = True
        try:
            yield
        finally:
            self._held_open = False

    def adopt(self) -> dict[uuid.UUID, TaskNode]:
        """Read what earlier claims left of this tree, and return its unfinished nodes by id, parents first."""
        root = TaskRoot.objects.get(pk=self.root_id)
        self.root.current, self.root.total = root.current, root.total
        self.root.message, self.root.output_tail, self.root.meta = root.message, root.output, root.meta
        self.root.settled = (_RUNNING, "", root.meta)
        rows = Node.objects.filter(root_id=self.root_id).order_by("ordinal")
        unfinished = [NodeStatus.CREATED.value, _RUNNING.value, NodeStatus.WAITING.value]
        for row in rows.filter(status__in=unfinished):
            node = self._adopted(row)
            self._open[node.id] = node
        self._ordinal = rows.order_by("-ordinal").values_list("ordinal", flat=True).first() or 0
        return dict(self._open)

    def start_over(self, reason: str, *, keeps_count: bool = False) -> None:
        """Take up the tree of a function that begins again.

        What an earlier attempt has left open never ends by itself, and what it has counted isn't done.
        """
        self.adopt()
        self.end_all(NodeStatus.CANCELLED, error=reason)
        if self.root.current and not keeps_count:
            self.root.progress(0)

    def mark_compensated(self, node_id: uuid.UUID) -> None:
        """Say that what a completed node has done is undone; without effect where there is no such node."""
        row = Node.objects.filter(pk=node_id, root_id=self.root_id, status=NodeStatus.COMPLETED.value).first()
        # What has ended since the last checkpoint isn't stored yet as what it is.
        node = self.touched_node(node_id) or (None if row is None else self._adopted(row))
        if node is not None:
            self.end_again(node, NodeStatus.COMPENSATED)

    def _adopted(self, row: Node) -> TaskNode:
        parent = self.root
        if row.parent_id is not None:
            parent = self._open.get(row.parent_id) or self._adopted(Node.objects.get(pk=row.parent_id))
        node = TaskNode(
            recorder=self,
            id=row.pk,
            parent=parent,
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
        return node

    def let_be(self) -> None:
        """Take no more reports: this process is a fork of the one that writes the tree."""
        # The mutex may have been held at the time of the fork.
        self.mutex, self.writing = threading.Lock(), threading.RLock()
        self.closed = True
        self._entries, self._touched, self._open = [], {}, {}

    def flush(self) -> None:
        """Write what may be written between two checkpoints. Never raises: what can't be written now stays buffered."""
        if not self.writing.acquire(blocking=False):
            # A checkpoint is being written, and takes along what it finds; what comes after that is for a later tick.
            self.last_flush = monotonic()
            self.reschedule()
            return
        try:
            batch = self.take(everything=not self.strict)
            if not (batch or self.pending):
                return
            try:
                self._commit(batch)
            except StaleFence:
                self.lost = True
            except Exception as error:  # noqa: BLE001 - whatever it was, nothing is lost by it
                # Locked, or the connection is gone: the next tick tries again.
                self.put_back(batch)
                connection.close_if_unusable_or_obsolete()
                self._note_failure(error)
            else:
                self._complained = False
                self.settle(batch)
        finally:
            self.last_flush = monotonic()
            self.writing.release()

    def checkpoint(self) -> "Checkpoint":
        """Return a checkpoint, to be entered: it holds what the buffers hold, and puts it back if it isn't written.

        Open the transaction inside, write the rest of the checkpoint, and call `write` as its last statement.
        """
        return Checkpoint(self)

    def _commit(self, batch: Batch) -> None:
        with transaction.atomic():
            self.write(batch)

    def _note_failure(self, error: Exception) -> None:
        """Complain of a write that another try will hardly mend: once, as it is tried ten times a second."""
        if self._complained or isinstance(error, OperationalError | InterfaceError):
            return
        self._complained = True
        logger.error("The progress of task %s can't be written.", self.root_id, exc_info=error)

    def write(
        self, batch: Batch, *, extra: tuple[Draft, ...] = (), columns: Mapping[str, sql.Value] | None = None
    ) -> int:
        """Write a batch inside the caller's transaction, as its last statements, and return the last number."""
        with fixed_cursor() as cursor:
            along_sql.write(cursor, nodes_of(batch))
        return append_updates(
            root_id=self.root_id,
            drafts=[*batch.drafts, *extra],
            columns={**batch.root_columns, **(columns or {})},
            fence=self.fence,
            attempt=self.attempt,
        )


def nodes_of(batch: Batch) -> list[Along]:
    """Return the nodes of a batch, as rows to insert."""
    return [Rows(along_sql.NODES, [value for row in batch.rows for value in row])] if batch.rows else []


class Checkpoint:
    """Write the recorder's part of a checkpoint, as the last statement of its transaction."""

    __slots__ = ("batch", "database", "recorder", "written")

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        #: This thread's connection: looked up once.
        self.database: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]
        self.batch: Batch
        self.written = False

    def __enter__(self) -> Self:
        recorder = self.recorder
        recorder.writing.acquire()
        recorder._held_open = False
        try:
            self.batch = recorder.take(everything=True)
        except BaseException:
            recorder.writing.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        recorder = self.recorder
        try:
            if kind is None and self.written:
                recorder.settle(self.batch)
            else:
                recorder.put_back(self.batch)
            recorder.last_flush = monotonic()
        finally:
            recorder.writing.release()

    @property
    def can_be_whole(self) -> bool:
        """Tell whether it can be written whole: outside of a transaction, and not too much at once."""
        if max(len(self.batch.rows), len(self.batch.drafts)) > MOST_ROWS or self.recorder.fence is None:
            return False
        return not self.database.in_atomic_block and (is_postgresql() or is_unwatched(self.database))

    def write_whole(self, along: Sequence[Along]) -> int:
        """Write nodes, updates, and what is stored along with them, in a transaction of its own.

        Raises StaleFence, with nothing written, where another claim has taken the work over.
        """
        recorder, batch = self.recorder, self.batch
        assert recorder.fence is not None
        updates = stamped(batch.drafts)
        write = checkpoint_sql.write_whole if is_postgresql() else partial(checkpoint_sqlite.write_whole, self.database)
        last = write(
            root_id=recorder.root_id,
            fence=recorder.fence,
            attempt=recorder.attempt,
            updates=updates,
            columns=batch.root_columns,
            along=[*nodes_of(batch), *along],
        )
        self.note_written(last, updates)
        return cast(int, last)

    def note_written(self, last: int | None, updates: Sequence[Unnumbered]) -> None:
        """Take note of what was written whole, and publish it; raises StaleFence where nothing was."""
        if last is None:
            self.recorder.lost = True
            raise StaleFence("Another worker has taken this work over.", task_id=str(self.recorder.root_id))
        self.written = True
        # It is committed.
        publish_updates(self.recorder.root_id, updates, last=last)

    def write(self, *extra: Draft, columns: dict[str, sql.Value] | None = None) -> int:
        """Write nodes, then number and write the updates and `extra`, and return the last number.

        Raises StaleFence where another claim has taken the work over: the transaction must then be rolled back.
        """
        try:
            last = self.recorder.write(self.batch, extra=extra, columns=columns)
        except StaleFence:
            self.recorder.lost = True
            raise
        self.written = True
        return last


_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


def _leave_to_parent() -> None:
    for recorder in list(_recorders):
        recorder.let_be()


os.register_at_fork(after_in_child=_leave_to_parent)
