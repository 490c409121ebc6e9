"""A checkpoint, or the end of a job, as one transaction of SQLite's own driver, with what is stored along with it.

There are no trips to save here. What costs is what Django does around each statement and each transaction, several
times what SQLite does; none of it is needed for statements that are fixed, outside of any transaction of Django's.
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache

from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.domain.along import Along, Shape
from tasks.domain.updates import Unnumbered
from tasks.models import TaskRoot
from tasks.services import along_sql, log_sql
from tasks.services.cursors import in_sqlites_terms
from tasks.services.sql import Value
from tasks.services.write_turns import own_transaction

__all__ = ["write_whole"]

_ROOT = TaskRoot._meta.db_table


def write_whole(
    database: BaseDatabaseWrapper,
    *,
    root_id: uuid.UUID,
    fence: int,
    attempt: int,
    updates: Sequence[Unnumbered],
    columns: Mapping[str, Value],
    along: Sequence[Along],
    first: tuple[str, Sequence[Value]] | None = None,
) -> int | None:
    """Write it, and return the last number; None, with nothing written, where the claim holds no more.

    `first` is a statement that changes one row, unless the claim holds no more.
    """
    root, task_id, count = root_id.hex, str(root_id), len(updates)
    # From its beginning on nobody else writes: what is compared holds until the commit.
    with own_transaction(database) as driver:
        if first is not None and driver.execute(in_sqlites_terms(first[0]), first[1]).rowcount != 1:
            return None
        head = driver.execute(_head_statement(tuple(columns)), [count, *columns.values(), root, fence]).fetchone()
        if head is None:
            # Takes back what came first.
            driver.rollback()
            return None
        last = int(head[0])
        for each in along:
            driver.execute(_statement(each.shape), each.values)
        if updates:
            values: list[Value] = []
            for seq, update in enumerate(updates, start=last - count + 1):
                values += (root, seq, attempt, update.numbered(seq, task_id))
            driver.execute(_log_statement(count), values)
    return last


@lru_cache(maxsize=64)
def _head_statement(columns: tuple[str, ...]) -> str:
    return in_sqlites_terms(f"{log_sql.head_update(columns, fenced=True)} RETURNING last_seq")


@lru_cache(maxsize=512)
def _statement(shape: Shape) -> str:
    return in_sqlites_terms(along_sql.statement(shape))


@lru_cache(maxsize=64)
def _log_statement(rows: int) -> str:
    return in_sqlites_terms(log_sql.insert_statement(rows))
