"""One run of a tracked task: what it begins with, and what its tree is told at its end."""

import logging
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery import states
from celery.exceptions import Ignore, Reject, Retry
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.jsonvalue import JSON, dumps
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import format_timestamp
from tasks.errors import StaleFence, TaskCancelled, TasksError
from tasks.services.celery_roots import (
    Begun,
    Origin,
    begin,
    is_cancel_requested,
    prolong,
    put_off,
    root_id_of,
    run_lease,
    settle,
)
from tasks.services.flusher import process_flusher
from tasks.services.heartbeat import Leased, process_heart
from tasks.services.recorder import Recorder, TaskNode
from tasks.services.roots import Owner
from tasks.services.work import worker_name
from tasks.tracking import current_node

logger = logging.getLogger(__name__)

#: The header that tells a worker what the sender knows of the tree.
HEADER = "stepline"
#: Results whose JSON is longer stay out of the tree; the result backend has them.
RESULT_CHARS = 65_536


class TaskRevoked(TaskCancelled, Ignore):
    """The task was cancelled; Celery's `autoretry_for` lets it pass."""


@dataclass(slots=True, eq=False, kw_only=True)
class Run(Leased):
    """Be one run of a task: what it reports goes to `recorder`; the heart keeps its tree alive."""

    begun: Begun
    recorder: Recorder
    lease: timedelta
    error: BaseException | None = None
    #: A message for the same tree has left meanwhile: `Task.replace`.
    handed_on: bool = False
    #: What is still to be told of that.
    untold: Callable[[], None] | None = None
    lost: bool = False
    cancel_requested: bool = False

    @property
    def root_id(self) -> uuid.UUID:
        """The root that the run writes to."""
        return self.begun.root_id

    def check(self) -> None:
        """Raise TaskRevoked once the end of the task was asked for, StaleFence once its tree went on without it."""
        if self.lost:
            raise StaleFence(task_id=str(self.root_id))
        if self.cancel_requested:
            raise TaskRevoked(_("The work was cancelled."), task_id=str(self.root_id))

    def beat(self) -> None:
        """Prolong the lease, and learn whether the end was asked for."""
        self.lost = self.lost or not prolong(self.root_id, fence=self.begun.delivery, lease=self.lease)
        self.cancel_requested = self.cancel_requested or is_cancel_requested(self.root_id)


def begin_run(task: Any) -> Run | None:
    """Begin the tree of the task's present request; None where that can't be: the task runs untracked."""
    request: Any = task.request
    with harmless("Task %s runs without a tree.", request.id):
        given = request.get(HEADER) or (request.headers or {}).get(HEADER) or {}
        origin = Origin.from_json(given)
        parent_id = origin.parent_id or current_root_id()
        if parent_id is None and request.parent_id:
            parent_id = root_id_of(request.parent_id)
        lease = run_lease(redelivered_after_seconds=task.redelivery_seconds if task.acks_late else 0.0)
        begun = begin(
            task_id=request.id,
            name=task.name,
            origin=Origin(
                title=origin.title or task.title_of(request),
                owner=origin.owner,
                parent_id=parent_id,
                shared=origin.shared,
            ),
            worker=worker_name(),
            lease=lease,
        )
        # Inside a transaction (eagerly, or in a test) nobody else sees the tree yet: all is written at the end.
        alone = transaction.get_connection().in_atomic_block
        recorder = Recorder(
            root_id=begun.root_id,
            title=begun.title,
            fence=begun.delivery,
            attempt=begun.delivery,
            strict=False,
            schedule=None if alone else process_flusher(),
        )
        run = Run(begun=begun, recorder=recorder, lease=lease)
        # So that code deep inside may ask, through `tasks.check_cancelled`.
        recorder.check = run.check
        if begun.refused is not None:
            return run
        if begun.delivery > 1:
            # The function starts over, so what an earlier run left open never ends by itself.
            recorder.adopt()
            recorder.end_all(NodeStatus.CANCELLED, error=_("interrupted; it runs again"))
        if not alone:
            process_heart().hold(run)
        return run
    return None


def tell(run: Run, state: str | None, retval: Any, *, throws: tuple[type[BaseException], ...]) -> None:
    """End, or put off, the tree of a run as Celery has ended it."""
    recorder, error = run.recorder, run.error
    if run.begun.refused is not None:
        return
    try:
        if isinstance(error, TaskCancelled):
            _end(recorder, NodeStatus.CANCELLED, reason=error.message)
        elif isinstance(error, Reject) and getattr(error, "requeue", False):
            recorder.end_all(NodeStatus.CANCELLED, error=_("It was given back, to be done later."))
            put_off(recorder, status=JobStatus.PENDING, waiting_for={"code": "given_back"})
        elif isinstance(error, Retry) and not run.handed_on:
            # Eagerly: nothing was sent, it just runs again.
            _put_off_for_retry(recorder, error.exc, due_at=timezone.now())
        elif run.handed_on and (error is None or isinstance(error, Ignore | Retry)):
            if run.untold is not None:
                run.untold()
            recorder.flush()
        elif error is not None and not isinstance(error, Exception):
            # The process is being ended. Celery delivers the task again, or the lease runs out.
            recorder.flush()
        elif state in (states.FAILURE, "REJECTED") or (state is None and error is not None):
            _end(recorder, NodeStatus.FAILED, reason=reason_of(error or retval, throws=throws))
        else:
            _end(recorder, NodeStatus.COMPLETED, result=_result(retval) if state == states.SUCCESS else None)
    except StaleFence:
        # It has ended otherwise, or its next run has begun: whoever did that has told the rest.
        logger.info("The tree of task %s went on without this run.", run.root_id)


def _end(recorder: Recorder, status: NodeStatus, *, reason: str = "", result: JSON = None) -> None:
    recorder.end_all(status, error=reason)
    settle(recorder, status=status, reason=reason, result=result)


def hand_on(run: Run, *, is_retry: bool, due_at: datetime | None) -> None:
    """Let the run end, since a message for the same tree is about to leave: a retry, or `Task.replace`.

    Told before it leaves, as the next run may begin before this one has ended.
    """
    run.handed_on = True
    recorder = run.recorder
    if is_retry:
        error = sys.exc_info()[1]
        tell = partial(_put_off_for_retry, recorder, error, due_at=due_at or timezone.now())
    else:
        tell = partial(_put_off_for_another, recorder, due_at=due_at)
    if connection.in_atomic_block:
        # The body's own transaction, which the retry's exception may roll back.
        run.untold = tell
        return
    try:
        tell()
    except StaleFence:
        logger.info("The tree of task %s went on without this run.", run.root_id)


def _put_off_for_another(recorder: Recorder, *, due_at: datetime | None) -> None:
    recorder.end_all(NodeStatus.COMPLETED)
    put_off(recorder, status=JobStatus.PENDING, waiting_for={"code": "replaced"}, due_at=due_at)


def _put_off_for_retry(recorder: Recorder, error: object, *, due_at: datetime) -> None:
    reason = reason_of(error) if isinstance(error, Exception) else _("It is tried again.")
    recorder.end_all(NodeStatus.FAILED, error=reason)
    put_off(
        recorder,
        status=JobStatus.RETRY,
        waiting_for={"code": "retry_at", "until": format_timestamp(due_at), "reason": reason},
        due_at=due_at,
    )


def reason_of(error: object, *, throws: tuple[type[BaseException], ...] = ()) -> str:
    """Return what everybody who sees the tree may read. An exception's own text may tell what isn't theirs to know.

    Ours are written for people, and so are those that the task declares as expected (`throws`).
    """
    if isinstance(error, TasksError):
        return shorten(error.message, ERROR_CHARS)
    if isinstance(error, SoftTimeLimitExceeded | TimeLimitExceeded):
        return _("It took longer than it may.")
    if isinstance(error, WorkerLostError):
        return _("Its worker ended before it did.")
    if throws and isinstance(error, tuple(throws) if isinstance(throws, tuple | list) else throws):
        return shorten(str(error) or type(error).__name__, ERROR_CHARS)
    return _("It failed (%(kind)s).") % {"kind": type(error).__name__}


def _result(value: Any) -> JSON:
    """Return a task's result where it is JSON and not too long for a tree, else None."""
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError):
        return None
    result: JSON = value
    return result if len(text) <= RESULT_CHARS else None


def current_root_id() -> uuid.UUID | None:
    """Return the root of the tracked work that this code runs in."""
    node = current_node()
    return node.recorder.root_id if isinstance(node, TaskNode) else None


def owner_of(owner: Any) -> Owner | None:
    """Return a tree's owner: a user, or the key of one."""
    if owner is None or isinstance(owner, Owner):
        return owner
    key = getattr(owner, "pk", owner)
    return None if key is None else Owner(user_id=key)


def title_from(name: str) -> str:
    """Return a title made of the last part of a task's name."""
    words = name.rpartition(".")[2].replace("_", " ").strip()
    return words[:1].upper() + words[1:]


@contextmanager
def harmless(message: str, *arguments: object) -> Iterator[None]:
    """Log what goes wrong in the block, and go on."""
    try:
        yield
    except Exception:
        logger.exception(message, *arguments)
