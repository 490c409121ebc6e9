"""Appending to a root's log: the only place where updates get their numbers."""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from tasks.domain.updates import Draft, encode, format_timestamp
from tasks.errors import StaleFence
from tasks.services import sql
from tasks.services.publish import publish


def append_updates(
    *,
    root_id: uuid.UUID,
    drafts: Sequence[Draft],
    columns: Mapping[str, sql.Value] | None = None,
    fence: int | None = None,
    attempt: int = 1,
) -> int:
    """Append `drafts` to a root's log, write `columns` of the root with them, and return the last number.

    Call it inside the transaction whose changes the updates tell of, after its other locks: the numbers are taken from
    the head row by an UPDATE that holds it until the commit, so that committed order is number order and a rollback
    leaves no gap. `columns` maps root columns to values as the database takes them (tasks.services.sql).
    The message to clients goes out after the commit.

    Raises StaleFence where the log is closed, or where `fence` is given and another claim has raised it.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Updates are appended inside a transaction.")
    with connection.cursor() as cursor:
        last = sql.advance_head(cursor, root_id=root_id, count=len(drafts), columns=dict(columns or {}), fence=fence)
        if last is None:
            raise StaleFence(
                "Another worker has taken this work over, or it has ended; nothing was written.", task_id=str(root_id)
            )
        if drafts:
            write_updates(cursor, root_id=root_id, drafts=drafts, last=last, attempt=attempt)
    return last


def write_updates(
    cursor: CursorWrapper, *, root_id: uuid.UUID, drafts: Sequence[Draft], last: int, attempt: int = 1
) -> None:
    """Write updates whose numbers were just taken, up to `last`, and announce them after the commit."""
    task_id, timestamp = str(root_id), format_timestamp(timezone.now())
    first = last - len(drafts) + 1
    bodies = [
        encode(update, seq=number, task_id=task_id, timestamp=timestamp)
        for number, update in enumerate(drafts, start=first)
    ]
    sql.insert_updates(cursor, root_id=root_id, first=first, attempt=attempt, bodies=bodies)
    # Robust: a publisher that fails mustn't turn a committed change into an error.
    transaction.on_commit(partial(publish, root_id, first=first, last=last, bodies=bodies), robust=True)
