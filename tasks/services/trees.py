"""Trees that have a writer and no job: begun by `start_task`, or by a request that reports.

Everything is written by the flusher, on its own thread and connection: so a tree is there at once and survives the
rollback of whoever starts it, and a caller that holds SQLite's write lock can't stand in its own way. Nobody ever waits
longer than a moment: what can't be written now is written at the next tick.
"""

import asyncio
import logging
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models.expressions import Combinable
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.bounds import TITLE_CHARS, measure, shorten
from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import MetaType
from tasks.domain.statuses import NodeStatus
from tasks.domain.updates import TERMINAL_TYPES, Draft, UpdateType, draft
from tasks.errors import StaleFence, TaskCancelled, text_of
from tasks.models import TaskRoot
from tasks.models.root import new_id
from tasks.services import sql
from tasks.services.buffer import Batch, Flushed
from tasks.services.claims import lease_end, lease_seconds
from tasks.services.flusher import process_flusher
from tasks.services.heartbeat import Leased, process_heart
from tasks.services.nodes import OutputEntry, ProgressEntry, TaskNode
from tasks.services.recorder import Recorder
from tasks.services.roots import REQUEST_KEPT, Owner, ending
from tasks.services.signals import Signal

logger = logging.getLogger(__name__)

#: Longest time that a caller waits until the beginning or the end of a tree is written.
WAIT_SECONDS = 0.5
#: A lease is prolonged when this part of it is over: a write for each beat would be many.
LEASE_PART = 3
#: After this time, an owner or a parent that isn't there is taken for gone: the transaction that was to bring it has
#: been rolled back.
MISSING_SECONDS = 10.0
#: After this time, a tree that can't begin is given up, and what is reported to it dropped. Waiting for locks of others
#: doesn't count.
GIVE_UP_SECONDS = 30.0
#: The setting by which trees are written by their callers, inside their transactions: for tests that roll back.
INLINE_SETTING = "STEPLINE_FLUSH_INLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Say how a tree begins."""

    title: str
    #: Asked on the flusher's thread, as its owner may have to be read.
    owner: Callable[[], Owner]
    input: JSON = None
    meta: JSON = None
    total: float | None = None
    shared: bool = False
    request_scoped: bool = False
    parent_id: uuid.UUID | None = None


class TreeRecorder(Recorder):
    """Record a tree from its first report, which makes its root, to its end."""

    def __init__(
        self, opening: Opening, *, root_id: uuid.UUID | None = None, meta_type: MetaType | None = None
    ) -> None:
        super().__init__(
            root_id=root_id or new_id(),
            title=opening.title,
            fence=None,
            strict=False,
            schedule=_OfThisProcess(),
        )
        self.opening = opening
        self.root.meta_type = meta_type
        self.root.meta, self.root.total = opening.meta, opening.total
        #: Its root is in the database, or will never be.
        self.begun = Signal()
        #: Its end is written, or nothing is written any more.
        self.ended = Signal()
        self.cancel_requested = False
        #: In the words of who asked for the end.
        self.cancel_reason = ""
        #: When the lease was last prolonged.
        self.leased_at = monotonic()
        #: An id that a client has chosen may have been used before.
        self._may_exist = root_id is not None
        self._started_at = timezone.now()
        #: Its root has been written.
        self._exists = False
        self._wanted = False
        self._tried_at: float | None = None
        self._refused = False
        #: Why the last write has failed.
        self._failure = ""
        # Encoded now, so that what is no JSON is the caller's error.
        self._opening_drafts = self._draft_opening()
        self._ending: dict[str, sql.Value] = {}
        self._hold = _TreeHold(self)

    @property
    def shared(self) -> bool:
        """Whether everybody who is allowed to see shared tasks may follow it."""
        return self.opening.shared

    @property
    def is_written(self) -> bool:
        """Whether its root has been written, so that clients can follow it."""
        return self._exists

    def begin(self) -> None:
        """Write the root even where nothing is reported."""
        self._wanted = self.pending = True
        self._hurry()

    def end(self, node: TaskNode, status: NodeStatus, *, error: str = "") -> None:
        """End a node; with its root, the tree."""
        if node is self.root:
            self.finish(status, reason=error)
        else:
            super().end(node, status, error=error)

    def finish(self, status: NodeStatus, *, reason: str = "") -> bool:
        """End the tree with everything below it, and return whether this was its first end.

        A tree in which nothing was reported leaves nothing behind.
        """
        with self.mutex:
            if self.closed:
                return False
            for node in list(self._open.values())[::-1]:
                self._end_one(node, status, reason)
            kept = REQUEST_KEPT if self.opening.request_scoped else None
            closing, self._ending = ending(status, reason=reason, kept=kept)
            self.root.status, self.root.error = status, reason
            # What was reported of the root until now comes before its end, what comes later doesn't count.
            self.root.add_up()
            self.root.progress_entry = self.root.output_entry = None
            wanted = self._wanted
            if wanted:
                self._note(self.root, closing)
            self.closed = True
        if wanted:
            self._hurry()
        else:
            self._conclude()
        return True

    def check_cancelled(self) -> None:
        """Raise TaskCancelled once the tree was cancelled or is to be, and StaleFence once somebody else ended it.

        Of one that could not begin nobody takes the work over, and it goes on.
        """
        if self.cancel_requested or self.root.status is NodeStatus.CANCELLED:
            raise TaskCancelled(self.cancel_reason or _("The work was cancelled."), task_id=str(self.root_id))
        if self._exists:
            super().check_cancelled()

    def flush(self) -> None:
        """Write what was reported since the last time, the root before it, and the end after it."""
        super().flush()
        if not self.begun.is_set() and self._tried_at is not None and monotonic() - self._tried_at > GIVE_UP_SECONDS:
            told = "The task %r could not be begun; what it reports is dropped. %s"
            logger.error(told, self.root.title, self._failure)
            self.lost = True
        if self.lost:
            self._conclude()

    def beat(self) -> None:
        """Prolong the lease, and hear whether the tree is to end."""
        # Not closed, said as a condition: its own end may be written at this moment.
        rows = TaskRoot.objects.filter(pk=self.root_id, closed=False)
        found = rows.values_list("cancel_requested_at", "cancel_reason").first()
        if found is not None and monotonic() - self.leased_at >= lease_seconds() / LEASE_PART:
            # A try that fails is made again with the next beat.
            began = monotonic()
            found = found if rows.update(lease_until=lease_end()) else None
            self.leased_at = began
        if found is None:
            self.lost = self.lost or not self.closed
            self._conclude()
        elif found[0] is not None:
            self.cancel_reason = found[1]
            self.cancel_requested = True

    def settle(self, batch: Batch) -> None:
        """Give up what has been written; from the root's first write on, keep its lease."""
        super().settle(batch)
        self.pending, self._exists = False, True
        if _is_last(batch):
            self._conclude()
        elif not self.begun.is_set() and not _is_inline():
            process_heart().hold(self._hold)
        self.begun.set()

    def let_be(self) -> None:
        """Take no more reports: this process is a fork of the one that writes the tree."""
        super().let_be()
        self.begun, self.ended = Signal(), Signal()
        self.begun.set()
        self.ended.set()

    def _note(self, node: TaskNode, entry: Draft | ProgressEntry | OutputEntry) -> None:
        self._wanted = True
        super()._note(node, entry)

    def _hurry(self) -> None:
        if _is_inline():
            self.flush()
        else:
            process_flusher().hurry(self)

    def _commit(self, batch: Batch) -> None:
        self._tried_at = self._tried_at or monotonic()
        try:
            with transaction.atomic():
                if not self.begun.is_set() and self._insert_root():
                    batch = replace(batch, drafts=[*self._opening_drafts, *batch.drafts])
                self.write(batch, columns=self._ending if _is_last(batch) else {})
        except IntegrityError:
            self._refused = True
            raise

    def _note_failure(self, error: Exception) -> None:
        self._failure = f"{type(error).__name__}: {text_of(error)}"
        if sql.is_lock_error(error):
            # Whoever has the lock gives it back some time, however long their transaction takes.
            self._tried_at = None
        elif self.begun.is_set() or not isinstance(error, IntegrityError):
            # The owner, or the parent, may be committed yet.
            super()._note_failure(error)

    def _insert_root(self) -> bool:
        """Insert the root; False where an earlier write that seemed to fail had done so."""
        if (self._may_exist or self._refused) and TaskRoot.objects.filter(pk=self.root_id).exists():
            if self._may_exist:
                raise StaleFence("A task of this id exists already; nothing was written.", task_id=str(self.root_id))
            return False
        opening = self.opening
        owner, parent_id = opening.owner(), opening.parent_id
        if self._refused and self._tried_at is not None and monotonic() - self._tried_at > MISSING_SECONDS:
            # As if they had been deleted after it began.
            if not get_user_model()._default_manager.filter(pk__in=[owner.user_id]).exists():
                owner = Owner(session_key=owner.session_key)
            if not TaskRoot.objects.filter(pk__in=[parent_id]).exists():
                parent_id = None
        TaskRoot.objects.create(
            id=self.root_id,
            title=shorten(opening.title, TITLE_CHARS),
            status=NodeStatus.RUNNING.value,
            started_at=self._started_at,
            total=measure(opening.total),
            meta=opening.meta,
            owner_id=owner.user_id,
            session_key="" if owner.user_id is not None else owner.session_key,
            shared=opening.shared,
            request_scoped=opening.request_scoped,
            parent_id=parent_id,
            lease_until=cast("Combinable", lease_end()),
        )
        return True

    def _draft_opening(self) -> list[Draft]:
        opening, reference = self.opening, self.root.reference
        drafts = [
            draft(UpdateType.TASK_START, title=self.root.title, input=opening.input),
            draft(UpdateType.TASK_STATUS, status=NodeStatus.RUNNING.value),
        ]
        if opening.meta is not None:
            drafts.append(draft(UpdateType.NODE_META, node=reference, meta=opening.meta))
        if (total := measure(opening.total)) is not None:
            drafts.append(draft(UpdateType.NODE_PROGRESS, node=reference, total=total))
        return drafts

    def _conclude(self) -> None:
        """Write no more."""
        process_heart().let_go(self._hold)
        process_flusher().forget(self)
        with self.mutex:
            self.closed = True
            self._entries, self._touched, self._open = [], {}, {}
        self.begun.set()
        self.ended.set()


class _TreeHold(Leased):
    """Let the heart keep a tree's lease for as long as somebody can still report to it."""

    def __init__(self, recorder: TreeRecorder) -> None:
        self.root_id = recorder.root_id
        self._recorder = weakref.ref(recorder)

    def beat(self) -> None:
        """Prolong the lease; where nobody holds the tree any more, its lease runs out and the dispatcher ends it."""
        recorder = self._recorder()
        if recorder is None:
            process_heart().let_go(self)
        else:
            recorder.beat()


class _OfThisProcess:
    """Be the schedule of trees that outlive a flusher."""

    def schedule(self, recorder: Flushed) -> None:
        """Flush `recorder` soon."""
        if not _is_inline():
            process_flusher().schedule(recorder)


def wait_for(*signals: Signal) -> None:
    """Wait a moment for writes of the flusher's, unless that would be in vain or hold up an event loop."""
    # SQLite has one writer, and a transaction is one from its beginning.
    if in_event_loop() or (connection.vendor == "sqlite" and connection.in_atomic_block):
        return
    until = monotonic() + WAIT_SECONDS
    for signal in signals:
        signal.wait(max(0.0, until - monotonic()))


def in_event_loop() -> bool:
    """Tell whether this thread runs an event loop, which nothing may hold up."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_inline() -> bool:
    return bool(getattr(settings, INLINE_SETTING, False))


def _is_last(batch: Batch) -> bool:
    return bool(batch.drafts) and batch.drafts[-1].type in TERMINAL_TYPES
