"""Taking turns at SQLite's one write lock.

SQLite has no queue of those who want to write. Whoever finds the lock taken sleeps for a millisecond, then for longer
and longer: many times what another worker's checkpoint takes, so that two workers would be no faster than one. So those
who write often first lock a file beside the database, and ask for it often while somebody else has it. It is no more
than a courtesy: whoever waits in vain, or knows nothing of it, still finds SQLite's own lock.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep
from types import TracebackType
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["atomic_in_turn", "own_transaction"]

#: What the file's name ends with, behind that of the database.
_SUFFIX: Final = "-turns"
#: How often it is asked for, and how long to sleep between: some ten milliseconds in all, with what sleeping costs.
_TRIES: Final = 150
_PAUSE_SECONDS: Final = 0.00001


class _Opening:
    """Keep a file open for as long as somebody holds this."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self.descriptor)


class _Files(threading.local):
    """Hold this thread's own opening of the file: that is what has the lock. A fork must not share it."""

    path = ""
    opening: _Opening | None = None


_files = _Files()


def _forget_files() -> None:
    global _files  # noqa: PLW0603 - a lock belongs to the opening, which a forked child has in common with its parent
    _files = _Files()


os.register_at_fork(after_in_child=_forget_files)


class own_transaction:  # noqa: N801 - called as a function is; a generator costs twice as much, around each checkpoint
    """Begin a transaction of SQLite's own driver, in turn, outside of any of Django's; only its statements are in it.

    What Django does around a transaction costs more than most of what is written here.
    """

    __slots__ = ("_database", "_driver", "_turn")

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        database = self._database
        database.ensure_connection()
        driver: sqlite3.Connection = database.connection
        self._driver = driver
        self._turn = _take_turn(database)
        try:
            with database.wrap_database_errors:
                driver.execute("BEGIN IMMEDIATE")
        except BaseException:
            _give_back(self._turn)
            raise
        return driver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wrapper = self._database.wrap_database_errors
        try:
            if kind is not None:
                self._driver.rollback()
                # Makes Django's error of one of the driver's.
                wrapper.__exit__(kind, error, trace)
                return
            with wrapper:
                try:
                    self._driver.commit()
                except BaseException:
                    self._driver.rollback()
                    raise
        finally:
            _give_back(self._turn)


@contextmanager
def atomic_in_turn() -> Iterator[None]:
    """Run what is inside in a transaction, in turn where it is a new one on SQLite."""
    database = connections[DEFAULT_DB_ALIAS]
    turn = None if database.vendor != "sqlite" or database.in_atomic_block else _take_turn(database)
    try:
        with transaction.atomic():
            yield
    finally:
        _give_back(turn)


def _take_turn(database: BaseDatabaseWrapper) -> int | None:
    """Wait for a turn, and return the file that is locked; None where it isn't to be had, or there can be none."""
    descriptor = _descriptor(str(database.settings_dict["NAME"]))
    if descriptor is not None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sleep(_PAUSE_SECONDS)
            else:
                return descriptor
    return None


def _give_back(turn: int | None) -> None:
    if turn is not None:
        fcntl.flock(turn, fcntl.LOCK_UN)


def _descriptor(database: str) -> int | None:
    """Return this thread's opening of the file; None for a database in memory, or where there can be no file."""
    if _files.path != database:
        _files.path, _files.opening = database, None
        if ":memory:" not in database and not database.startswith("file:"):
            with suppress(OSError):
                _files.opening = _Opening(f"{database}{_SUFFIX}")
    return None if _files.opening is None else _files.opening.descriptor
