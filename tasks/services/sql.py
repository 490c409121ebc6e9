# ruff: noqa: S608, S611 - every name in these statements is one of this module's; values are always parameters
"""Fixed SQL for the paths that run many times a second, and the values it takes.

The ORM costs several times a prepared statement here. The statements are plain enough for SQLite and PostgreSQL alike;
what differs is how a UUID or a time is passed.
"""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Any, cast

import psycopg
from django.db import OperationalError, connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from tasks.domain.jsonvalue import JSON, storable_dumps
from tasks.domain.statuses import JOB_CLAIMABLE, JobStatus
from tasks.models import Job, Node, TaskRoot
from tasks.services.cursors import Cursor, is_postgresql

#: A value as a database driver takes it.
Value = str | int | float | bool | uuid.UUID | datetime | None

#: Rows of one INSERT; SQLite takes 32,766 parameters.
ROWS_PER_STATEMENT = 400

_ROOT = TaskRoot._meta.db_table
_NODE = Node._meta.db_table
_JOB = Job._meta.db_table

NODE_COLUMNS = (
    "id", "root_id", "parent_id", "ordinal", "type", "title", "alias", "attempt",
    "status", "error", "current", "total", "message", "output", "meta",
)  # fmt: skip
#: What a checkpoint may change of a node.
NODE_CHECKPOINTED = ("attempt", "status", "error", "current", "total", "message", "output", "meta")


def limit_lock_wait(milliseconds: int) -> None:
    """Let no statement of this connection wait longer than this for somebody else's lock."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout = {int(milliseconds)}")
        elif connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(milliseconds)}ms"])


def is_lock_error(error: BaseException) -> bool:
    """Tell whether somebody else's lock has made a statement fail."""
    if not isinstance(error, OperationalError):
        return False
    if connection.vendor == "sqlite":
        return "locked" in str(error)
    return isinstance(error.__cause__, psycopg.errors.LockNotAvailable)


def uuid_value(value: uuid.UUID) -> Value:
    """Return a UUID as this database takes it."""
    return value if is_postgresql() else value.hex


def user_value(user_id: object) -> Value:
    """Return the key of a user as this database takes it: it is whatever the site's user model has."""
    if user_id is None or type(user_id) is int:
        return user_id
    return cast(Value, TaskRoot._meta.get_field("owner").get_db_prep_save(user_id, connection))


def read_user(value: object) -> Any:
    """Return the key of a user as a raw cursor gives it: as Django has it, whatever the database keeps."""
    return value if value is None or type(value) is int else TaskRoot._meta.get_field("owner").to_python(value)


def time_value(value: datetime | None) -> Value:
    """Return an aware time as this database takes it."""
    if value is None or is_postgresql():
        return value
    # As Django writes it there, which takes several times as long to find out how.
    zone = _zone_of_times()
    if zone is UTC:
        return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(" ")[:_WITHOUT_OFFSET]
    return str(value.astimezone(zone).replace(tzinfo=None))


#: Of a time in UTC as text: all but its offset.
_WITHOUT_OFFSET = -len("+00:00")


@cache
def _zone_of_times() -> tzinfo:
    return connection.timezone or UTC


def json_value(value: object) -> str | None:
    """Return a value for a JSON column; None is SQL's null."""
    return None if value is None else storable_dumps(value)


def now() -> str:
    """Return the present time by the database's clock, as an expression."""
    if connection.vendor == "sqlite":
        # Django's own form of a time there, to the millisecond; the percent signs pass through parameters.
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')"
    return "STATEMENT_TIMESTAMP()"


def due_until() -> str:
    """Return the time up to which something is due now, as an expression."""
    if connection.vendor == "sqlite":
        # Its clock ticks in milliseconds; what became due within the present one is due.
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', '+0.001 seconds')"
    return now()


def read_now(cursor: Cursor) -> datetime:
    """Return the present time by the database's clock."""
    if connection.vendor == "sqlite":
        # Its clock is this host's.
        return timezone.now()
    cursor.execute(f"SELECT {now()}")
    return cast(datetime, cursor.fetchone()[0])


def later() -> str:
    """Return a later time by the database's clock, as an expression with one parameter (`seconds_value`)."""
    if connection.vendor == "sqlite":
        return "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s)"
    return "STATEMENT_TIMESTAMP() + %s::float8 * INTERVAL '1 second'"


def seconds_value(seconds: float) -> Value:
    """Return the parameter of `later`."""
    return f"{seconds:+.3f} seconds" if connection.vendor == "sqlite" else seconds


def read_uuid(value: object) -> uuid.UUID:
    """Return a UUID as a raw cursor of this database gives it."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(hex=str(value))


def read_json(value: object) -> JSON:
    """Return the value of a JSON column as a raw cursor gives it."""
    return json.loads(value) if isinstance(value, str) else cast(JSON, value)


def job_status_in(statuses: Iterable[JobStatus]) -> RawSQL:
    """Return the condition that a job has one of `statuses`, written out.

    SQLite uses a partial index only where the statement itself shows that it applies: parameters show nothing.
    """
    names = ", ".join(f"'{status.value}'" for status in sorted(statuses))
    return RawSQL(f'"{_JOB}"."status" IN ({names})', (), output_field=BooleanField())


def job_claimable() -> RawSQL:
    """Return the condition that a job may be claimed once it is due: that of the partial indexes, written out."""
    names = ", ".join(f"'{status.value}'" for status in sorted(JOB_CLAIMABLE))
    return RawSQL(f'("{_JOB}"."status" IN ({names}) AND "{_JOB}"."blocked_by" = \'\')', (), output_field=BooleanField())


_ROOT_INSERTED = (
    "id", "title", "status", "error", "message", "output", "session_key", "steps_seq", "step_count", "meta", "owner_id",
    "shared", "request_scoped", "is_part", "parent_id", "previous_id", "last_seq", "fence", "closed", "lease_until",
    "created_at",
)  # fmt: skip


#: The statement that inserts a root; `root_values` are its parameters.
ROOT_INSERT = f"INSERT INTO {_ROOT} ({', '.join(_ROOT_INSERTED)}) VALUES ({', '.join(['%s'] * len(_ROOT_INSERTED))})"


def root_values(**given: Value) -> list[Value]:
    """Return the parameters of ROOT_INSERT; what is left out is empty."""
    columns = {
        "status": "created", "error": "", "message": "", "output": "", "session_key": "", "shared": False,
        "step_count": 0, "request_scoped": False, "is_part": False, "last_seq": 0, "fence": 0, "closed": False, **given,
    }  # fmt: skip
    return [columns.get(name) for name in _ROOT_INSERTED]
