"""Cursors for statements that are always the same text, with `%s` for parameters.

What Django does around each statement costs more than most of these statements do: on PostgreSQL it puts the parameters
into the text, so that the server plans each anew; on SQLite it looks for the placeholders each time.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from typing import Any, Protocol, Self

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

__all__ = ["Cursor", "fixed_cursor", "in_sqlites_terms", "is_postgresql", "is_unwatched"]


class Cursor(Protocol):
    """Execute statements, as every cursor does."""

    @property
    def rowcount(self) -> int:
        """Give how many rows the last statement has changed."""

    def execute(self, sql: str, params: Any = ..., /) -> Any:
        """Execute a statement with `%s` for each parameter."""

    def fetchone(self) -> Any:
        """Return the next row, None where there is none."""

    def fetchall(self) -> Any:
        """Return all further rows."""


@cache
def is_postgresql() -> bool:
    """Tell whether the database is PostgreSQL; asked many times for each action, and always the same."""
    return bool(connection.vendor == "postgresql")


def is_unwatched(database: BaseDatabaseWrapper) -> bool:
    """Tell whether nobody wants to see Django's own statements: those who count them, or time them."""
    return not (database.execute_wrappers or database.queries_logged)


@contextmanager
def fixed_cursor() -> Iterator[Cursor]:
    """Give a cursor for such statements.

    PostgreSQL's driver sends the parameters beside them, and prepares each once the connection's `prepare_threshold`
    allows it.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if is_postgresql():
        database.ensure_connection()
        with CursorWrapper(_PostgresCursor(database.connection), database) as cursor:
            yield cursor
    elif database.vendor == "sqlite" and is_unwatched(database):
        database.ensure_connection()
        # Closed, so that a row that nobody has asked for holds no lock.
        with closing(database.connection.cursor()) as raw:
            yield _SqliteCursor(database, raw)
    else:
        with database.cursor() as cursor:
            yield cursor


class _PostgresCursor(psycopg.RawCursor[Any]):
    """Find the placeholders once; the driver does so each time where there are many."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        return super().execute(_in_postgres_terms(query), params or (), **options)


class _SqliteCursor:
    """Execute statements of SQLite's own driver; errors are Django's, and so are the rules inside a transaction."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, database: BaseDatabaseWrapper, cursor: sqlite3.Cursor) -> None:
        self._database = database
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def execute(self, statement: str, params: Sequence[Any] = (), /) -> None:
        self._database.validate_no_broken_transaction()
        with self._database.wrap_database_errors:
            self._cursor.execute(in_sqlites_terms(statement), params)

    def fetchone(self) -> Any:
        with self._database.wrap_database_errors:
            return self._cursor.fetchone()

    def fetchall(self) -> Any:
        with self._database.wrap_database_errors:
            return self._cursor.fetchall()


@lru_cache(maxsize=1_024)
def in_sqlites_terms(statement: str) -> str:
    """Return a statement as SQLite's driver takes it."""
    return statement.replace("%s", "?").replace("%%", "%")


@lru_cache(maxsize=1_024)
def _in_postgres_terms(statement: str) -> bytes:
    first, *others = statement.replace("%%", "%").split("%s")
    return "".join([first, *(f"${number}{text}" for number, text in enumerate(others, start=1))]).encode()
