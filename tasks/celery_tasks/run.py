"""One run of a tracked task: what it begins with, and what its tree is told at its end."""

import logging
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery import current_app, states
from celery.exceptions import Ignore, Reject, Retry
from django.db import connection, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.jsonvalue import JSON, dumps
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import format_timestamp
from tasks.errors import StaleFence, TaskCancelled, TasksError, text_of
from tasks.services.celery_cancelling import cancel_reason_of
from tasks.services.celery_roots import Begun, begin, prolong, put_off, run_lease, settle, settle_late
from tasks.services.celery_rows import Origin, root_id_of
from tasks.services.connections import are_as_before, depths, renew_connections
from tasks.services.flusher import process_flusher
from tasks.services.heartbeat import Leased, process_heart
from tasks.services.recorder import Recorder, TaskNode
from tasks.services.roots import Owner
from tasks.services.work import worker_name
from tasks.tracking import current_node

logger = logging.getLogger(__name__)

#: The header that tells a worker what the sender knows of the tree.
HEADER = "stepline"
#: … and that it is part of a canvas, where its tree is already.
MEMBER = "member"
#: How much later than it expires a task's message may still be told to have done so.
EXPIRY_GRACE = timedelta(minutes=1)
#: A connection that nobody has used for so long is looked at before it is used.
CONNECTION_SECONDS = 1.0
#: Results whose JSON is longer stay out of the tree; the result backend has them.
RESULT_CHARS = 65_536


class TaskRevoked(TaskCancelled, Ignore):
    """The task was cancelled; Celery's `autoretry_for` lets it pass."""


class RunSuperseded(StaleFence, Ignore):
    """Celery has delivered the task again, and its tree goes on there; `autoretry_for` lets it pass."""


@dataclass(slots=True, eq=False, kw_only=True)
class Run(Leased):
    """Be one run of a task: what it reports goes to `recorder`; the heart keeps its tree alive."""

    begun: Begun
    recorder: Recorder
    lease: timedelta
    #: Whether its message can be given back: Celery has not acknowledged it yet.
    acks_late: bool
    #: How long the next message for the same tree may wait.
    begin_within: timedelta
    error: BaseException | None = None
    #: A message for the same tree has left meanwhile: `Task.replace`.
    handed_on: bool = False
    #: What is still to be told of that.
    untold: Callable[[], None] | None = None
    lost: bool = False
    #: Why the end was asked for, once it was.
    cancel_reason: str | None = None

    @property
    def root_id(self) -> uuid.UUID:
        """The root that the run writes to."""
        return self.begun.root_id

    def check(self) -> None:
        """Raise TaskRevoked once the end of the task was asked for, RunSuperseded once another run has its tree."""
        if self.lost:
            raise RunSuperseded(task_id=str(self.root_id))
        if self.cancel_reason is not None:
            raise TaskRevoked(self.cancel_reason or _("The work was cancelled."), task_id=str(self.root_id))

    def beat(self) -> None:
        """Prolong the lease, and learn whether the end was asked for."""
        self.lost = self.lost or prolong(self.root_id, fence=self.begun.delivery, lease=self.lease)
        if self.cancel_reason is None:
            self.cancel_reason = cancel_reason_of(self.root_id)


def begin_run(task: Any) -> Run | None:
    """Begin the tree of the task's present request; None where that can't be: the task runs untracked."""
    request: Any = task.request
    with harmless("Task %s runs without a tree.", request.id):
        origin = Origin.from_json(header_of(request))
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
        run = Run(
            begun=begun,
            recorder=recorder,
            lease=lease,
            acks_late=bool(task.acks_late),
            begin_within=timedelta(seconds=task.begin_within_seconds),
        )
        # So that code deep inside may ask, through `tasks.check_cancelled`.
        recorder.check = run.check
        if begun.refused is not None:
            return run
        if begun.delivery > 1:
            recorder.start_over(_("interrupted; it runs again"))
        if not alone:
            process_heart().hold(run)
        return run
    return None


@contextmanager
def fresh_connection() -> Iterator[None]:
    """Give up the connection to the database after the block, where the database has gone away meanwhile.

    It was opened to begin the tree. A body that needs none must not lose its result by it. Nor where it has left a
    transaction open: the tree's end, and the result, would be lost in it, and all that follows in this process.
    """
    began = monotonic()
    before = depths()
    try:
        yield
    finally:
        if not are_as_before(before):
            logger.warning("A task has left a transaction open, or autocommit off; what was open is rolled back.")
            renew_connections()
        elif monotonic() - began >= CONNECTION_SECONDS and connection.connection is not None:
            with harmless("The connection to the database can't be looked at."):
                if not connection.in_atomic_block and not connection.is_usable():
                    connection.close()


def tell(run: Run, state: str | None, retval: Any, *, throws: tuple[type[BaseException], ...]) -> None:
    """End, or put off, the tree of a run as Celery has ended it."""
    recorder, error = run.recorder, run.error
    if run.begun.refused is not None:
        return
    try:
        if isinstance(error, TaskCancelled):
            _end(recorder, NodeStatus.CANCELLED, reason=error.message)
        elif isinstance(error, Reject) and getattr(error, "requeue", False) and run.acks_late:
            recorder.end_all(NodeStatus.CANCELLED, error=_("It was given back, to be done later."))
            until = timezone.now() + run.begin_within
            put_off(recorder, status=JobStatus.PENDING, waiting_for={"code": "given_back"}, waits_until=until)
        elif isinstance(error, Retry) and not run.handed_on:
            # Eagerly: nothing was sent, it just runs again.
            now = timezone.now()
            _put_off_for_retry(recorder, error.exc, due_at=now, waits_until=now + run.begin_within)
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
            # Of what ignores itself Celery tells nobody, and what would have followed is never begun.
            is_success = state == states.SUCCESS
            _end(recorder, NodeStatus.COMPLETED, result=result_of(retval) if is_success else None, goes_on=is_success)
    except StaleFence:
        # It has ended otherwise, or its next run has begun: whoever did that has told the rest.
        logger.info("The tree of task %s went on without this run.", run.root_id)


def _end(
    recorder: Recorder, status: NodeStatus, *, reason: str = "", result: JSON = None, goes_on: bool = True
) -> None:
    recorder.end_all(status, error=reason)
    try:
        settle(recorder, status=status, reason=reason, result=result, goes_on=goes_on)
    except StaleFence:
        if not settle_late(recorder, status=status, reason=reason, result=result):
            raise


def hand_on(run: Run, *, waits_until: datetime, retry_at: datetime | None = None, parts: Sequence[str] = ()) -> None:
    """Let the run end, since a message for the same tree is about to leave: a retry, or `Task.replace`.

    Told before it leaves, as the next run may begin before this one has ended. `parts` are the roots of what goes on in
    the task's place before.
    """
    run.handed_on = True
    recorder = run.recorder
    if retry_at is not None:
        error = sys.exc_info()[1]
        tell = partial(_put_off_for_retry, recorder, error, due_at=retry_at, waits_until=waits_until)
    else:
        tell = partial(_put_off_for_another, recorder, waits_until=waits_until, parts=parts)
    if connection.in_atomic_block:
        # The body's own transaction, which the retry's exception may roll back.
        run.untold = tell
        return
    try:
        tell()
    except StaleFence:
        logger.info("The tree of task %s went on without this run.", run.root_id)


def _put_off_for_another(recorder: Recorder, *, waits_until: datetime, parts: Sequence[str]) -> None:
    recorder.end_all(NodeStatus.COMPLETED)
    waiting_for: JSON = {"code": "replaced"}
    put_off(recorder, status=JobStatus.PENDING, waiting_for=waiting_for, waits_until=waits_until, parts=parts)


def _put_off_for_retry(recorder: Recorder, error: object, *, due_at: datetime, waits_until: datetime) -> None:
    reason = reason_of(error) if isinstance(error, Exception) else _("It is tried again.")
    recorder.end_all(NodeStatus.FAILED, error=reason)
    put_off(
        recorder,
        status=JobStatus.RETRY,
        waiting_for={"code": "retry_at", "until": format_timestamp(due_at), "reason": reason},
        waits_until=waits_until,
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
    expected = tuple(throws) if isinstance(throws, tuple | list) else throws
    if isinstance(error, BaseException) and throws and isinstance(error, expected):
        return shorten(text_of(error) or type(error).__name__, ERROR_CHARS)
    return _("It failed (%(kind)s).") % {"kind": type(error).__name__}


def result_of(value: Any) -> JSON:
    """Return a task's result where it is JSON and not too long for a tree, else None."""
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError):
        return None
    result: JSON = value
    return result if len(text) <= RESULT_CHARS else None


def header_of(request: Any) -> dict[str, Any]:
    """Return what the message of a task's request says of its tree; nothing for most."""
    return request.get(HEADER) or (request.headers or {}).get(HEADER) or {}


def moment(value: str | datetime | None) -> datetime | None:
    """Return a time of a message's headers."""
    found = parse_datetime(value) if isinstance(value, str) else value
    return timezone.make_aware(found, current_app.timezone) if found is not None and found.tzinfo is None else found


def waits_until(task: Any, headers: Mapping[str, Any]) -> datetime:
    """Return until when a tree waits for the task of a message to be begun. Nobody begins what has expired."""
    now = timezone.now()
    until = max(now, moment(headers.get("eta")) or now) + timedelta(seconds=task.begin_within_seconds)
    expires_at = moment(headers.get("expires"))
    return until if expires_at is None else min(until, max(now, expires_at) + EXPIRY_GRACE)


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
