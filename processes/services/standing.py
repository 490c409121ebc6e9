"""Why a run doesn't move: the facts from the database, and what people are told of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.domain.entering import FORM
from processes.domain.json_values import JSON
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.domain.standstill import JobStand, Reason, find_reason
from processes.models import Run
from processes.services.checkpoints import newest_checkpoint
from processes.services.inbox import GO_ON, PAUSE
from processes.services.indicators import spoken
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_HELD, JobStatus
from tasks.models import Job
from tasks.services import sql
from tasks.services.stalls import ToldStall, read_stall

__all__ = ["ToldReason", "why_waiting"]

#: Of so many jobs that are due before a run it is counted how many they are.
_MOST_AHEAD = 1_000
_MOST_HOLDERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldReason:
    """Hold why a run doesn't move: a stable code, a sentence in the reader's language, and JSON facts."""

    code: str
    text: str
    facts: Mapping[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """Return it as clients get it."""
        return {"code": self.code, "text": self.text, "facts": dict(self.facts)}


def why_waiting(run: Run) -> ToldReason | None:
    """Return why a run doesn't move; None for one that moves, or has ended."""
    if RunStatus(run.status) in RUN_TERMINAL:
        return None
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    job = Job.objects.annotate(read_at=now).filter(pk=run.pk).first()
    if job is None:
        return None
    stall = read_stall(run.pk)
    reason = find_reason(
        job=_stand(job, now=job.read_at),
        waiting_for=run.waiting_for,
        action=_action(run),
        pausing=_pausing(run),
        stall=None if stall is None else Reason(code=stall.code, facts=stall.facts),
    )
    return None if reason is None else ToldReason(code=reason.code, text=_text(reason, stall), facts=reason.facts)


def _stand(job: Job, *, now: datetime) -> JobStand:
    is_due = job.due_at <= now and JobStatus(job.status) in JOB_CLAIMABLE
    ahead, held_by = 0, []
    if is_due and not job.blocked_by:
        first = Q(priority__gt=job.priority) | Q(priority=job.priority, due_at__lt=job.due_at)
        rows = Job.objects.filter(first, sql.job_claimable(), queue=job.queue, blocked_by="", due_at__lte=now)
        ahead = rows.order_by()[:_MOST_AHEAD].count()
    elif job.blocked_by.startswith("key:"):
        holders = Job.objects.filter(sql.job_status_in(JOB_HELD), concurrency_key=job.concurrency_key)
        held_by = [str(pk) for pk in holders.order_by("pk").values_list("pk", flat=True)[:_MOST_HOLDERS]]
    return JobStand(
        now=now,
        status=JobStatus(job.status),
        due_at=job.due_at,
        queue=job.queue,
        blocked_by=job.blocked_by,
        attempt=job.attempt,
        attempts=RetryPolicy.from_json(job.retry).attempts,
        ahead=ahead,
        held_by=held_by,
    )


def _action(run: Run) -> str | None:
    """Return the action that a run is at, as its newest checkpoint says."""
    stands = newest_checkpoint(run.pk)
    frames = [] if stands is None else stands.cursor.get("frames", [])
    action: str | None = frames[-1].get("action") if frames else None
    return action


def _pausing(run: Run) -> dict[str, JSON] | None:
    said = run.inbox.filter(taken_at__isnull=True, kind__in=(PAUSE, GO_ON)).order_by("-id").first()
    if said is None or said.kind != PAUSE:
        return None
    return {"by": said.payload["by"]["name"], "since": said.payload["since"]}


def _text(reason: Reason, stall: ToldStall | None) -> str:
    facts = reason.facts
    until = facts.get("until")
    if stall is not None and stall.code == reason.code:
        return stall.text
    if reason.code == "queued":
        ahead = int(facts["ahead"])
        text = ngettext("%(count)d job is due before it.", "%(count)d jobs are due before it.", ahead)
        return text % {"count": ahead} if ahead else _("It is due, and a worker is about to take it.")
    if reason.code == "callback":
        named = ", ".join(f"“{spoken(str(name))}”" for name in facts.get("actions", ()))
        return _("It waits for reports to %(steps)s.") % {"steps": named}
    if reason.code == FORM:
        named = str(facts.get("title", ""))
        if until is None:
            return _("It waits for an answer to “%(form)s”.") % {"form": named}
        return _("It waits for an answer to “%(form)s”, until %(until)s.") % {
            "form": named,
            "until": _moment(str(until)),
        }
    texts = {
        "paused": _("%(by)s has paused it."),
        "pausing": _("%(by)s has asked it to pause: it stands still after the present step."),
        "timer": _("It waits until %(until)s."),
        "due": _("It begins at %(until)s."),
        "retry": _("The last attempt failed. It is tried again at %(until)s."),
        "key": _("Others with the same key are at work: %(key)s."),
        "rate": _("Work of its kind may not begin more often."),
    }
    text = texts.get(reason.code, _("It waits for something outside: %(code)s."))
    return text % {
        "by": facts.get("by", ""),
        "key": facts.get("key", ""),
        "code": reason.code,
        "until": "" if until is None else _moment(str(until)),
    }


def _moment(text: str) -> str:
    """Return a moment as the last words of a sentence, whose full stop may be that of “p.m.” already."""
    return date_format(timezone.localtime(datetime.fromisoformat(text)), "DATETIME_FORMAT").removesuffix(".")
