"""Cancelling Celery tasks and canvases."""

import uuid

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.canvas import members
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import UpdateType, draft
from tasks.errors import IllegalTransition, StaleFence, TaskNotFound
from tasks.models import CeleryTask, TaskRoot
from tasks.services.celery_canvases import close_root, lock_canvas_of
from tasks.services.committing import after_commit
from tasks.services.log import append_updates


def cancel_celery_task(root_id: uuid.UUID, *, reason: str = "") -> JobStatus:
    """Cancel a Celery task or a whole canvas: what hasn't begun ends at once, what runs is asked to stop.

    Celery's workers are told to drop the message, which is a hint: whoever begins the task looks at its row. A running
    task whose class says so (`cancel_terminates`) has its process ended. The caller has asked who may do this.

    Raises TaskNotFound where the root is no Celery task's, IllegalTransition where it has ended. Twice is as once.
    """
    reason = reason or _("cancelled by its owner")
    row = CeleryTask.objects.filter(pk=root_id).select_related("root").first()
    if row is None:
        raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
    if row.root.closed:
        raise IllegalTransition(_("This task has ended already."), status=row.root.status)
    if row.plan is None:
        return _cancel_one(root_id, reason)
    parts = TaskRoot.objects.filter(parent=root_id, closed=False)
    if row.task_id is not None:
        # It has replaced itself; what it had sent before is no part of it.
        parts = parts.filter(pk__in=[uuid.UUID(part) for part in members(row.plan)])
        _cancel_one(root_id, reason)
    # One after the other, each in its own transaction: each has a head to lock, and ends what would have followed it.
    CeleryTask.objects.filter(pk=root_id).update(cancel_requested_at=timezone.now(), cancel_reason=reason)
    for child in list(parts.values_list("pk", flat=True)):
        try:
            _cancel_one(child, reason)
        except IllegalTransition:
            continue  # It ended meanwhile, or what came before it was cancelled.
    open_still = TaskRoot.objects.filter(pk=root_id, closed=False).exists()
    return JobStatus.CANCEL_REQUESTED if open_still else JobStatus.CANCELLED


def cancel_reason_of(root_id: uuid.UUID) -> str | None:
    """Return why the end of a task was asked for, None where it wasn't."""
    asked = CeleryTask.objects.filter(pk=root_id, cancel_requested_at__isnull=False)
    return asked.values_list("cancel_reason", flat=True).first()


def _cancel_one(root_id: uuid.UUID, reason: str) -> JobStatus:
    with transaction.atomic():
        lock_canvas_of(root_id)
        row = CeleryTask.objects.select_for_update(of=("self",)).select_related("root").get(pk=root_id)
        if row.root.closed:
            raise IllegalTransition(_("This task has ended already."), status=row.root.status)
        asked_before = row.cancel_requested_at is not None
        CeleryTask.objects.filter(pk=root_id, cancel_requested_at=None).update(
            cancel_requested_at=timezone.now(), cancel_reason=reason
        )
        if row.worker:
            status = JobStatus.CANCEL_REQUESTED
            if not asked_before:
                append_updates(root_id=root_id, drafts=[draft(UpdateType.TASK_STATUS, status=status.value)])
        else:
            status = JobStatus.CANCELLED
            try:
                close_root(root_id, NodeStatus.CANCELLED, reason)
            except StaleFence:
                raise IllegalTransition(_("This task has ended already."), task_id=str(root_id)) from None
        forced = bool(row.worker) and bool(getattr(current_app.tasks.get(row.name), "cancel_terminates", False))
        after_commit(_revoke, row.task_id or "", terminate=forced)
    return status


def _revoke(task_id: str, *, terminate: bool) -> None:
    current_app.control.revoke(task_id, terminate=terminate)
