"""What an operator looks at: which status a task shows, the end of its log, what came before and after it."""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Length, Substr

from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.domain.updates import UpdateType
from tasks.models import TaskRoot, Update

__all__ = [
    "KINDS",
    "Kind",
    "LoggedUpdate",
    "ids_that_begin",
    "job_shows",
    "kind_is",
    "kind_of",
    "read_input",
    "read_log",
    "read_related",
    "read_repetitions",
    "root_shows",
]

#: What works on a tree: a worker on a job, code that called `start_task`, or a worker on a Celery task.
Kind = Literal["job", "code", "celery"]
KINDS: tuple[Kind, ...] = ("job", "code", "celery")

#: Of an update's text this much is read; longer ones are shown cut off.
_BODY_CHARS = 2_000
_ENVELOPE = re.compile(r'"(type|timestamp)":"([^"]*)"')
#: Digits from which on the beginning of an id is looked for: shorter ones would find half the table, or mean words.
_PREFIX_DIGITS = 8
_TERMINAL = [status.value for status in JOB_TERMINAL]
#: What a list of tasks doesn't show, and may be long.
_LONG = ("output", "result", "steps", "meta", "job__arguments", "job__saved", "job__error", "celery_task__plan")


def job_shows(status: str, *, prefix: str = "") -> Q:
    """Return the condition under which a job shows `status`; `prefix` leads to it from other rows."""
    asked = Q(**{f"{prefix}cancel_requested_at__isnull": False})
    ended = Q(**{f"{prefix}status__in": _TERMINAL})
    if status == JobStatus.CANCEL_REQUESTED:
        return asked & ~ended
    stored = Q(**{f"{prefix}status": status})
    return stored if status in _TERMINAL else stored & ~asked


def root_shows(status: str) -> Q:
    """Return the condition under which a root shows `status`, with a job or without."""
    asked = Q(closed=False) & (Q(cancel_requested_at__isnull=False) | Q(celery_task__cancel_requested_at__isnull=False))
    without = asked if status == JobStatus.CANCEL_REQUESTED else Q(status=status) & ~asked
    return (Q(job__isnull=True) & without) | (Q(job__isnull=False) & job_shows(status, prefix="job__"))


def kind_of(root: TaskRoot) -> Kind:
    """Return what works on a root that was read with its `job` and its `celery_task`."""
    if getattr(root, "job", None) is not None:
        return "job"
    return "code" if getattr(root, "celery_task", None) is None else "celery"


def kind_is(kind: Kind) -> Q:
    """Return the condition for the roots of a kind."""
    conditions = {
        "job": Q(job__isnull=False),
        "celery": Q(job__isnull=True, celery_task__isnull=False),
        "code": Q(job__isnull=True, celery_task__isnull=True),
    }
    return conditions[kind]


def ids_that_begin(text: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """Return the first and the last id that begins with `text`, with or without dashes; None where it begins none.

    As a range, which an index of ids answers, whatever the database stores them as.
    """
    digits = text.strip().replace("-", "").lower()
    if not _PREFIX_DIGITS <= len(digits) <= 32 or not re.fullmatch("[0-9a-f]+", digits):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedUpdate:
    """Hold what a table shows of one update; `text` is the rest of it as JSON, cut off where it is long."""

    seq: int
    attempt: int
    type: str
    timestamp: str = ""
    title: str = ""
    text: str = ""


def read_log(root_id: uuid.UUID, *, most: int) -> list[LoggedUpdate]:
    """Return the last `most` updates of a root, in order, in one query."""
    rows = Update.objects.filter(root_id=root_id).order_by("-seq")
    columns = rows.values_list("seq", "attempt", Substr("body", 1, _BODY_CHARS), Length("body"))
    found = [_logged(seq, attempt, body, is_whole=chars <= _BODY_CHARS) for seq, attempt, body, chars in columns[:most]]
    return found[::-1]


def read_input(root_id: uuid.UUID) -> JSON:
    """Return what a task began with, as its log tells it; None where that isn't kept, or there was none."""
    body = Update.objects.filter(root_id=root_id, seq=1).values_list("body", flat=True).first()
    told = json.loads(body) if body is not None else {}
    return told.get("input") if told.get("type") == UpdateType.TASK_START else None


def read_related(*, most: int, **lookup: object) -> list[TaskRoot]:
    """Return up to `most` roots, oldest first, as links to them need them; those of requests are nobody's business."""
    rows = TaskRoot.objects.filter(request_scoped=False, **lookup).select_related("job", "celery_task").defer(*_LONG)
    return list(rows.order_by("pk")[:most])


def read_repetitions(root_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Return by which root each of the given ones was repeated; those that weren't are absent."""
    rows: QuerySet[Model, tuple[uuid.UUID, uuid.UUID]] = TaskRoot.objects.filter(
        previous_id__in=list(root_ids)
    ).values_list("previous_id", "pk")
    return dict(rows)


def _logged(seq: int, attempt: int, body: str, *, is_whole: bool) -> LoggedUpdate:
    if not is_whole:
        # The envelope comes first (tasks.domain.updates.encode).
        known = dict(_ENVELOPE.findall(body)[:2])
        return LoggedUpdate(
            seq=seq,
            attempt=attempt,
            type=known.get("type", ""),
            timestamp=known.get("timestamp", ""),
            text=f"{body}…",
        )
    told = json.loads(body)
    node = told.pop("node", None) or {}
    kind, timestamp = told.pop("type", ""), told.pop("timestamp", "")
    details = {key: value for key, value in told.items() if key not in {"v", "seq", "taskId", "attempt"}}
    return LoggedUpdate(
        seq=seq,
        attempt=attempt,
        type=kind,
        timestamp=timestamp,
        title=str(node.get("title", "")),
        text=json.dumps(details, ensure_ascii=False) if details else "",
    )
