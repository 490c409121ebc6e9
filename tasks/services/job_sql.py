# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""Fixed SQL for the three moments of a job that every job has: it is inserted, claimed, and settled.

The statements write transitions of `JOB_TRANSITIONS`; this module makes sure of them when it is imported.
"""

import uuid
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict, Unpack

from django.db import connection

from tasks.domain.along import Along, Shape
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import JOB_CLAIMABLE, JOB_TRANSITIONS, JobStatus, check_transition
from tasks.domain.updates import Unnumbered
from tasks.errors import StaleFence
from tasks.models import Job, TaskRoot
from tasks.services import along_sql, log_sql, sql
from tasks.services.cursors import Cursor
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


def insert(
    cursor: Cursor,
    *,
    root: Sequence[Value] | None,
    updates: Sequence[Unnumbered],
    root_id: uuid.UUID,
    due_at: Value,
    along: Sequence[Along] = (),
    **given: Value,
) -> None:
    """Insert a job that is pending, with what is stored `along`, and root and first updates unless `root` is None.

    Without `due_at` it is due at once, by the database's clock. On PostgreSQL it is one statement; elsewhere the caller
    has a transaction open.
    """
    columns = {
        "status": JobStatus.PENDING.value, "attempt": 0, "losses": 0, "fence": 0, "worker": "", "concurrency_key": "",
        "concurrency_limit": 1, "blocked_by": "", "root_id": sql.uuid_value(root_id), **given,
    }  # fmt: skip
    values = [columns.get(name) for name in _INSERTED]
    if due_at is not None:
        values.append(due_at)
    statement = _insert_statement(connection.vendor, due_at is None)
    if connection.vendor == "postgresql" and (root is not None or along):
        told: list[Any] = []
        if root is not None:
            told += root
            for seq, update in enumerate(updates, start=1):
                told += (sql.uuid_value(root_id), seq, update.numbered(seq, str(root_id)))
        shapes = tuple(each.shape for each in along)
        whole = _whole_insert_statement(due_at is None, None if root is None else len(updates), shapes)
        cursor.execute(whole, [*told, *along_sql.values_of(along), *values])
        return
    if root is not None:
        cursor.execute(sql.ROOT_INSERT, root)
        log_sql.insert_updates(cursor, root_id=root_id, first=1, updates=updates, attempt=1)
    cursor.execute(statement, values)
    along_sql.write(cursor, along)


@lru_cache(maxsize=8)
def _insert_statement(_vendor: str, due_now: bool) -> str:
    due = sql.now() if due_now else "%s"
    places = ", ".join(["%s"] * len(_INSERTED))
    return f"INSERT INTO {_JOB} ({', '.join(_INSERTED)}, hinted_at, due_at) VALUES ({places}, {sql.now()}, {due})"


@lru_cache(maxsize=64)
def _whole_insert_statement(due_now: bool, updates: int | None, shapes: tuple[Shape, ...]) -> str:
    parts = list[str]()
    if updates is not None:
        values = ", ".join(["(%s, %s, 1, %s)"] * updates)
        parts.append(f"root AS ({sql.ROOT_INSERT})")
        parts.append(f"log AS (INSERT INTO {log_sql.UPDATE_TABLE} (root_id, seq, attempt, body) VALUES {values})")
    parts += [along_sql.part(number, shape) for number, shape in enumerate(shapes)]
    return f"WITH {', '.join(parts)} {_insert_statement(connection.vendor, due_now)}"


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
    queue: str


class Claimant(TypedDict):
    """Say who claims, for how long, and what is told of it."""

    worker: str
    lease_seconds: float
    #: Their last field is the attempt, from the second on; it is put in here.
    updates: Sequence[Unnumbered]


class Claimed(NamedTuple):
    """Hold a claimed job with the head of its log, whose last number is that of the updates which tell of the claim.

    Where a log is closed, which no job's should be, PostgreSQL claims the job all the same, and there is no head.
    """

    job: ClaimedRow
    last_seq: int | None
    title: str
    owner_id: int | str | None
    session_key: str


class Gated(NamedTuple):
    """Name a job that is the best, and that a key or a rate may hold back: it is claimed by its id, if at all."""

    root_id: uuid.UUID


def claim_best(
    cursor: Cursor, *, queue: str, functions: Sequence[str], gated: Collection[str], **claimant: Unpack[Claimant]
) -> Claimed | Gated | None:
    """Claim the best due job of `queue` among `functions`; None where there is none.

    It is only named where it has a concurrency key, or its function is among `gated`. On PostgreSQL this is one
    statement; elsewhere the caller has a transaction open.
    """
    if connection.vendor == "postgresql":
        statement = _claim_whole_statement(len(functions), len(gated))
        cursor.execute(statement, [queue, *functions, *gated, *_claim_values(claimant), *_told_values(claimant)])
        row = cursor.fetchone()
        if row is None:
            return None
        return Gated(row[0]) if row[1] is None else _claimed(row[1:])
    cursor.execute(_best_statement(connection.vendor, len(functions)), [queue, *functions])
    best = cursor.fetchone()
    if best is None:
        return None
    root_id, function, key = best
    if key or function in gated:
        return Gated(sql.read_uuid(root_id))
    return claim_one(cursor, root_id=sql.read_uuid(root_id), **claimant)


def claim_one(cursor: Cursor, *, root_id: uuid.UUID, **claimant: Unpack[Claimant]) -> Claimed | None:
    """Claim the job of that id, in the caller's transaction; None where it may not be claimed any more."""
    cursor.execute(_claim_one_statement(connection.vendor), [*_claim_values(claimant), sql.uuid_value(root_id)])
    row = cursor.fetchone()
    if row is None:
        return None
    job = _job_row(row)
    mark = job.attempt + job.losses
    updates = with_attempt(claimant["updates"], mark)
    parameters = [len(updates), job.fence, sql.uuid_value(root_id)]
    cursor.execute(_claimed_head_statement(connection.vendor), parameters)
    head = cursor.fetchone()
    if head is None:
        raise StaleFence("The log of this job is closed.", task_id=str(root_id))
    first = head[0] - len(updates) + 1
    log_sql.insert_updates(cursor, root_id=root_id, first=first, updates=updates, attempt=mark)
    return Claimed(job, *head)


def _claim_values(claimant: Claimant) -> list[Value]:
    return [claimant["worker"], sql.seconds_value(claimant["lease_seconds"])]


def _told_values(claimant: Claimant) -> list[Value]:
    values: list[Value] = []
    for index, update in enumerate(claimant["updates"]):
        values += (index, update.before_seq, update.before_task, update.after_task[:-1])
    return values


def with_attempt(updates: Sequence[Unnumbered], mark: int) -> list[Unnumbered]:
    """Return updates that tell which attempt it is, from the second on."""
    if mark <= 1:
        return list(updates)
    return [update._replace(after_task=f'{update.after_task[:-1]},"attempt":{mark}}}') for update in updates]


def _claimed(row: Sequence[Any]) -> Claimed:
    return Claimed(_job_row(row), *row[len(ClaimedRow._fields) :])


def _job_row(row: Sequence[Any]) -> ClaimedRow:
    root_id, function, arguments, attempt, losses, retry, fence, requested, saved, key, limit, queue = row[
        : len(ClaimedRow._fields)
    ]
    return ClaimedRow(
        root_id=sql.read_uuid(root_id),
        function=function,
        arguments=sql.read_json(arguments),
        attempt=attempt,
        losses=losses,
        retry=sql.read_json(retry),
        fence=fence,
        # Not decided in the statement: SQLite 3.40 takes IS NOT NULL for true behind RETURNING.
        cancel_requested=requested is not None,
        saved=sql.read_json(saved),
        concurrency_key=key,
        concurrency_limit=limit,
        queue=queue,
    )


_RETURNED = (
    f"{_JOB}.root_id, {_JOB}.function, arguments, attempt, losses, retry, {_JOB}.fence, cancel_requested_at, saved,"
    f" {_JOB}.concurrency_key, concurrency_limit, queue"
)
#: Going on after a wait, a yield or a worker's death is no new attempt; the first claim and one after a failure are.
_NEXT_ATTEMPT = f"attempt + CASE WHEN attempt = 0 OR status = '{JobStatus.RETRY.value}' THEN 1 ELSE 0 END"


def _best(functions: int) -> str:
    names = ", ".join(["%s"] * functions) or "NULL"
    # The order is that of a partial index with the same condition: the first row that is due is the one.
    return f"""
        SELECT root_id, function, concurrency_key FROM {_JOB}
        WHERE status IN ({_CLAIMABLE}) AND blocked_by = '' AND queue = %s AND due_at <= {sql.due_until()}
            AND function IN ({names})
        ORDER BY priority DESC, due_at LIMIT 1
    """


@lru_cache(maxsize=32)
def _best_statement(_vendor: str, functions: int) -> str:
    return _best(functions)


def _claim_changes() -> str:
    return f"""
        UPDATE {_JOB} SET status = '{JobStatus.RUNNING.value}', worker = %s, fence = {_JOB}.fence + 1,
            lease_until = {sql.later()}, claimed_at = {sql.now()},
            started_at = COALESCE({_JOB}.started_at, {sql.now()}), attempt = {_NEXT_ATTEMPT}
    """


def _head_changes() -> str:
    return f"status = 'running', started_at = COALESCE({_ROOT}.started_at, {sql.now()})"


@lru_cache(maxsize=2)
def _claim_one_statement(_vendor: str) -> str:
    return f"""
        {_claim_changes()} WHERE root_id = %s AND status IN ({_CLAIMABLE}) AND blocked_by = ''
            AND due_at <= {sql.due_until()} RETURNING {_RETURNED}
    """


@lru_cache(maxsize=2)
def _claimed_head_statement(_vendor: str) -> str:
    return f"""
        UPDATE {_ROOT} SET last_seq = last_seq + %s, fence = %s, {_head_changes()}
        WHERE id = %s AND NOT closed RETURNING last_seq, title, owner_id, session_key
    """


@lru_cache(maxsize=32)
def _claim_whole_statement(functions: int, gated: int) -> str:
    """Return PostgreSQL's statement: it locks the best job that nobody has locked, then its head, and tells of it."""
    ungated = f" AND function NOT IN ({', '.join(['%s'] * gated)})" if gated else ""
    told = ", ".join(["(%s::int, %s::text, %s::text, %s::text)"] * TOLD)
    return f"""
        WITH best AS ({_best(functions)} FOR UPDATE SKIP LOCKED),
        free AS (SELECT root_id FROM best WHERE concurrency_key = ''{ungated}),
        job AS ({_claim_changes()} FROM free WHERE {_JOB}.root_id = free.root_id RETURNING {_RETURNED}),
        head AS (
            UPDATE {_ROOT} SET last_seq = last_seq + {TOLD}, fence = job.fence, {_head_changes()}
            FROM job WHERE {_ROOT}.id = job.root_id AND NOT closed
            RETURNING {_ROOT}.id, last_seq, title, owner_id, session_key
        ),
        log AS (
            INSERT INTO {log_sql.UPDATE_TABLE} (root_id, seq, attempt, body)
            SELECT id, seq, mark, before_seq || seq || before_task || id || after_task
                || CASE WHEN mark > 1 THEN ',"attempt":' || mark ELSE '' END || '}}'
            FROM (
                SELECT head.id, head.last_seq - {TOLD - 1} + number AS seq, job.attempt + job.losses AS mark,
                    before_seq, before_task, after_task
                FROM head, job, (VALUES {told}) AS told (number, before_seq, before_task, after_task)
            ) AS numbered
        )
        SELECT best.root_id, job.*, head.last_seq, head.title, head.owner_id, head.session_key
        FROM best LEFT JOIN job ON true LEFT JOIN head ON true
    """


#: Updates that tell of a claim.
TOLD = 2


def prolong(cursor: Cursor, *, root_id: uuid.UUID, fence: int, lease_seconds: float) -> bool | None:
    """Prolong a claim; return whether the job is to be cancelled, None where the claim holds no more."""
    cursor.execute(_prolong_statement(connection.vendor), [sql.seconds_value(lease_seconds), *_held(root_id, fence)])
    row = cursor.fetchone()
    return None if row is None else row[0] is not None


def save_state(cursor: Cursor, *, root_id: uuid.UUID, fence: int, state: str) -> bool:
    """Store what a job saves for its next attempt, and tell whether the claim still held."""
    cursor.execute(f"UPDATE {_JOB} SET saved = %s WHERE {_HELD}", [state, *_held(root_id, fence)])
    return bool(cursor.rowcount)


def settle_held(cursor: Cursor, *, root_id: uuid.UUID, fence: int, status: JobStatus, error: str | None) -> bool:
    """End a job that this claim holds, and tell whether it still held it. This locks the job."""
    cursor.execute(*settling(root_id=root_id, fence=fence, status=status, error=error))
    return bool(cursor.rowcount)


def settling(*, root_id: uuid.UUID, fence: int, status: JobStatus, error: str | None = None) -> tuple[str, list[Value]]:
    """Return the statement that ends a job which this claim holds, and its parameters."""
    check_transition(JOB_TRANSITIONS, current=JobStatus.RUNNING, new=status)
    return _settle_statement(connection.vendor), [status.value, error, *_held(root_id, fence)]


def settle_whole(
    cursor: Cursor,
    *,
    root_id: uuid.UUID,
    fence: int,
    status: JobStatus,
    updates: Sequence[Unnumbered],
    columns: dict[str, Value],
    attempt: int,
    along: Sequence[Along],
) -> int | None:
    """End a job that this claim holds, with its root, the last updates and what is stored `along`.

    That is PostgreSQL's one statement. Returns the last number, None where the claim doesn't hold any more.
    """
    settle, settled = settling(root_id=root_id, fence=fence, status=status)
    root, task_id = sql.uuid_value(root_id), str(root_id)
    told: list[Any] = [attempt]
    for index, update in enumerate(updates):
        told += (index, update.before_seq, f"{update.before_task}{task_id}{update.after_task}")
    cursor.execute(
        _settle_whole_statement(settle, tuple(each.shape for each in along), tuple(columns), len(updates)),
        [*settled, root, fence, *along_sql.values_of(along), len(updates), *columns.values(), root, fence, *told],
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


@lru_cache(maxsize=256)
def _settle_whole_statement(settle: str, shapes: tuple[Shape, ...], columns: tuple[str, ...], count: int) -> str:
    # All or nothing: the job looks at the head, which nobody changes without the job's lock, and the rest at the job.
    is_open = f"EXISTS (SELECT FROM {_ROOT} WHERE id = %s AND NOT closed AND fence = %s)"
    parts = [f"held AS ({settle} AND {is_open} RETURNING root_id)"]
    parts += [along_sql.part_for_held(number, shape) for number, shape in enumerate(shapes)]
    head = f"{log_sql.head_update(columns, fenced=True)} AND EXISTS (SELECT FROM held) RETURNING id, last_seq"
    parts += [f"head AS ({head})", f"log AS ({log_sql.insert_from_head(count)})"]
    return f"WITH {', '.join(parts)} SELECT last_seq FROM head"


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
