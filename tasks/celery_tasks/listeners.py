"""What Celery tells of tracked tasks outside their bodies: sent, ended, revoked, lost with their process."""

from dataclasses import dataclass
from typing import Any

from celery import current_app, signals
from django.db import connection
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from tasks.celery_tasks.run import HEADER, current_root_id, hand_on, harmless, reason_of, tell
from tasks.celery_tasks.task import TrackedTask, run_of
from tasks.domain.statuses import NodeStatus
from tasks.services.celery_roots import (
    Origin,
    end_unseen,
    note_sent,
    root_id_of,
)
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.heartbeat import process_heart, stop_heart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    args: Any
    kwargs: Any


@signals.before_task_publish.connect
def _note_sent(
    sender: str | None = None, headers: dict[str, Any] | None = None, body: Any = None, **_signal: Any
) -> None:
    """Create the tree of a tracked task when it is sent, from wherever: also by name, by a chain, by a chord."""
    task = current_app.tasks.get(sender or "")
    if headers is None or not isinstance(task, TrackedTask):
        return
    with harmless("The tree of task %s can't be created.", headers.get("id")):
        eta = headers.get("eta")
        due_at = parse_datetime(eta) if eta else None
        sending = current_app.current_worker_task
        run = run_of(sending)
        if run is not None and sending is not None and sending.request.id == headers["id"]:
            hand_on(run, is_retry=bool(headers.get("retries")), due_at=due_at)
            return
        given = headers.get(HEADER) or {}
        if given.get("member") or headers.get("retries"):
            return
        args, kwargs = (body[0], body[1]) if isinstance(body, tuple | list) else ((), {})
        origin = Origin.from_json(given)
        # What a chain or a chord sends comes from no body, but from the task before it.
        sent_by = headers.get("parent_id")
        parent_id = origin.parent_id or current_root_id() or (root_id_of(sent_by) if sent_by else None)
        title = origin.title or task.title_of(_Call(args=args, kwargs=kwargs))
        origin = Origin(title=title, owner=origin.owner, parent_id=parent_id, shared=origin.shared)
        headers[HEADER] = origin.to_json()
        eta = headers.get("eta")
        note_sent(task_id=headers["id"], name=task.name, origin=origin, due_at=due_at)


@signals.task_postrun.connect
def _settle(sender: Any = None, state: str | None = None, retval: Any = None, **_signal: Any) -> None:
    """End a run as Celery has ended it; its result is stored by now."""
    run = run_of(sender)
    if run is None:
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
    with harmless("The end of task %s can't be told.", task_id):
        end_unseen(task_id=task_id, status=status, reason=reason)
    # A worker's main process otherwise keeps no connection, and its children would inherit it.
    if opened:
        connection.close()
