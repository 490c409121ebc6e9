"""What lists of tasks are fed from: summaries of many roots, a few queries for all of them."""

import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from tasks.domain.listing import WINDOW, ListFilter, ListScope, Summary, keep_newest
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.errors import NotAllowed
from tasks.models import TaskRoot
from tasks.services.access import Viewer, has_authorizer, is_kept_from
from tasks.services.overview import read_percentages
from tasks.services.reading import Head

__all__ = [
    "check_scope",
    "is_mine",
    "is_visible",
    "read_kept_from",
    "read_list",
    "read_new_heads",
    "read_summaries",
    "with_status",
]

_COLUMNS = (
    *("title", "status", "error", "current", "total", "message", "step_count", "steps", "last_seq", "closed"),
    *("owner_id", "session_key", "shared", "parent_id", "created_at", "started_at", "finished_at"),
    *("job__status", "job__cancel_requested_at", "job__function"),
    *("cancel_requested_at", "celery_task__cancel_requested_at"),
)
#: New roots that one look finds at most; more than any window holds.
_NEW_LIMIT = 1_000


def check_scope(viewer: Viewer, scope: ListScope) -> None:
    """Raise NotAllowed where `viewer` may not follow the tasks of `scope`."""
    if scope is ListScope.ALL and not viewer.sees_all:
        raise NotAllowed(_("Only staff with the permission to view tasks may follow those of everyone."))


def is_mine(viewer: Viewer, summary: Summary) -> bool:
    """Tell whether a task belongs to `viewer`: what `tasks.services.access.owns` says of its root."""
    if summary.owner_id is not None:
        return viewer.user_id == summary.owner_id
    return bool(summary.session_key) and viewer.session_key == summary.session_key


def is_visible(viewer: Viewer, scope: ListScope, summary: Summary) -> bool:
    """Tell whether a task is one of the scope, for a viewer who may follow it."""
    if scope is ListScope.MINE:
        return is_mine(viewer, summary)
    return summary.shared if scope is ListScope.SHARED else viewer.sees_all


def read_list(viewer: Viewer, scope: ListScope, wanted: ListFilter, *, count: int = WINDOW) -> list[Summary]:
    """Return the newest `count` tasks of a scope that pass the filter, newest first.

    Trees that belong to one request are in no list, nor are parts of others. Raises NotAllowed.
    """
    check_scope(viewer, scope)
    rows = _filtered(_listed(), wanted)
    parts: list[QuerySet[TaskRoot]] = []
    if scope is ListScope.SHARED:
        parts.append(rows.filter(shared=True))
    elif scope is ListScope.ALL:
        parts.append(rows)
    else:
        # A user's, and those that their session began: each has an index of its own.
        if viewer.user_id is not None:
            parts.append(rows.filter(Q(owner_id=viewer.user_id)))
        if viewer.session_key:
            parts.append(rows.filter(owner__isnull=True, session_key=viewer.session_key).exclude(session_key=""))
    found = [root for part in parts for root in part.order_by("-created_at")[:count]]
    if has_authorizer():
        found = [root for root in found if not is_kept_from(viewer, root)]
    return keep_newest(_summaries(found), count=count)


def read_summaries(root_ids: Iterable[uuid.UUID]) -> list[Summary]:
    """Return the summaries of the given roots; those that no list holds, or that are gone, are absent."""
    return _summaries(list(_listed().filter(pk__in=list(root_ids))))


def read_kept_from(
    asking: Iterable[tuple[Viewer, ListScope]], root_ids: Iterable[uuid.UUID]
) -> dict[tuple[Viewer, ListScope], frozenset[str]]:
    """Return the ids of those roots that a team's authorizer keeps from whoever would find them in a scope."""
    roots = list(_listed().filter(pk__in=list(root_ids)))
    return {
        (viewer, scope): frozenset(
            str(root.pk)
            for root in roots
            if is_visible(viewer, scope, _summary(root, None)) and is_kept_from(viewer, root)
        )
        for viewer, scope in asking
    }


def read_new_heads(*, since: datetime) -> Mapping[uuid.UUID, Head]:
    """Return the heads of the roots created since a moment."""
    rows = TaskRoot.objects.filter(created_at__gte=since, request_scoped=False, is_part=False).order_by("-created_at")
    heads = rows.values_list("pk", "last_seq", "closed")[:_NEW_LIMIT]
    return {pk: Head(last_seq=last_seq, closed=closed) for pk, last_seq, closed in heads}


def _listed() -> QuerySet[TaskRoot]:
    rows = TaskRoot.objects.filter(request_scoped=False, is_part=False)
    return rows.select_related("job", "celery_task").only(*_COLUMNS)


def _filtered(rows: QuerySet[TaskRoot], wanted: ListFilter) -> QuerySet[TaskRoot]:
    if wanted.statuses:
        rows = with_status(rows, wanted.statuses)
    if wanted.functions:
        rows = rows.filter(job__function__in=sorted(wanted.functions))
    if wanted.open_only:
        rows = rows.filter(closed=False)
    if wanted.text:
        rows = rows.filter(_titled(wanted.text))
    if wanted.since is not None:
        rows = rows.filter(Q(closed=False) | Q(finished_at__isnull=True) | Q(finished_at__gte=wanted.since))
    return rows


def _titled(text: str) -> Q:
    """Return the condition under which a title holds a text in upper or lower case, as a live list has it."""
    if connection.vendor == "sqlite":
        # Its LIKE knows the cases of ASCII only; its regular expressions are Python's, as those of live lists.
        return Q(title__iregex=re.escape(text))
    return Q(title__icontains=text)


def with_status(rows: QuerySet[TaskRoot], statuses: frozenset[str]) -> QuerySet[TaskRoot]:
    """Return the roots that show one of `statuses` to clients."""
    return rows.filter(_has_status(statuses))


def _has_status(statuses: frozenset[str]) -> Q:
    """Return the condition under which a task shows one of `statuses` (TaskRoot.shown_status)."""
    terminal = [status.value for status in JOB_TERMINAL]
    # Of a job, and of a tree without one: whose end is asked for shows that instead of what is stored.
    stopping = Q(job__cancel_requested_at__isnull=False) & ~Q(job__status__in=terminal)
    ending = Q(closed=False) & (
        Q(cancel_requested_at__isnull=False) | Q(celery_task__cancel_requested_at__isnull=False)
    )
    condition = Q(job__isnull=True, status__in=sorted(statuses)) & ~ending
    condition |= Q(job__isnull=False, job__status__in=sorted(statuses)) & ~stopping
    if JobStatus.CANCEL_REQUESTED in statuses:
        condition |= Q(job__isnull=False) & stopping | Q(job__isnull=True) & ending
    return condition


def _summaries(roots: list[TaskRoot]) -> list[Summary]:
    shares = read_percentages(roots)
    return [_summary(root, shares.get(root.pk)) for root in roots]


def _summary(root: TaskRoot, percent: float | None) -> Summary:
    job = getattr(root, "job", None)
    return Summary(
        task_id=str(root.pk),
        title=root.title,
        status=root.shown_status,
        seq=root.last_seq,
        closed=root.closed,
        created_at=root.created_at,
        started_at=root.started_at,
        finished_at=root.finished_at,
        current=root.current,
        total=root.total,
        percent=None if percent is None else round(percent, 1),
        message=root.message,
        error=root.error,
        function=job.function if job is not None else "",
        parent_id=str(root.parent_id) if root.parent_id else None,
        owner_id=root.owner_id,
        session_key=root.session_key,
        shared=root.shared,
    )
