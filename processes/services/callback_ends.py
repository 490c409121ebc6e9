"""How callbacks end, by a report, by the clock or with their process; and who waits for that.

What ends a callback holds its run's job, its run and the callback, locked in that order; behind them come the job and
the run of each that waits for the end, which is resumed in the same transaction.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from processes.domain.application import CALLBACK_DATA
from processes.domain.callbacks import ENDED, STATES, CallbackStatus, Report, merged_data
from processes.domain.json_values import JSON
from processes.domain.run_status import RUN_TERMINAL
from processes.models import Callback, CallbackWaiter
from processes.services import audit
from processes.services.callback_tokens import no_callback
from processes.services.inbox import REPORT, append_message, lock_run, resume_run

__all__ = [
    "CALLBACK_STATUS",
    "DIGEST",
    "Standing",
    "await_callback",
    "end",
    "end_callbacks",
    "expire",
    "expire_callbacks",
    "expire_overdue",
    "is_overdue",
    "lock_callback",
    "next_expiry",
    "standing_of",
    "tell_run",
]

#: The attribute that tells how a callback stands that was asked for, or waited for.
CALLBACK_STATUS = "callbackStatus"
#: Where the message of a report says which one its key was used for.
DIGEST = "digest"

_CANCEL, _TIMEOUT = STATES[CallbackStatus.CANCELLED], STATES[CallbackStatus.TIMEOUT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Say how a callback stands: its status, and the data of the anchor overridden by the stored response."""

    status: CallbackStatus
    data: JSON

    def to_json(self) -> dict[str, JSON]:
        """Return what a query answers."""
        return {CALLBACK_STATUS: self.status.value, CALLBACK_DATA: self.data}


def standing_of(row: Callback) -> Standing:
    """Return how a callback stands; one whose time is up has timed out, whoever has noticed."""
    status = CallbackStatus.TIMEOUT if is_overdue(row) else CallbackStatus(row.status)
    return Standing(status=status, data=merged_data(row.data, row.response))


def is_overdue(row: Callback) -> bool:
    """Tell whether a callback that hasn't ended should have."""
    return row.ended_at is None and row.expires_at <= timezone.now()


def lock_callback(*, run_id: uuid.UUID, callback: uuid.UUID) -> Callback:
    """Lock a callback behind its run, and return it; raises CallbackNotFoundError where it is gone meanwhile."""
    lock_run(run_id)
    rows = Callback.objects.select_for_update(of=("self",)).select_related("run")
    row = rows.filter(pk=callback).first()
    if row is None:
        raise no_callback()
    return row


def end(
    row: Callback,
    report: Report,
    *,
    actor: audit.Actor,
    data: JSON = None,
    key: str = "",
    digest: str = "",
    leads: bool = True,
) -> None:
    """End a locked callback, resume who waits for that and, unless its process is over (`leads`), tell its run."""
    assert report.status in ENDED
    now = timezone.now()
    row.status, row.ended_at, row.purge_at = report.status.value, now, now + row.retention
    row.save(update_fields=["status", "reported", "response", "ended_at", "purge_at", "changed_at"])
    audit.record(
        "callback.ended",
        actor=actor,
        subject=row,
        subject_name=row.action,
        details={"status": report.status.value, "run": str(row.run_id)},
    )
    if leads:
        tell_run(row, report, data=data, key=key or f"callback:{row.pk}:end", digest=digest)
    standing = standing_of(row).to_json()
    for waiter in CallbackWaiter.objects.filter(callback=row).order_by("run_id", "ordinal"):
        resume_run(
            run_id=waiter.run_id,
            ordinal=waiter.ordinal,
            state=report.state,
            alternatives=report.alternatives,
            value=standing,
            attributes=standing,
            dedupe_key=f"await:{row.pk}:{waiter.ordinal}",
        )
    CallbackWaiter.objects.filter(callback=row).delete()


def expire(row: Callback) -> None:
    """End a locked callback whose time is up."""
    end(row, _TIMEOUT, actor=audit.SYSTEM)


def tell_run(row: Callback, report: Report, *, data: JSON, key: str, digest: str = "") -> None:
    """Leave a message to the run of a locked callback, which is to lead on from the anchor, unless it is over.

    The `digest` of what was reported stays with its key, to know another report by that comes under it.
    """
    if row.run.status not in RUN_TERMINAL:
        _append(row.run_id, str(row.pk), report, stores=row.stores_response, data=data, key=key, digest=digest)


def await_callback(callback: uuid.UUID, *, run_id: uuid.UUID, ordinal: int) -> Standing | None:
    """Return how a callback has ended; None where it hasn't: then its end resumes the run that waits at this step.

    Raises CallbackNotFoundError.
    """
    with transaction.atomic():
        row = Callback.objects.select_for_update().filter(pk=callback).first()
        if row is None:
            raise no_callback()
        if row.ended_at is not None or is_overdue(row):
            return standing_of(row)
        CallbackWaiter.objects.get_or_create(callback=row, run_id=run_id, ordinal=ordinal)
    return None


def next_expiry(run_id: uuid.UUID, among: Collection[str]) -> datetime | None:
    """Return when the first of the callbacks ends by itself that lead a waiting run on; None without any."""
    if not among:
        return None
    if _unknown(run_id, among):
        return timezone.now()
    first: datetime | None = _open(run_id, among).aggregate(first=Min("expires_at"))["first"]
    return first


def expire_callbacks(run_id: uuid.UUID, among: Collection[str]) -> int:
    """End those of a run's callbacks whose time is up, and return how many messages the run has got by that.

    Callbacks that aren't the run's (those of an earlier execution, which have ended with it) count as cancelled.
    """
    if not among:
        return 0
    now = timezone.now()
    lost = _unknown(run_id, among)
    if not lost and not _open(run_id, among).filter(expires_at__lte=now).exists():
        return 0
    with transaction.atomic():
        lock_run(run_id)
        due = _open(run_id, among).filter(expires_at__lte=now).select_related("run")
        rows = list(due.order_by("pk").select_for_update(of=("self",)))
        for row in rows:
            expire(row)
        for callback in lost:
            _append(run_id, callback, _CANCEL, stores=False, data=None, key=f"callback:{callback}:lost")
    return len(rows) + len(lost)


def expire_overdue(*, limit: int = 500) -> int:
    """End callbacks whose time is up and whose run hasn't noticed, since it is busy; return how many."""
    overdue = Callback.objects.filter(ended_at=None, expires_at__lte=timezone.now())
    found = list(overdue.order_by("expires_at").values_list("run_id", "pk")[:limit])
    ended = 0
    for run_id, callback in found:
        with transaction.atomic():
            row = lock_callback(run_id=run_id, callback=callback)
            if is_overdue(row):
                expire(row)
                ended += 1
    return ended


def end_callbacks(run_id: uuid.UUID, among: Collection[str] | None = None) -> None:
    """End the open callbacks of a run, or those `among` them, whose process has ended before they did: cancelled.

    Call it in the transaction that ends the process, which has locked the run behind its job.
    """
    if among is not None and not among:
        return
    for row in _open(run_id, among).order_by("pk").select_for_update():
        end(row, _CANCEL, actor=audit.SYSTEM, leads=False)


def _open(run_id: uuid.UUID, among: Collection[str] | None) -> "QuerySet[Callback]":
    rows = Callback.objects.filter(run_id=run_id, ended_at=None)
    return rows if among is None else rows.filter(pk__in=among)


def _unknown(run_id: uuid.UUID, among: Collection[str]) -> list[str]:
    """Return the callbacks that aren't this run's, or of which nothing is left, in order."""
    known = {str(pk) for pk in Callback.objects.filter(run_id=run_id, pk__in=among).values_list("pk", flat=True)}
    return [callback for callback in among if callback not in known]


def _append(
    run_id: uuid.UUID, callback: str, report: Report, *, stores: bool, data: JSON, key: str, digest: str = ""
) -> None:
    payload: dict[str, JSON] = {
        "callback": callback,
        "state": report.state,
        "alternatives": list(report.alternatives),
        "last": report.is_last,
        "stores": stores,
        "data": data,
    }
    if digest:
        payload[DIGEST] = digest
    append_message(run_id=run_id, kind=REPORT, payload=payload, dedupe_key=key)
