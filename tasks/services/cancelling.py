"""Cancelling a tree, whoever works on it: a job's worker, or the writer of a tree without a job."""

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.domain.statuses import JobStatus
from tasks.domain.updates import UpdateType, draft
from tasks.errors import IllegalTransition, StaleFence, TaskNotFound
from tasks.models import Job, TaskRoot
from tasks.services import jobs, sql
from tasks.services.access import Viewer, find_root, may_cancel
from tasks.services.log import append_updates


def request_cancel(*, root_id: uuid.UUID, viewer: Viewer, reason: str = "") -> JobStatus:
    """Ask for the end of a tree, and of what it has started that isn't detached; returns the status that clients see.

    A job that nobody holds ends at once; whoever works hears of it within a second, and stops where it next looks.
    Raises TaskNotFound where there is no such task, the viewer may not see it, or nobody works on it yet;
    IllegalTransition where it has ended, or the viewer may see it but not cancel it. Asking twice is asking once.
    """
    root = find_root(viewer, root_id)
    if getattr(root, "job", None) is not None:
        status = jobs.request_cancel(root_id=root_id, viewer=viewer, reason=reason)
    else:
        if not may_cancel(viewer, root):
            raise IllegalTransition(_("Only the owner of a task may cancel it."), task_id=str(root_id))
        status = cancel_tree(root_id=root_id)
    cancel_below(root_id=root_id, reason=reason or _("cancelled by its owner"))
    return status


def cancel_tree(*, root_id: uuid.UUID) -> JobStatus:
    """Ask the writer of a tree without a job to stop, on the system's own authority; see `request_cancel`."""
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
                columns={"cancel_requested_at": sql.time_value(timezone.now())},
            )
    return JobStatus.CANCEL_REQUESTED


def cancel_below(*, root_id: uuid.UUID, reason: str) -> int:
    """Ask for the end of everything that a tree has started and that isn't detached; return for how many roots.

    Each has a log and a writer of its own, so each is asked by itself, and one that has ended is passed over.
    """
    asked = 0
    above = {root_id}
    seen = {root_id}
    while above:
        children = TaskRoot.objects.filter(parent_id__in=above).values_list("pk", "closed")
        found = {pk: closed for pk, closed in children if pk not in seen}
        with_job = set(Job.objects.filter(pk__in=found).values_list("pk", flat=True))
        for pk in [pk for pk, closed in found.items() if not closed]:
            try:
                if pk in with_job:
                    jobs.cancel(root_id=pk, reason=reason)
                else:
                    cancel_tree(root_id=pk)
            except (IllegalTransition, StaleFence, TaskNotFound):
                continue  # It has ended meanwhile.
            asked += 1
        seen |= found.keys()
        above = set(found)
    return asked
