"""Why a task doesn't go on: the facts from the database, and what to tell those who wait."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now, Substr
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.domain.jsonvalue import JSON
from tasks.domain.retry import RetryPolicy
from tasks.domain.stalls import Facts, JobFacts, Stall, StallCode, Thresholds, find_stall
from tasks.domain.statuses import JOB_HELD, JobStatus
from tasks.models import TaskRoot, Update

__all__ = ["ToldStall", "read_stall", "thresholds"]

#: The envelope of an update comes before everything that may be long (tasks.domain.updates.encode).
_ENVELOPE_CHARS = 200
_TIMESTAMP = re.compile(r'"timestamp":"([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStall:
    """Hold what is told of a stall: a stable code, a sentence in the reader's language, and JSON facts."""

    code: str
    text: str
    facts: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """Return it as clients get it."""
        return {"code": self.code, "text": self.text, "facts": dict(self.facts)}


def read_stall(root_id: UUID) -> ToldStall | None:
    """Return what keeps a task from going on, in at most two queries; None where it goes on, or isn't there."""
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    root = (
        TaskRoot.objects.select_related("job", "celery_task")
        .annotate(read_at=now)
        .filter(pk=root_id, closed=False)
        .first()
    )
    if root is None:
        return None
    facts = _facts(root, read_at=root.read_at)
    stall = find_stall(facts, thresholds())
    return None if stall is None else _told(stall, now=facts.now)


def thresholds() -> Thresholds:
    """Return from when on something is taken for a stall, as the settings say."""
    default = Thresholds()
    return Thresholds(
        not_begun_seconds=_setting("STEPLINE_STALL_NOT_BEGUN_SECONDS", default.not_begun_seconds),
        no_worker_seconds=_setting("STEPLINE_STALL_NO_WORKER_SECONDS", default.no_worker_seconds),
        lease_grace_seconds=default.lease_grace_seconds,
        silent_seconds=_setting("STEPLINE_STALL_SILENT_SECONDS", default.silent_seconds),
        cancel_seconds=_setting("STEPLINE_STALL_CANCEL_SECONDS", default.cancel_seconds),
    )


def _setting(name: str, default: float) -> float:
    return float(getattr(settings, name, default))


def _facts(root: TaskRoot, *, read_at: datetime) -> Facts:
    row = getattr(root, "job", None)
    job = None
    if row is not None:
        job = JobFacts(
            status=JobStatus(row.status),
            due_at=row.due_at,
            queue=row.queue,
            hinted_at=row.hinted_at,
            lease_until=row.lease_until,
            cancel_requested_at=row.cancel_requested_at,
            attempt=row.attempt,
            blocked_by=row.blocked_by,
            attempts=RetryPolicy.from_json(row.retry).attempts,
        )
    # Somebody has promised a root with a lease to go on with it: an indicator, until its run begins. A tree that has
    # begun has its writer and gets no job; and Celery keeps its queue to itself, whatever the lease of a task's tree.
    is_celery = getattr(root, "celery_task", None) is not None
    awaits_job = job is None and root.lease_until is not None and root.started_at is None and not is_celery
    needs_news = awaits_job or (job is not None and job.status in JOB_HELD)
    told_at = _last_told(root.pk) if needs_news else None
    return Facts(now=read_at, closed=root.closed, awaits_job=awaits_job, job=job, told_at=told_at)


def _last_told(root_id: UUID) -> datetime | None:
    updates = Update.objects.filter(root_id=root_id).order_by("-seq")
    envelope = updates.values_list(Substr("body", 1, _ENVELOPE_CHARS), flat=True).first()
    found = _TIMESTAMP.search(envelope or "")
    return None if found is None else datetime.fromisoformat(found.group(1))


def _told(stall: Stall, *, now: datetime) -> ToldStall:
    lasting = stall.until - now if stall.until is not None else timedelta(seconds=stall.seconds)
    text = _sentence(stall.code) % {"time": _duration(int(lasting.total_seconds()))}
    return ToldStall(code=stall.code.value, text=text, facts=stall.facts())


def _sentence(code: StallCode) -> str:
    sentences = {
        StallCode.NOT_BEGUN: _("The work hasn't begun for %(time)s. If it doesn't begin soon, start it again."),
        StallCode.HELD_BACK: _(
            "Other work of its kind has come first for %(time)s. It begins by itself as soon as there is room for it."
        ),
        StallCode.NO_WORKER: _(
            "No worker has been free for %(time)s. The work begins by itself as soon as one is; you may leave this "
            "page and come back."
        ),
        StallCode.WORKER_LOST: _(
            "The worker was lost %(time)s ago. Another one takes over by itself; nothing that is done is lost."
        ),
        StallCode.SILENT: _("No news for %(time)s. The worker is there and goes on; some steps take their time."),
        StallCode.RETRY: _("The last attempt failed. The work is tried again by itself in %(time)s."),
        StallCode.CANCEL_PENDING: _(
            "The work was asked to stop %(time)s ago. It stops at the next point where it can."
        ),
    }
    return sentences[code]


def _duration(seconds: int) -> str:
    """Return a time span in its largest unit, in the reader's language."""
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", max(1, seconds)) % {"count": max(1, seconds)}
    if seconds < 7_200:
        return ngettext("%(count)d minute", "%(count)d minutes", seconds // 60) % {"count": seconds // 60}
    return ngettext("%(count)d hour", "%(count)d hours", seconds // 3_600) % {"count": seconds // 3_600}
