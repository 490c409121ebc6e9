"""The database connections of a thread that works."""

from contextlib import suppress

from django.db import DEFAULT_DB_ALIAS, connections

__all__ = ["renew_connections", "tidy_connections"]


def renew_connections() -> None:
    """Give this thread new connections: work may have been broken off in the middle of what it did with one."""
    for used in connections.all(initialized_only=True):
        with suppress(Exception):
            used.close()
        # The wrapper too, which may take itself to be inside a transaction for ever.
        del connections[used.alias]


def tidy_connections() -> None:
    """Leave nothing of a job's connections to the next one; the default one stays open where it is as it was."""
    for used in connections.all(initialized_only=True):
        if used.connection is None or used.in_atomic_block:
            continue
        if used.alias != DEFAULT_DB_ALIAS or used.errors_occurred or not used.autocommit:
            used.close()
