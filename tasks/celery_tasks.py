"""Celery tasks as task trees: `@shared_task(base=TrackedTask)` is all that an existing task needs.

What Celery does with a task stays Celery's: sending, routing, retries, results. This module listens, and tells the
tree. Whatever goes wrong here is logged, and never keeps a task from running.
"""

import logging
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery import current_app, signals, states
from celery.canvas import Signature
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult, GroupResult
from django.db import connection, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.canvas import CHAIN, GROUP
from tasks.domain.jsonvalue import JSON, dumps
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import format_timestamp
from tasks.errors import StaleFence, TaskCancelled, TasksError
from tasks.models import CeleryTask
from tasks.models.root import new_id
from tasks.services.celery_roots import (
    Begun,
    Origin,
    begin,
    cancel_celery_task,
    create_canvas,
    end_unseen,
    is_cancel_requested,
    note_sent,
    prolong,
    put_off,
    root_id_of,
    run_lease,
    settle,
)
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import process_heart, stop_heart
from tasks.services.recorder import Recorder, TaskNode
from tasks.services.roots import Owner
from tasks.services.work import worker_name
from tasks.tracking import current_node, tracking

__all__ = ["TrackedCanvas", "TrackedTask", "cancel", "track"]

logger = logging.getLogger(__name__)

#: The header that tells a worker what the sender knows of the tree.
HEADER = "stepline"
#: Results whose JSON is longer stay out of the tree; the result backend has them.
RESULT_CHARS = 65_536


class TaskRevoked(TaskCancelled, Ignore):
    """The task was cancelled; Celery's `autoretry_for` lets it pass."""


@dataclass(slots=True, eq=False, kw_only=True)
class Run:
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

    def beat(self) -> None:
        """Prolong the lease, and learn whether the end was asked for."""
        self.lost = self.lost or not prolong(self.root_id, fence=self.begun.delivery, lease=self.lease)
        self.cancel_requested = self.cancel_requested or is_cancel_requested(self.root_id)


class TrackedTask(DjangoTask):
    """Be the base of a Celery task whose every invocation has a tree: `@shared_task(base=TrackedTask)`.

    The tree's id is the Celery task's, where that is a UUID. Inside the body `tasks.progress`, `step`, `output`,
    `subtask` and `set_meta` report to it.
    """

    abstract = True

    #: What people read; by default the last part of the task's name.
    tracked_title: str | None = None
    #: How long after a worker's death Celery delivers the task again, where it does (`acks_late`): so long its tree
    #: waits. For RabbitMQ a moment will do; Redis takes its visibility timeout, an hour unless set.
    redelivery_seconds: float = 60.0
    #: Whether cancelling ends the process that the task runs in. Without, its body must ask `check_cancelled`.
    cancel_terminates = False

    # As the settings leave results to those who want them; tracebacks are kept there for staff.
    ignore_result = False
    store_errors_even_if_ignored = True

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Send the task as Celery does; `owner` (a user or a user's key), `title` and `shared` are its tree's."""
        given = {name: options.pop(name) for name in ("owner", "title", "shared") if name in options}
        if given:
            origin = Origin(
                title=str(given.get("title") or ""),
                owner=_owner_of(given.get("owner")),
                shared=bool(given.get("shared")),
            )
            headers = dict(options.get("headers") or {})
            headers[HEADER] = {**(headers.get(HEADER) or {}), **origin.to_json()}
            options["headers"] = headers
        return super().apply_async(args, kwargs, task_id, producer, link, link_error, shadow, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body; tracked where a worker runs it, as a plain function where it is called like one."""
        request: Any = self.request
        if request.called_directly:
            return super().__call__(*args, **kwargs)
        run = _begin(self)
        if run is None:
            return self.run(*args, **kwargs)
        request.stepline_run = run
        try:
            if run.begun.refused is not None:
                raise TaskRevoked(run.begun.refused, task_id=str(run.root_id))
            with tracking(run.recorder.root):
                return self.run(*args, **kwargs)
        except TaskCancelled as error:
            run.error = error
            self.backend.mark_as_revoked(request.id, error.message, request=request, store_result=True)
            raise Ignore(error.message) from error
        except BaseException as error:
            run.error = error
            raise

    def check_cancelled(self) -> None:
        """Raise TaskRevoked once the end of this task was asked for: call it where the work can stop."""
        run = _run_of(self)
        if run is not None and run.cancel_requested:
            raise TaskRevoked(_("The work was cancelled."), task_id=str(run.root_id))

    def title_of(self, request: Any) -> str:
        """Return the title of an invocation's tree; `request` has Celery's `args` and `kwargs`."""
        return str(self.tracked_title or _title_from(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedCanvas:
    """Say what was sent: the tree of the whole, and Celery's own result."""

    root_id: uuid.UUID
    result: AsyncResult | GroupResult


def track(
    canvas: Signature, *, title: str, owner: Any = None, session_key: str = "", shared: bool = False
) -> TrackedCanvas:
    """Send a canvas (a chain, group or chord of tracked tasks, however nested) under one tree that shows how far it is.

    The tree's children are those of all its tasks, there from the beginning; it ends with the last of them. Sent after
    the caller's transaction: rolled back, there is nothing. `owner` is a user or a user's key; by default the owner
    of the work that sends it. Raises ValueError where the canvas has no tracked task.
    """
    root_id = new_id()
    leaves: dict[str, tuple[str, Origin]] = {}
    plan = _plan(canvas, parent_id=root_id, leaves=leaves)
    if not leaves:
        raise ValueError("There is no tracked task in this canvas: give its tasks the base TrackedTask.")
    who = Owner(session_key=session_key) if owner is None and session_key else _owner_of(owner)
    origin = Origin(title=title, owner=who, parent_id=_current_root_id(), shared=shared)
    result = canvas.freeze()

    def send() -> None:
        create_canvas(plan=plan, tasks=leaves, origin=origin, root_id=root_id)
        try:
            canvas.apply_async()
        except Exception:
            # Nobody will begin what wasn't sent.
            cancel_celery_task(root_id, reason=_("It could not be sent."))
            raise

    transaction.on_commit(send)
    return TrackedCanvas(root_id=root_id, result=result)


def cancel(root_id: uuid.UUID, *, reason: str = "") -> JobStatus:
    """Cancel a tracked task or canvas on the system's own authority; see `cancel_celery_task`."""
    return cancel_celery_task(root_id, reason=reason, terminate=_terminates)


def _terminates(row: CeleryTask) -> bool:
    return bool(getattr(current_app.tasks.get(row.name), "cancel_terminates", False))


# What a canvas is made of.


def _plan(signature: Any, *, parent_id: uuid.UUID, leaves: dict[str, tuple[str, Origin]]) -> JSON:
    """Return the plan of a canvas, and give each of its tracked tasks an id and the header of a member."""
    kind = signature.get("subtask_type")
    if kind in ("chain", "group"):
        parts = [_plan(part, parent_id=parent_id, leaves=leaves) for part in signature.tasks]
        return [CHAIN if kind == "chain" else GROUP, *parts]
    if kind == "chord":
        header = signature.tasks
        parts = [_plan(part, parent_id=parent_id, leaves=leaves) for part in getattr(header, "tasks", header)]
        body = [] if signature.body is None else [_plan(signature.body, parent_id=parent_id, leaves=leaves)]
        return [CHAIN, [GROUP, *parts], *body]
    task = current_app.tasks.get(signature.task)
    if not isinstance(task, TrackedTask):
        return [GROUP]
    options = signature.options
    task_id = str(options.setdefault("task_id", str(uuid.uuid4())))
    own = Origin(
        title=str(options.pop("title", "") or task.title_of(signature)),
        owner=_owner_of(options.pop("owner", None)),
        parent_id=parent_id,
        shared=bool(options.pop("shared", False)),
    )
    options["headers"] = {**(options.get("headers") or {}), HEADER: {**own.to_json(), "member": True}}
    leaves[task_id] = (task.name, own)
    return str(root_id_of(task_id))


# Signals: what no body sees.


@signals.before_task_publish.connect
def _note_sent(
    sender: str | None = None, headers: dict[str, Any] | None = None, body: Any = None, **_signal: Any
) -> None:
    """Create the tree of a tracked task when it is sent, from wherever: also by name, by a chain, by a chord."""
    task = current_app.tasks.get(sender or "")
    if headers is None or not isinstance(task, TrackedTask):
        return
    with _harmless("The tree of task %s can't be created.", headers.get("id")):
        eta = headers.get("eta")
        due_at = parse_datetime(eta) if eta else None
        sending = current_app.current_worker_task
        run = _run_of(sending)
        if run is not None and sending is not None and sending.request.id == headers["id"]:
            _hand_on(run, is_retry=bool(headers.get("retries")), due_at=due_at)
            return
        given = headers.get(HEADER) or {}
        if given.get("member") or headers.get("retries"):
            return
        args, kwargs = (body[0], body[1]) if isinstance(body, tuple | list) else ((), {})
        origin = Origin.from_json(given)
        # What a chain or a chord sends comes from no body, but from the task before it.
        sent_by = headers.get("parent_id")
        parent_id = origin.parent_id or _current_root_id() or (root_id_of(sent_by) if sent_by else None)
        title = origin.title or task.title_of(_Call(args=args, kwargs=kwargs))
        origin = Origin(title=title, owner=origin.owner, parent_id=parent_id, shared=origin.shared)
        headers[HEADER] = origin.to_json()
        eta = headers.get("eta")
        note_sent(task_id=headers["id"], name=task.name, origin=origin, due_at=due_at)


@signals.task_postrun.connect
def _settle(sender: Any = None, state: str | None = None, retval: Any = None, **_signal: Any) -> None:
    """End a run as Celery has ended it; its result is stored by now."""
    run = _run_of(sender)
    if run is None:
        return
    sender.request.stepline_run = None
    process_heart().let_go(run)
    try:
        with _harmless("The end of task %s can't be told.", run.root_id):
            _tell(run, state, retval, throws=sender.throws)
    finally:
        process_flusher().forget(run.recorder)


@signals.task_failure.connect
def _note_failure(sender: Any = None, task_id: str = "", exception: Any = None, **_signal: Any) -> None:
    """End the tree of a task whose process is gone; what fails in its body is told when the run ends."""
    if isinstance(sender, TrackedTask) and _run_of(sender) is None:
        _end_unseen(task_id, NodeStatus.FAILED, _reason(exception, throws=sender.throws))


@signals.task_revoked.connect
def _note_revoked(
    sender: Any = None, request: Any = None, terminated: bool = False, expired: bool = False, **_signal: Any
) -> None:
    """End the tree of a task that was revoked before it began, or whose process was ended for it."""
    if not isinstance(sender, TrackedTask):
        return
    if expired:
        reason = _("It expired before it was begun.")
    else:
        reason = _("It was stopped.") if terminated else _("It was cancelled before it was begun.")
    _end_unseen(request.id, NodeStatus.CANCELLED, reason)


@signals.worker_process_shutdown.connect
def _stop_threads(**_signal: Any) -> None:
    """End this process's own threads, so that a worker that stops leaves nothing half-written."""
    stop_flusher()
    stop_heart()


def _end_unseen(task_id: str, status: NodeStatus, reason: str) -> None:
    opened = connection.connection is None
    with _harmless("The end of task %s can't be told.", task_id):
        end_unseen(task_id=task_id, status=status, reason=reason)
    # A worker's main process otherwise keeps no connection, and its children would inherit it.
    if opened:
        connection.close()


# One run.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    args: Any
    kwargs: Any


def _begin(task: TrackedTask) -> Run | None:
    """Begin the tree of the task's present request; None where that can't be: the task runs untracked."""
    request: Any = task.request
    with _harmless("Task %s runs without a tree.", request.id):
        given = request.get(HEADER) or (request.headers or {}).get(HEADER) or {}
        origin = Origin.from_json(given)
        parent_id = origin.parent_id or _current_root_id()
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


def _tell(run: Run, state: str | None, retval: Any, *, throws: tuple[type[BaseException], ...]) -> None:
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
            _end(recorder, NodeStatus.FAILED, reason=_reason(error or retval, throws=throws))
        else:
            _end(recorder, NodeStatus.COMPLETED, result=_result(retval) if state == states.SUCCESS else None)
    except StaleFence:
        # It has ended otherwise, or its next run has begun: whoever did that has told the rest.
        logger.info("The tree of task %s went on without this run.", run.root_id)


def _end(recorder: Recorder, status: NodeStatus, *, reason: str = "", result: JSON = None) -> None:
    recorder.end_all(status, error=reason)
    settle(recorder, status=status, reason=reason, result=result)


def _hand_on(run: Run, *, is_retry: bool, due_at: datetime | None) -> None:
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
    reason = _reason(error) if isinstance(error, Exception) else _("It is tried again.")
    recorder.end_all(NodeStatus.FAILED, error=reason)
    put_off(
        recorder,
        status=JobStatus.RETRY,
        waiting_for={"code": "retry_at", "until": format_timestamp(due_at), "reason": reason},
        due_at=due_at,
    )


def _reason(error: object, *, throws: tuple[type[BaseException], ...] = ()) -> str:
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


def _run_of(task: Any) -> Run | None:
    if not isinstance(task, TrackedTask):
        return None
    run = getattr(task.request, "stepline_run", None)
    return run if isinstance(run, Run) else None


def _current_root_id() -> uuid.UUID | None:
    node = current_node()
    return node.recorder.root_id if isinstance(node, TaskNode) else None


def _owner_of(owner: Any) -> Owner | None:
    if owner is None or isinstance(owner, Owner):
        return owner
    key = getattr(owner, "pk", owner)
    return None if key is None else Owner(user_id=key)


def _title_from(name: str) -> str:
    words = name.rpartition(".")[2].replace("_", " ").strip()
    return words[:1].upper() + words[1:]


@contextmanager
def _harmless(message: str, *arguments: object) -> Iterator[None]:
    """Log what goes wrong in the block, and go on."""
    try:
        yield
    except Exception:
        logger.exception(message, *arguments)


def headers_of(origin: Origin) -> Mapping[str, JSON]:
    """Return the headers with which a process that knows no TrackedTask sends one (`app.send_task(…, headers=…)`)."""
    return {HEADER: origin.to_json()}
