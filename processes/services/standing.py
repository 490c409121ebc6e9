"""Why a run doesn't move: the facts from the database, and what people are told of them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.domain.entering import FORM
from processes.domain.json_values import JSON
from processes.domain.run_status import RUN_TERMINAL, RunStatus
from processes.domain.standstill import QUEUED, RETRY, JobStand, Reason, find_reason
from processes.models import Run
from processes.services.checkpoints import newest_checkpoint
from processes.services.inbox import GO_ON, PAUSE
from processes.services.indicators import spoken
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_HELD, JobStatus
from tasks.models import Job
from tasks.services import sql
from tasks.services.stalls import ToldStall, read_stall

__all__ = ["ToldReason", "why_told_to_followers", "why_waiting"]

#: Of so many jobs that are due before a run it is counted how many they are.
_MOST_AHEAD = 1_000
_MOST_HOLDERS = 20
#: The facts from which those who follow a run are told sentences.
_FOR_ALL = ("until", "actions", "title", "total", "ahead")


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
    stall = read_stall(run.pk)
    reason = _find(run, stall)
    return None if reason is None else ToldReason(code=reason.code, text=_text(reason, stall), facts=reason.facts)


def why_told_to_followers(run_id: uuid.UUID) -> ToldReason | None:
    """Return why a run whose task doesn't stall doesn't move, for all who may follow it; None as `why_waiting`.

    Not everybody who sees a task may know who has paused it, by which key it is held back, or what its facts are.
    """
    run = Run.objects.filter(pk=run_id).first()
    reason = None if run is None else _find(run, None)
    if reason is None:
        return None
    told = Reason(code=reason.code, facts={name: reason.facts[name] for name in _FOR_ALL if name in reason.facts})
    return ToldReason(code=told.code, text=_text(told, None), facts={})


def _find(run: Run, stall: ToldStall | None) -> Reason | None:
    if RunStatus(run.status) in RUN_TERMINAL:
        return None
    now = ExpressionWrapper(Now(), output_field=DateTimeField())
    job = Job.objects.annotate(read_at=now).filter(pk=run.pk).first()
    if job is None:
        return None
    return find_reason(
        job=_stand(job, now=job.read_at),
        waiting_for=run.waiting_for,
        action=_action(run),
        pausing=_pausing(run),
        stall=None if stall is None else Reason(code=stall.code, facts=stall.facts),
    )


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
    if stall is not None and stall.code == reason.code:
        return stall.text
    facts = reason.facts
    until = "" if facts.get("until") is None else _moment(str(facts["until"]))
    if reason.code == FORM:
        named = str(facts.get("title", ""))
        if not until:
            return _("It waits for an answer to “%(form)s”.") % {"form": named}
        return _("It waits for an answer to “%(form)s”, until %(until)s.") % {"form": named, "until": until}
    texts = {
        "timer": _("It waits until %(until)s."),
        "due": _("It begins at %(until)s."),
        RETRY: _("The last attempt failed. It is tried again at %(until)s."),
    }
    if reason.code in texts and until:
        return texts[reason.code] % {"until": until}
    text = _awaited(reason.code, facts)
    return " ".join([text, _("It waits no longer than until %(until)s.") % {"until": until}]) if until else text


def _awaited(code: str, facts: Mapping[str, JSON]) -> str:
    """Return what holds a run up whose end isn't a matter of time."""
    if code == QUEUED:
        ahead = _count(facts, "ahead")
        text = ngettext("%(count)d job is due before it.", "%(count)d jobs are due before it.", ahead)
        return text % {"count": ahead} if ahead else _("It is due, and a worker is about to take it.")
    if code == "children":
        parts = _count(facts, "total")
        if not parts:
            return _("It waits for parts that are worked on separately.")
        text = ngettext(
            "It waits for %(count)s part that is worked on separately.",
            "It waits for %(count)s parts that are worked on separately.",
            parts,
        )
        return text % {"count": number_format(parts, force_grouping=True)}
    named = facts.get("actions")
    if code == "callback" and isinstance(named, list) and named:
        steps = ", ".join(f"“{spoken(str(name))}”" for name in named)
        return _("It waits for reports to %(steps)s.") % {"steps": steps}
    if "by" in facts and code in ("paused", "pausing"):
        text = {
            "paused": _("%(by)s has paused it."),
            "pausing": _("%(by)s has asked it to pause: it stands still after the present step."),
        }[code]
        return text % {"by": facts["by"]}
    if code == "key" and "key" in facts:
        return _("Others with the same key are at work: %(key)s.") % {"key": facts["key"]}
    texts = {
        "await": _("It waits for the end of a callback."),
        "callback": _("It waits for reports from outside."),
        "paused": _("It is paused."),
        "pausing": _("It was asked to pause: it stands still after the present step."),
        "key": _("Other work that must not go on at the same time comes first."),
        "rate": _("Work of its kind may not begin more often."),
    }
    return texts.get(code) or _("It waits for something outside: %(code)s.") % {"code": code}


def _count(facts: Mapping[str, JSON], name: str) -> int:
    value = facts.get(name)
    return value if isinstance(value, int) else 0


def _moment(text: str) -> str:
    """Return a moment as the last words of a sentence, whose full stop may be that of “p.m.” already."""
    return date_format(timezone.localtime(datetime.fromisoformat(text)), "DATETIME_FORMAT").removesuffix(".")
