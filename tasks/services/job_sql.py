# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""Fixed SQL for the three moments of a job that every job has: it is inserted, claimed, and settled.

The statements write transitions of `JOB_TRANSITIONS`; this module makes sure of them when it is imported.
"""

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_TRANSITIONS, JobStatus, check_transition
from tasks.models import Job, TaskRoot
from tasks.services import sql
from tasks.services.sql import Value

for _status in JOB_CLAIMABLE:
    check_transition(JOB_TRANSITIONS, current=_status, new=JobStatus.CLAIMED)
check_transition(JOB_TRANSITIONS, current=JobStatus.CLAIMED, new=JobStatus.RUNNING)

_JOB = Job._meta.db_table
_ROOT = TaskRoot._meta.db_table
_CLAIMABLE = ", ".join(f"'{status.value}'" for status in sorted(JOB_CLAIMABLE))

_INSERTED = (
    "root_id", "function", "arguments", "queue", "priority", "status", "attempt", "retry", "saved", "losses", "fence",
    "worker", "created_at", "concurrency_key", "concurrency_limit", "blocked_by", "idempotency_key",
)  # fmt: skip


def insert_job(cursor: CursorWrapper, *, due_at: Value, **given: Value) -> None:
    """Insert a job that is pending; without `due_at` it is due at once, by the database's clock."""
    columns = {
        "status": JobStatus.PENDING.value, "attempt": 0, "losses": 0, "fence": 0, "worker": "", "concurrency_key": "",
        "concurrency_limit": 1, "blocked_by": "", **given,
    }  # fmt: skip
    values = [columns.get(name) for name in _INSERTED]
    cursor.execute(
        _insert_statement(connection.vendor, due_at is None), values if due_at is None else [*values, due_at]
    )


@lru_cache(maxsize=8)
def _insert_statement(_vendor: str, due_now: bool) -> str:
    due = sql.now() if due_now else "%s"
    places = ", ".join(["%s"] * len(_INSERTED))
    return f"INSERT INTO {_JOB} ({', '.join(_INSERTED)}, hinted_at, due_at) VALUES ({places}, {sql.now()}, {due})"


class ClaimedRow(NamedTuple):
    """Hold what the database says of a job that was just claimed."""

    root_id: uuid.UUID
    function: str
    arguments: JSON
    attempt: int
    losses: int
    retry: JSON
    fence: int
    cancel_requested: bool
    saved: JSON
    concurrency_key: str
    concurrency_limit: int


def claim_best(
    cursor: CursorWrapper, *, queue: str, functions: Sequence[str], worker: str, lease_seconds: float
) -> ClaimedRow | None:
    """Claim the best due job of `queue` among `functions`; None where there is none.

    Going on after a wait, a yield or a worker's death is no new attempt; the first claim and one after a failure are.
    """
    statement = _claim_statement(connection.vendor, len(functions))
    cursor.execute(statement, [worker, sql.seconds_value(lease_seconds), queue, *functions])
    row = cursor.fetchone()
    if row is None:
        return None
    root_id, function, arguments, attempt, losses, retry, fence, requested, saved, key, limit = row
    return ClaimedRow(
        root_id=sql.read_uuid(root_id),
        function=function,
        arguments=sql.read_json(arguments),
        attempt=attempt,
        losses=losses,
        retry=sql.read_json(retry),
        fence=fence,
        cancel_requested=requested is not None,
        saved=sql.read_json(saved),
        concurrency_key=key,
        concurrency_limit=limit,
    )


@lru_cache(maxsize=32)
def _claim_statement(vendor: str, functions: int) -> str:
    # SQLite has one writer at a time, so nobody needs to be skipped.
    locked = "" if vendor == "sqlite" else " FOR UPDATE SKIP LOCKED"
    names = ", ".join(["%s"] * functions) or "NULL"
    return f"""
        UPDATE {_JOB} SET status = '{JobStatus.RUNNING.value}', worker = %s, fence = fence + 1,
            lease_until = {sql.later()}, claimed_at = {sql.now()}, started_at = COALESCE(started_at, {sql.now()}),
            attempt = attempt + CASE WHEN attempt = 0 OR status = '{JobStatus.RETRY.value}' THEN 1 ELSE 0 END
        WHERE root_id = (
            SELECT root_id FROM {_JOB}
            WHERE status IN ({_CLAIMABLE}) AND blocked_by = '' AND queue = %s AND due_at <= {sql.due_until()}
                AND function IN ({names})
            ORDER BY priority DESC, due_at LIMIT 1{locked}
        )
        RETURNING root_id, function, arguments, attempt, losses, retry, fence, cancel_requested_at, saved,
            concurrency_key, concurrency_limit
    """


class ClaimedHead(NamedTuple):
    """Hold what the head of a log says when its job is claimed."""

    last_seq: int
    title: str
    owner_id: int | str | None
    session_key: str


def advance_claimed(cursor: CursorWrapper, *, root_id: uuid.UUID, count: int, fence: int) -> ClaimedHead | None:
    """Take `count` numbers of the log of a job that is being claimed, and raise the head's fence; None where closed."""
    cursor.execute(_claimed_head_statement(connection.vendor), [count, fence, sql.uuid_value(root_id)])
    row = cursor.fetchone()
    return None if row is None else ClaimedHead(*row)


@lru_cache(maxsize=2)
def _claimed_head_statement(_vendor: str) -> str:
    return f"""
        UPDATE {_ROOT} SET last_seq = last_seq + %s, fence = %s, status = 'running',
            started_at = COALESCE(started_at, {sql.now()})
        WHERE id = %s AND NOT closed RETURNING last_seq, title, owner_id, session_key
    """


def prolong(cursor: CursorWrapper, *, root_id: uuid.UUID, fence: int, lease_seconds: float) -> bool | None:
    """Prolong a claim; return whether the job is to be cancelled, None where the claim holds no more."""
    cursor.execute(_prolong_statement(connection.vendor), [sql.seconds_value(lease_seconds), *_held(root_id, fence)])
    row = cursor.fetchone()
    return None if row is None else row[0] is not None


def save_state(cursor: CursorWrapper, *, root_id: uuid.UUID, fence: int, state: str) -> bool:
    """Store what a job saves for its next attempt, and tell whether the claim still held."""
    cursor.execute(f"UPDATE {_JOB} SET saved = %s WHERE {_HELD}", [state, *_held(root_id, fence)])
    return bool(cursor.rowcount)


def settle_held(cursor: CursorWrapper, *, root_id: uuid.UUID, fence: int, status: JobStatus, error: str | None) -> bool:
    """End a job that this claim holds, and tell whether it still held it. This locks the job."""
    check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
    cursor.execute(_settle_statement(connection.vendor), [status.value, error, *_held(root_id, fence)])
    return bool(cursor.rowcount)


_HELD = f"root_id = %s AND fence = %s AND status = '{JobStatus.RUNNING.value}'"


def _held(root_id: uuid.UUID, fence: int) -> tuple[Value, Value]:
    return sql.uuid_value(root_id), fence


@lru_cache(maxsize=2)
def _prolong_statement(_vendor: str) -> str:
    return f"UPDATE {_JOB} SET lease_until = {sql.later()} WHERE {_HELD} RETURNING cancel_requested_at"


@lru_cache(maxsize=2)
def _settle_statement(_vendor: str) -> str:
    return (
        f"UPDATE {_JOB} SET status = %s, error = %s, lease_until = NULL, worker = '', finished_at = {sql.now()}"
        f" WHERE {_HELD}"
    )
