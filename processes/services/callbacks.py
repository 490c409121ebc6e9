"""Callbacks: what anchors issue, what later work reports to them, and who asks how they stand.

A report is one transaction: it moves the callback, stores the response, and leaves a message in the inbox of the run,
which leads on from the anchor as soon as it waits.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from processes.domain.callbacks import (
    DEFAULT_RETENTION,
    DEFAULT_TIMEOUT,
    REPORTS,
    CallbackStatus,
    Report,
    leads_on,
    refusal,
    takes_report,
    too_many,
)
from processes.domain.json_values import JSON, content_hash, json_problems
from processes.errors import NotJsonError
from processes.models import Callback, InboxItem
from processes.services import audit
from processes.services.access import Caller
from processes.services.callback_ends import (
    DIGEST,
    Standing,
    end,
    expire,
    is_overdue,
    lock_callback,
    standing_of,
    tell_run,
)
from processes.services.callback_files import brought, hashes_of, localised, owner_of_callback
from processes.services.callback_tokens import callback_of_token, no_callback
from processes.services.inbox import REPORT, count_reports
from tasks.errors import KeyReused

__all__ = [
    "MAX_DATA_DEPTH",
    "MAX_REPORTS",
    "callback_id",
    "create_callback",
    "query",
    "query_callback",
    "report",
    "report_callback",
]

#: How deep reported data may nest: it travels inside other JSON.
MAX_DATA_DEPTH: Final = 50
#: How many reports lead a run on from one anchor; each is a message, a checkpoint and a step, and they are all kept.
#: What ends the callback is always taken.
MAX_REPORTS: Final = 10_000
_ACTION_CHARS = 200


def callback_id(*, run_id: uuid.UUID, ordinal: int) -> uuid.UUID:
    """Return the id of the callback that a step issues: the same in every attempt."""
    return uuid.uuid5(run_id, f"callback {ordinal}")


def create_callback(
    *,
    run_id: uuid.UUID,
    ordinal: int,
    action: str,
    data: JSON = None,
    timeout: timedelta = DEFAULT_TIMEOUT,
    retention: timedelta = DEFAULT_RETENTION,
    stores_response: bool = False,
    routes: Collection[str] = (),
) -> Callback:
    """Return the callback that a step of a run issues; a step that runs again finds the one that it has issued.

    Raises NotJsonError for `data` that can't be stored.
    """
    _check(data)
    callback, _ = Callback.objects.get_or_create(
        pk=callback_id(run_id=run_id, ordinal=ordinal),
        defaults={
            "run_id": run_id,
            "action": action[:_ACTION_CHARS],
            "data": data,
            "stores_response": stores_response,
            "routes": sorted(routes),
            "retention": retention,
            "expires_at": timezone.now() + timeout,
        },
    )
    return callback


def report(token: str, action: str, data: JSON = None, *, key: str = "") -> Standing:
    """Report to the callback of a token, from any Django code: `report(token, "progress", {"percent": 30})`.

    Raises ValueError for an unknown action, and what `report_callback` does.
    """
    if action not in REPORTS:
        raise ValueError(f"{action!r} can't be reported: only {', '.join(REPORTS)}")
    callback = callback_of_token(token)
    return report_callback(callback, report=REPORTS[action], data=data, key=f"code:{callback}:{key}" if key else "")


def query(token: str) -> Standing:
    """Return how the callback of a token stands; raises CallbackNotFoundError."""
    return query_callback(callback_of_token(token))


def query_callback(callback: uuid.UUID) -> Standing:
    """Return how a callback stands; raises CallbackNotFoundError."""
    return standing_of(_find(callback))


def report_callback(
    callback: uuid.UUID,
    *,
    report: Report,
    data: JSON = None,
    files: Mapping[str, "UploadedFile[bytes]"] | None = None,
    reader: Caller | None = None,
    actor: audit.Actor | None = None,
    key: str = "",
    is_keyed_by_step: bool = False,
) -> Standing:
    """Take a report, and return how the callback stands then; without `data` what was stored stays.

    Its files are copied, as far as `reader` may read them: by default whoever the run works for. `files` are stored for
    the callback, and their infos become keys of `data`, which is an object then. A report under a `key` that was used
    is that one again; KeyReused is raised where it is another one, unless the key is that of a step, which reports once
    whatever it says when it runs again. One that ends the callback, or begins it, may come again with the same data;
    then it changes nothing. Raises CallbackNotFoundError, CallbackConflictError where it comes too late, NotJsonError
    for `data`, or names of `files`, that can't be stored, and what `brought` and `localised` raise.
    """
    # Its files' names become keys of the data: what can't be stored among them is refused before a file is.
    _check({**(data or {}), **dict.fromkeys(files)} if files else data)
    found = _find(callback)
    keyed = "" if not key or is_keyed_by_step else content_hash([report.state, data, hashes_of(files or {})])
    if _was_taken(found, key, keyed):
        return standing_of(found)
    if files and found.ended_at is None:
        given: dict[str, JSON] = data or {}
        data = {**given, **brought(files, callback=found)}
    response = data
    if found.ended_at is None and data is not None:
        response = localised(data, callback=found, reader=reader or owner_of_callback(found))
    digest = content_hash(data)
    with transaction.atomic():
        row = lock_callback(run_id=found.run_id, callback=callback)
        timed_out = is_overdue(row)
        if timed_out:
            expire(row)
        elif not _was_taken(row, key, keyed) and _moves(row, report, digest):
            row.reported = digest
            if row.stores_response and response is not None:
                row.response = response
            if report.is_last:
                end(row, report, actor=actor or audit.Actor(), data=response, key=key, digest=keyed)
            else:
                _go_on(row, report, data=response, key=key, digest=keyed)
    if timed_out:
        # Only now: that it has timed out stays.
        raise refusal(CallbackStatus.TIMEOUT, report)
    return standing_of(row)


def _check(data: JSON) -> None:
    if problems := json_problems(data, max_depth=MAX_DATA_DEPTH, limit=1):
        place = f"callbackData{problems[0].path}"
        raise NotJsonError(f"{place} can't be stored: {problems[0].message}", path=f"/{place}")


def _find(callback: uuid.UUID) -> Callback:
    found = Callback.objects.select_related("run").filter(pk=callback).first()
    if found is None:
        raise no_callback()
    return found


def _was_taken(row: Callback, key: str, digest: str) -> bool:
    """Tell whether a report was taken under its key before; raises KeyReused where that was another one."""
    rows = InboxItem.objects.filter(run_id=row.run_id, dedupe_key=key)
    payload = rows.values_list("payload", flat=True).first() if key else None
    if payload is None:
        return False
    # A step's has no digest, nor has what the release before has taken: there the key is all that is known.
    if digest and payload.get(DIGEST, digest) != digest:
        raise KeyReused("This key was used for another report: give each report a key of its own.")
    return True


def _moves(row: Callback, report: Report, digest: str) -> bool:
    """Tell whether a report moves a callback, or is the last one again; raises CallbackConflictError."""
    status = CallbackStatus(row.status)
    moves = takes_report(status, report)
    if not moves and row.reported != digest:
        raise refusal(status, report)
    return moves


def _go_on(row: Callback, report: Report, *, data: JSON, key: str, digest: str) -> None:
    """Store a report that doesn't end the callback; raises CallbackConflictError where it has taken too many."""
    if count_reports(row.run_id, callback=row.pk, most=MAX_REPORTS) >= MAX_REPORTS:
        raise too_many(CallbackStatus(row.status), report, most=MAX_REPORTS)
    row.status = report.status.value
    row.save(update_fields=["status", "reported", "response", "changed_at"])
    if leads_on(report, stores=row.stores_response, routes=row.routes):
        tell_run(row, report, data=data, key=key or f"callback:{row.pk}:{uuid.uuid4().hex}", digest=digest)
    elif key:
        # Nothing follows from it: it is noted, so that it is known when it comes again.
        payload = {"callback": str(row.pk), **({DIGEST: digest} if digest else {})}
        InboxItem.objects.create(
            run_id=row.run_id, kind=REPORT, dedupe_key=key, payload=payload, taken_at=timezone.now()
        )
