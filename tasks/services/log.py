"""Appending to a root's log: the only place where updates get their numbers."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.db import connection, transaction

from tasks.domain.updates import Draft, Unnumbered, format_timestamp, unnumbered
from tasks.errors import StaleFence
from tasks.services import log_sql, sql
from tasks.services.committing import after_commit
from tasks.services.cursors import fixed_cursor
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
    updates = stamped(drafts)
    with fixed_cursor() as cursor:
        last = log_sql.append(
            cursor, root_id=root_id, updates=updates, columns=dict(columns or {}), fence=fence, attempt=attempt
        )
    if last is None:
        raise StaleFence(
            "Another worker has taken this work over, or it has ended; nothing was written.", task_id=str(root_id)
        )
    announce(root_id, updates, last=last)
    return last


def stamped(drafts: Sequence[Draft]) -> list[Unnumbered]:
    """Return drafts with the present time, ready to be numbered."""
    timestamp = format_timestamp(datetime.now(UTC))
    return [unnumbered(update, timestamp=timestamp) for update in drafts]


def announce(root_id: uuid.UUID, updates: Sequence[Unnumbered], *, last: int) -> None:
    """Tell followers of updates that were just written, the last of them as number `last`, once they are committed."""
    if updates:
        after_commit(publish_updates, root_id, updates, last=last)


def publish_updates(root_id: uuid.UUID, updates: Sequence[Unnumbered], *, last: int) -> None:
    """Tell followers of updates that are committed, the last of them as number `last`."""
    if updates:
        task_id, first = str(root_id), last - len(updates) + 1
        bodies = [update.numbered(seq, task_id) for seq, update in enumerate(updates, start=first)]
        publish(root_id, first=first, last=last, bodies=bodies)
