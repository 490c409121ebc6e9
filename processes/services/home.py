"""What belongs to a visitor: what they may start, their work, its results, their drafts and instances.

Each list is read from the newest on, a page at a time, with one row more than is shown: that tells whether there is
another page, and nobody's ten thousand tasks are counted for it. The number of queries depends on no number of rows.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from django.db.models import Model, Q, QuerySet
from django.urls import Resolver404, resolve
from django.utils import timezone

from processes.models import DataNode, ProcessInstance, ProcessTemplate, StoredFile
from processes.services.access import Caller, User, executable_by, is_allowed_redirect, owned_by
from processes.services.drafts import Draft, describe_draft, drafts_of
from processes.services.indicators import REDIRECT
from tasks.domain.statuses import NodeStatus
from tasks.models import TaskRoot
from tasks.services.overview import read_percentages

__all__ = ["Listing", "Section", "Work", "list_drafts", "list_instances", "list_templates", "list_work"]

#: The longest search that is looked for.
QUERY_CHARS = 100
#: The farthest that can be leafed, in rows: each page reads those before it.
FARTHEST = 10_000

_ROOT_COLUMNS = (
    "title",
    "status",
    "current",
    "total",
    "message",
    "error",
    "meta",
    "steps",
    "closed",
    "created_at",
    "finished_at",
    "job__status",
    "job__cancel_requested_at",
)

Row = TypeVar("Row")
M = TypeVar("M", bound=Model)


class Section(StrEnum):
    """Name the lists of what is a visitor's own."""

    RUNNING = "running"
    FAILED = "failed"
    DRAFTS = "drafts"
    INSTANCES = "instances"
    FINISHED = "finished"


#: What has failed and was tried again is no longer for anybody to do.
_TO_LOOK_AT = Q(status=NodeStatus.FAILED.value, run__repetition__isnull=True)
_STATUSES = {
    Section.RUNNING: Q(closed=False),
    Section.FAILED: Q(closed=True) & _TO_LOOK_AT,
    Section.FINISHED: Q(closed=True) & ~_TO_LOOK_AT,
}


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """Hold one page of a list, and whether there is another."""

    rows: Sequence[Row]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Hold a task as a list shows it."""

    root: TaskRoot
    #: What its own page says: the job's status, where it has a job.
    status: str
    #: 0 to 100 in whole numbers, rounded down so that 100 means done; None where nothing is known.
    percent: int | None
    #: Where its result is shown, while that exists.
    result_url: str


def list_templates(user: User, *, query: str = "") -> QuerySet[ProcessTemplate]:
    """Return the templates that `user` may start, by title; those with every word of the query, where one is given."""
    found = executable_by(user).only("slug", "title", "description").order_by("title", "slug")
    for word in query.replace("\0", "")[:QUERY_CHARS].split():
        found = found.filter(Q(title__icontains=word) | Q(description__icontains=word))
    return found


def list_work(caller: Caller, section: Section, *, first: int, count: int) -> Listing[Work]:
    """Return `count` tasks of the caller's, from row `first` on: those running, failed or finished."""
    rows = (
        TaskRoot.objects.filter(_STATUSES[section], is_part=False, request_scoped=False)
        .select_related("job")
        .only(*_ROOT_COLUMNS)
    )
    found = _newest(rows, caller, first=first, count=count)
    shares = read_percentages(found.rows) if section is Section.RUNNING else {}
    results = _existing_results(found.rows, caller) if section is Section.FINISHED else {}
    work = [
        Work(
            root=root,
            status=_shown_status(root),
            percent=None if (share := shares.get(root.pk)) is None else int(share),
            result_url=results.get(root.pk, ""),
        )
        for root in found.rows
    ]
    return Listing(work, found.has_more)


def list_drafts(caller: Caller, *, user: User, first: int, count: int) -> Listing[Draft]:
    """Return `count` drafts of the caller's, from row `first` on: those of what `user` may still execute."""
    found = _page(drafts_of(caller, user=user), first=first, count=count)
    return Listing([describe_draft(node) for node in found.rows], found.has_more)


def list_instances(caller: Caller, *, first: int, count: int) -> Listing[ProcessInstance]:
    """Return `count` instances that the caller owns, from row `first` on."""
    if caller.user_id is None:
        return Listing((), has_more=False)
    mine = ProcessInstance.objects.filter(Q(owner_id=caller.user_id)).select_related("template")
    mine = mine.only("title", "status", "created_at", "updated_at", "template__slug", "template__title")
    return _page(mine.order_by("-created_at"), first=first, count=count)


def _page(rows: QuerySet[M], *, first: int, count: int) -> Listing[M]:
    if first >= FARTHEST:
        return Listing((), has_more=False)
    found = list(rows[first : first + count + 1])
    return Listing(found[:count], len(found) > count and first + count < FARTHEST)


def _newest(rows: QuerySet[TaskRoot], caller: Caller, *, first: int, count: int) -> Listing[TaskRoot]:
    """Return a page of the caller's tasks; a user's, and those that their session began, each by their own index."""
    parts = []
    if caller.user_id is not None:
        parts.append(rows.filter(owned_by(Caller(user_id=caller.user_id))).order_by("-created_at"))
    if caller.session_key:
        # That it isn't empty is said once more, since the index leaves those out.
        of_session = owned_by(Caller(session_key=caller.session_key)) & ~Q(session_key="")
        parts.append(rows.filter(of_session).order_by("-created_at"))
    if len(parts) < 2:
        return _page(parts[0], first=first, count=count) if parts else Listing((), has_more=False)
    upto = min(first + count + 1, FARTHEST)
    merged = sorted((root for part in parts for root in part[:upto]), key=lambda root: root.created_at, reverse=True)
    return Listing(merged[first : first + count], len(merged) > first + count and first + count < FARTHEST)


def _shown_status(root: TaskRoot) -> str:
    job = getattr(root, "job", None)
    return job.shown_status.value if job is not None else root.status


def _existing_results(roots: Iterable[TaskRoot], caller: Caller) -> dict[uuid.UUID, str]:
    """Return where the tasks lead, but for what has expired or was deleted: two queries at most."""
    targets = {root.pk: target for root in roots if (target := _target_of(root))}
    references: dict[uuid.UUID, str] = {}
    files: dict[uuid.UUID, uuid.UUID] = {}
    for pk, target in targets.items():
        url = urlsplit(target)
        try:
            match = resolve(url.path)
        except Resolver404:
            # Another application behind the same address may answer it.
            continue
        if match.app_name != "processes":
            continue
        if reference := parse_qs(url.query).get("data"):
            references[pk] = reference[-1].replace("\0", "")
        elif match.url_name == "file":
            files[pk] = match.kwargs["file_id"]
    alive = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    nodes = DataNode.objects.filter(owned_by(caller), alive, reference__in=list(references.values()))
    known = set(nodes.values_list("reference", flat=True)) if references else set()
    stored = StoredFile.objects.filter(owned_by(caller), pk__in=list(files.values()))
    present = set(stored.values_list("pk", flat=True)) if files else set()
    gone = {pk for pk, reference in references.items() if reference not in known}
    gone |= {pk for pk, file_id in files.items() if file_id not in present}
    return {pk: target for pk, target in targets.items() if pk not in gone}


def _target_of(root: TaskRoot) -> str:
    target = root.meta.get(REDIRECT) if isinstance(root.meta, dict) else None
    if not isinstance(target, str) or not target.startswith("/") or not is_allowed_redirect(target):
        return ""
    return target
