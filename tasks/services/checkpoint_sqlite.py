# ruff: noqa: S608 - every name in these statements is one of this app's; values are always parameters
"""A checkpoint as one transaction of SQLite's own driver: nodes, updates, and what else is stored along with them.

There are no trips to save here. What costs is what Django does around each statement and each transaction, several
times what SQLite does; none of it is needed for statements that are fixed, outside of any transaction of Django's.
"""

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.domain.updates import Unnumbered
from tasks.models import TaskRoot
from tasks.services import log_sql
from tasks.services.insertion import Insertion, Rows
from tasks.services.sql import Value

__all__ = ["is_at_hand", "write_whole"]

_ROOT = TaskRoot._meta.db_table


def is_at_hand(database: BaseDatabaseWrapper) -> bool:
    """Tell whether nobody wants to see Django's own statements: those who count them, or time them."""
    return not (database.execute_wrappers or database.queries_logged)


def write_whole(
    *,
    root_id: uuid.UUID,
    fence: int,
    attempt: int,
    updates: Sequence[Unnumbered],
    columns: Mapping[str, Value],
    rows: Sequence[Rows],
) -> int | None:
    """Write a checkpoint, and return the last number; None, with nothing written, where the claim holds no more."""
    root, task_id, count = root_id.hex, str(root_id), len(updates)
    # Looked up once; the proxy looks it up for each attribute.
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    driver: sqlite3.Connection = database.connection
    with database.wrap_database_errors:
        try:
            # From here on nobody else writes: what is compared holds until the commit.
            driver.execute("BEGIN IMMEDIATE")
            head = driver.execute(_head_statement(tuple(columns)), [count, *columns.values(), root, fence]).fetchone()
            if head is None:
                driver.rollback()
                return None
            last = int(head[0])
            for each in rows:
                driver.execute(_insert_statement(each.insertion, each.count), each.values)
            if updates:
                values: list[Value] = []
                for seq, update in enumerate(updates, start=last - count + 1):
                    values += (root, seq, attempt, update.numbered(seq, task_id))
                driver.execute(_log_statement(count), values)
            driver.commit()
        except BaseException:
            driver.rollback()
            raise
    return last


@lru_cache(maxsize=64)
def _head_statement(columns: tuple[str, ...]) -> str:
    return f"{log_sql.head_update(columns, fenced=True)} RETURNING last_seq".replace("%s", "?")


@lru_cache(maxsize=256)
def _insert_statement(insertion: Insertion, rows: int) -> str:
    one = f"({', '.join('?' * len(insertion.columns))})"
    return (
        f"INSERT INTO {insertion.table} ({', '.join(insertion.columns)}) VALUES {', '.join([one] * rows)}"
        f" ON CONFLICT {insertion.conflict}"
    )


@lru_cache(maxsize=64)
def _log_statement(rows: int) -> str:
    return log_sql.insert_statement(rows).replace("%s", "?")
