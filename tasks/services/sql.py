# ruff: noqa: S608, S611 - every name in these statements is one of this module's; values are always parameters
"""Fixed SQL for the paths that run many times a second, and the values it takes.

The ORM costs several times a prepared statement here. The statements are plain enough for SQLite and PostgreSQL alike;
what differs is how a UUID or a time is passed.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from tasks.domain.jsonvalue import storable_dumps
from tasks.domain.statuses import JOB_CLAIMABLE, JobStatus
from tasks.models import Job, Node, TaskRoot, Update

#: A value as a database driver takes it.
Value = str | int | float | bool | uuid.UUID | datetime | None

#: Rows of one INSERT; SQLite takes 32,766 parameters.
ROWS_PER_STATEMENT = 400

_ROOT = TaskRoot._meta.db_table
_NODE = Node._meta.db_table
_UPDATE = Update._meta.db_table
_JOB = Job._meta.db_table

NODE_COLUMNS = (
    "id", "root_id", "parent_id", "ordinal", "type", "title", "alias", "attempt",
    "status", "error", "current", "total", "message", "output", "meta",
)  # fmt: skip
#: What a checkpoint may change of a node, and the part that a flush between two checkpoints may change.
NODE_CHECKPOINTED = ("attempt", "status", "error", "current", "total", "message", "output", "meta")
NODE_OUT_OF_BAND = ("current", "total", "message", "output")


def uuid_value(value: uuid.UUID) -> Value:
    """Return a UUID as this database takes it."""
    return value if connection.features.has_native_uuid_field else value.hex


def time_value(value: datetime | None) -> Value:
    """Return an aware time as this database takes it."""
    adapted: Value = None if value is None else connection.ops.adapt_datetimefield_value(value)
    return adapted


def json_value(value: object) -> str | None:
    """Return a value for a JSON column; None is SQL's null."""
    return None if value is None else storable_dumps(value)


def job_status_in(statuses: Iterable[JobStatus]) -> RawSQL:
    """Return the condition that a job has one of `statuses`, written out.

    SQLite uses a partial index only where the statement itself shows that it applies: parameters show nothing.
    """
    names = ", ".join(f"'{status.value}'" for status in sorted(statuses))
    return RawSQL(f'"{_JOB}"."status" IN ({names})', (), output_field=BooleanField())


def job_claimable() -> RawSQL:
    """Return the condition that a job may be claimed once it is due: that of the partial indexes, written out."""
    names = ", ".join(f"'{status.value}'" for status in sorted(JOB_CLAIMABLE))
    return RawSQL(f'("{_JOB}"."status" IN ({names}) AND NOT "{_JOB}"."blocked")', (), output_field=BooleanField())


@lru_cache(maxsize=256)
def _head_statement(columns: tuple[str, ...], fenced: bool) -> str:
    changes = "".join(f", {name} = %s" for name in columns)
    fence = " AND fence = %s" if fenced else ""
    return (
        f"UPDATE {_ROOT} SET last_seq = last_seq + %s{changes} WHERE id = %s AND NOT closed{fence} RETURNING last_seq"
    )


def advance_head(
    cursor: CursorWrapper, *, root_id: uuid.UUID, count: int, columns: dict[str, Value], fence: int | None
) -> int | None:
    """Take `count` numbers, write `columns`, and return the last number; None where closed or fenced off.

    This locks the head, and must be the last lock of its transaction.
    """
    parameters: list[Value] = [count, *columns.values(), uuid_value(root_id)]
    if fence is not None:
        parameters.append(fence)
    cursor.execute(_head_statement(tuple(columns), fence is not None), parameters)
    row = cursor.fetchone()
    return None if row is None else int(row[0])


@lru_cache(maxsize=64)
def _update_insert(rows: int) -> str:
    values = ", ".join(["(%s, %s, %s, %s)"] * rows)
    return f"INSERT INTO {_UPDATE} (root_id, seq, attempt, body) VALUES {values}"


def insert_updates(
    cursor: CursorWrapper, *, root_id: uuid.UUID, first: int, attempt: int, bodies: Sequence[str]
) -> None:
    """Write the encoded updates numbered from `first`."""
    root = uuid_value(root_id)
    for start in range(0, len(bodies), ROWS_PER_STATEMENT):
        chunk = bodies[start : start + ROWS_PER_STATEMENT]
        parameters: list[Value] = []
        for offset, body in enumerate(chunk, start=first + start):
            parameters += (root, offset, attempt, body)
        cursor.execute(_update_insert(len(chunk)), parameters)


@lru_cache(maxsize=128)
def _node_upsert(rows: int, changed: tuple[str, ...]) -> str:
    one = "(" + ", ".join(["%s"] * len(NODE_COLUMNS)) + ")"
    names = ", ".join(NODE_COLUMNS)
    changes = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return f"INSERT INTO {_NODE} ({names}) VALUES {', '.join([one] * rows)} ON CONFLICT (id) DO UPDATE SET {changes}"


def upsert_nodes(cursor: CursorWrapper, rows: Sequence[tuple[Value, ...]], *, changed: tuple[str, ...]) -> None:
    """Insert node rows (values in the order of NODE_COLUMNS), or change the `changed` columns of existing ones."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        chunk = rows[start : start + ROWS_PER_STATEMENT]
        cursor.execute(_node_upsert(len(chunk), changed), [value for row in chunk for value in row])
