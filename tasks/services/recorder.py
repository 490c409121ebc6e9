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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from django.db import Error, connection, transaction

from tasks.domain.statuses import NodeStatus
from tasks.domain.updates import Draft
from tasks.errors import StaleFence
from tasks.models import Node, TaskRoot
from tasks.services import sql
from tasks.services.buffer import Batch, Buffer, FlushSchedule
from tasks.services.log import append_updates
from tasks.services.nodes import TaskNode

__all__ = ["Checkpoint", "Recorder", "TaskNode"]

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
        self._schedule = schedule

    @property
    def is_writing(self) -> bool:
        """Tell whether this very thread is in the middle of a write."""
        # What a condition asks of its lock, too; there is no public name for it.
        return self.writing._is_owned()  # type: ignore[attr-defined, no-any-return]

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
            except Exception as error:
                # Locked, or the connection is gone: the next tick tries again.
                self.put_back(batch)
                connection.close_if_unusable_or_obsolete()
                if not isinstance(error, Error):
                    logger.exception("The progress of task %s can't be written.", self.root_id)
            else:
                self.settle(batch)
        finally:
            self.last_flush = monotonic()
            self.writing.release()

    @contextmanager
    def checkpoint(self) -> Iterator["Checkpoint"]:
        """Take everything out of the buffers for one transaction, and put it back if that fails.

        Open the transaction inside, write the rest of the checkpoint, and call `write` as its last statement.
        """
        with self.writing:
            batch = self.take(everything=True)
            checkpoint = Checkpoint(recorder=self, batch=batch)
            try:
                yield checkpoint
            except BaseException:
                self.put_back(batch)
                raise
            if checkpoint.written:
                self.settle(batch)
            else:
                self.put_back(batch)
            self.last_flush = monotonic()

    def _commit(self, batch: Batch) -> None:
        with transaction.atomic():
            self.write(batch)

    def write(
        self, batch: Batch, *, extra: tuple[Draft, ...] = (), columns: Mapping[str, sql.Value] | None = None
    ) -> int:
        """Write a batch inside the caller's transaction, as its last statements, and return the last number."""
        with connection.cursor() as cursor:
            if batch.rows:
                sql.upsert_nodes(cursor, batch.rows, changed=sql.NODE_CHECKPOINTED)
        return append_updates(
            root_id=self.root_id,
            drafts=[*batch.drafts, *extra],
            columns={**batch.root_columns, **(columns or {})},
            fence=self.fence,
            attempt=self.attempt,
        )


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
            last = self.recorder.write(self.batch, extra=extra, columns=columns)
        except StaleFence:
            self.recorder.lost = True
            raise
        self.written = True
        return last
