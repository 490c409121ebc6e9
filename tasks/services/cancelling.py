"""Cancelling work, whoever does it: a job's worker, the writer of a tree without a job, or Celery; and what it began.

Each kind has a way of its own. What it has started is cancelled after the commit, each root in a transaction of its
own: whoever cancels has the lock of one job and one log at a time.
"""

import logging
import uuid

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.bounds import ERROR_CHARS, shorten
from tasks.domain.statuses import JobStatus, NodeStatus
from tasks.domain.updates import UpdateType, draft
from tasks.errors import IllegalTransition, StaleFence, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.registry import jobs
from tasks.services import sql
from tasks.services.access import Viewer, find_root, may_cancel
from tasks.services.celery_cancelling import cancel_celery_task
from tasks.services.committing import after_commit
from tasks.services.jobs import cancel_job, undoes
from tasks.services.log import append_updates

logger = logging.getLogger(__name__)

#: Where it stands that the end of a root was asked for, whatever works on it.
_ASKED_AT = ("cancel_requested_at", "job__cancel_requested_at", "celery_task__cancel_requested_at")

__all__ = ["cancel", "cancel_below", "cancel_orphans", "request_cancel"]


def request_cancel(*, root_id: uuid.UUID, viewer: Viewer, reason: str = "") -> JobStatus:
    """Ask for the end of a tree, and of what it has started that isn't detached; returns the status that clients see.

    What nobody works on ends at once; whoever works hears of it within a second, and stops where it next looks. The
    reason is told as that of its end. Raises
    TaskNotFound where there is no such task, the viewer may not see it, or nobody is to work on it yet;
    IllegalTransition where it has ended, or the viewer may see it but not cancel it. Asking twice is asking once.
    """
    root = find_root(viewer, root_id)
    if not may_cancel(viewer, root):
        raise IllegalTransition(_("Only the owner of a task may cancel it."), task_id=str(root_id))
    job = getattr(root, "job", None)
    with transaction.atomic():
        status = cancel(root_id=root_id, reason=shorten(reason, ERROR_CHARS) or _("cancelled by its owner"))
        if job is not None and job.cancel_requested_at is None and job.function in jobs:
            note_cancel = jobs.get(job.function).note_cancel
            if note_cancel is not None:
                note_cancel(root_id, viewer)
    return status


def cancel(*, root_id: uuid.UUID, reason: str) -> JobStatus:
    """Cancel a tree, and what it has started, on the system's own authority; see `request_cancel`."""
    with transaction.atomic():
        status = _cancel_one(root_id, reason=reason)
        job = Job.objects.filter(pk=root_id).only("root_id", "function").first()
        if job is None or not undoes(job):
            after_commit(cancel_below, root_id=root_id)
    return status


def cancel_below(*, root_id: uuid.UUID, most: int | None = None) -> int:
    """Ask for the end of everything that a tree has started and that isn't detached; return for how many roots.

    With `most`, for so many at once, and of those only that weren't asked yet.
    """
    reason = _("cancelled with the work that started it")
    asked = 0
    above = seen = {root_id}
    while above:
        children = TaskRoot.objects.filter(parent_id__in=above).order_by("pk").values_list("pk", "closed", *_ASKED_AT)
        found = {
            pk: closed or (most is not None and any(asked_at)) for pk, closed, *asked_at in children if pk not in seen
        }
        for pk in [pk for pk, is_done in found.items() if not is_done]:
            if asked == most:
                return asked
            try:
                _cancel_one(pk, reason=reason)
            except (IllegalTransition, StaleFence, TaskNotFound):
                continue  # It has ended meanwhile.
            except Exception:
                # The others are cancelled all the same, and this one is tried again by the dispatcher.
                logger.exception("Task %s could not be cancelled with %s.", pk, root_id)
                continue
            asked += 1
        seen = seen | found.keys()
        above = set(found)
    return asked


def cancel_orphans(*, limit: int = 100) -> int:
    """Cancel up to `limit` that were started by work that is cancelled, where that was missed; return how many.

    So many and no more: those who lost their worker mustn't wait until all that somebody started is dealt with.
    """
    above = Q(parent__status=NodeStatus.CANCELLED.value)
    above |= Q(parent__cancel_requested_at__isnull=False) | Q(parent__job__cancel_requested_at__isnull=False)
    unasked = Q(**{f"{column}__isnull": True for column in _ASKED_AT})
    # A root that nobody works on yet can't be asked.
    somebody_s = Q(job__isnull=False) | Q(celery_task__isnull=False) | Q(started_at__isnull=False)
    rows = TaskRoot.objects.filter(above, unasked, somebody_s, parent__isnull=False, closed=False)
    parents = list(rows.order_by().values_list("parent_id", flat=True).distinct()[:limit])
    asked = 0
    for parent in parents:
        asked += cancel_below(root_id=parent, most=limit - asked)
    return asked


def _cancel_one(root_id: uuid.UUID, *, reason: str) -> JobStatus:
    root = (
        TaskRoot.objects.select_related("job", "celery_task")
        .only("pk", "job", "celery_task")
        .filter(pk=root_id)
        .first()
    )
    if root is not None and hasattr(root, "job"):
        return cancel_job(root_id=root_id, reason=reason)
    if root is not None and hasattr(root, "celery_task"):
        return cancel_celery_task(root_id, reason=reason)
    return _cancel_tree(root_id, reason=reason)


def _cancel_tree(root_id: uuid.UUID, *, reason: str) -> JobStatus:
    """Ask the writer of a tree without a job to stop."""
    with transaction.atomic():
        root = TaskRoot.objects.select_for_update(no_key=True).filter(pk=root_id, started_at__isnull=False).first()
        if root is None:
            raise TaskNotFound(_("There is no such task, or you may not see it."), task_id=str(root_id))
        if root.closed:
            raise IllegalTransition(_("This task has ended already."), status=root.status)
        if root.cancel_requested_at is None:
            append_updates(
                root_id=root_id,
                drafts=[draft(UpdateType.TASK_STATUS, status=JobStatus.CANCEL_REQUESTED.value)],
                columns={"cancel_requested_at": sql.time_value(timezone.now()), "cancel_reason": reason},
            )
    return JobStatus.CANCEL_REQUESTED
