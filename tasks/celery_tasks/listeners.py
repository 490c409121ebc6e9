"""What Celery tells of tracked tasks outside their bodies: sent, ended, revoked, lost with their process."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import current_app, signals, states
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.celery_tasks.parts import LAST, PART_OF
from tasks.celery_tasks.run import (
    HEADER,
    MEMBER,
    Run,
    current_root_id,
    hand_on,
    harmless,
    header_of,
    moment,
    reason_of,
    result_of,
    tell,
    waits_until,
)
from tasks.celery_tasks.task import TrackedTask, run_of
from tasks.domain.statuses import NodeStatus
from tasks.services.celery_canvases import note_broken
from tasks.services.celery_roots import end_unseen, note_sent
from tasks.services.celery_rows import Origin, root_id_of
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import process_heart, stop_heart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    args: Any
    kwargs: Any


@signals.before_task_publish.connect
def _note_leaving(
    sender: str | None = None, headers: dict[str, Any] | None = None, body: Any = None, **_signal: Any
) -> None:
    """Say in a tracked task's message what its sender knows of the tree; let go of the tree of a task that goes on."""
    task = current_app.tasks.get(sender or "")
    if headers is None or not isinstance(task, TrackedTask):
        return
    with harmless("The tree of task %s can't be told of its message.", headers.get("id")):
        run = _run_that_sends(headers)
        if run is not None:
            if not run.handed_on:
                retry_at = (moment(headers.get("eta")) or timezone.now()) if headers.get("retries") else None
                hand_on(run, waits_until=waits_until(task, headers), retry_at=retry_at)
            return
        given = headers.get(HEADER) or {}
        if given.get(MEMBER) or headers.get("retries"):
            return
        args, kwargs = (body[0], body[1]) if isinstance(body, tuple | list) else ((), {})
        origin = Origin.from_json(given)
        # What a chain or a chord sends comes from no body, but from the task before it.
        sent_by = headers.get("parent_id")
        parent_id = origin.parent_id or current_root_id() or (root_id_of(sent_by) if sent_by else None)
        title = origin.title or task.title_of(_Call(args=args, kwargs=kwargs))
        origin = Origin(title=title, owner=origin.owner, parent_id=parent_id, shared=origin.shared)
        headers[HEADER] = origin.to_json()


@signals.after_task_publish.connect
def _note_sent(sender: str | None = None, headers: dict[str, Any] | None = None, **_signal: Any) -> None:
    """Create the tree of a tracked task once it was sent, from wherever: also by name, by a chain, by a chord."""
    task = current_app.tasks.get(sender or "")
    if headers is None or not isinstance(task, TrackedTask):
        return
    with harmless("The tree of task %s can't be created.", headers.get("id")):
        if _run_that_sends(headers) is not None or headers.get("retries"):
            return
        given = headers.get(HEADER) or {}
        note_sent(
            task_id=headers["id"],
            name=task.name,
            origin=Origin.from_json(given),
            waits_until=waits_until(task, headers),
            is_member=bool(given.get(MEMBER)),
        )


@signals.task_postrun.connect
def _settle(sender: Any = None, state: str | None = None, retval: Any = None, **_signal: Any) -> None:
    """End a run as Celery has ended it; its result is stored by now."""
    run = run_of(sender)
    if run is None:
        _note_part(sender.request, state, retval)
        return
    sender.request.stepline_run = None
    process_heart().let_go(run)
    try:
        with harmless("The end of task %s can't be told.", run.root_id):
            tell(run, state, retval, throws=sender.throws)
    finally:
        process_flusher().forget(run.recorder)


@signals.task_failure.connect
def _note_failure(sender: Any = None, task_id: str = "", exception: Any = None, **_signal: Any) -> None:
    """End the tree of a task whose process is gone; what fails in its body is told when the run ends."""
    if isinstance(sender, TrackedTask) and run_of(sender) is None:
        _end_unseen(task_id, NodeStatus.FAILED, reason_of(exception, throws=sender.throws))


@signals.task_revoked.connect
def _note_revoked(
    sender: Any = None, request: Any = None, terminated: bool = False, expired: bool = False, **_signal: Any
) -> None:
    """End the tree of a task that was revoked before it began, or whose process was ended for it."""
    if not isinstance(sender, TrackedTask):
        _note_part(request, states.REVOKED, None)
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


def _run_that_sends(headers: dict[str, Any]) -> Run | None:
    """Return the run whose own task a message is for: it is tried again, or replaced."""
    sending = current_app.current_worker_task
    return run_of(sending) if sending is not None and sending.request.id == headers["id"] else None


def _note_part(request: Any, state: str | None, retval: Any) -> None:
    """Tell the canvas that a task without a tree is part of how that has ended."""
    given = header_of(request)
    if PART_OF not in given or state in (None, states.RETRY):
        return
    with harmless("The end of task %s can't be told.", request.id), _closing_what_it_opens():
        root_id = uuid.UUID(given[PART_OF])
        if state != states.SUCCESS:
            status = NodeStatus.FAILED if state in (states.FAILURE, "REJECTED") else NodeStatus.CANCELLED
            note_broken(root_id, part=root_id_of(request.id), status=status)
        elif given.get(LAST):
            end_unseen(task_id=request.id, status=NodeStatus.COMPLETED, result=result_of(retval))


def _end_unseen(task_id: str, status: NodeStatus, reason: str) -> None:
    with harmless("The end of task %s can't be told.", task_id), _closing_what_it_opens():
        end_unseen(task_id=task_id, status=status, reason=reason)


@contextmanager
def _closing_what_it_opens() -> Iterator[None]:
    # A worker's main process otherwise keeps no connection, and its children would inherit it.
    opened = connection.connection is None
    try:
        yield
    finally:
        if opened:
            connection.close()
