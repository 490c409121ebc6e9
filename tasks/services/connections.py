"""The database connections of a thread that works."""

from contextlib import suppress

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["are_as_before", "depths", "has_left_open", "renew_connections", "tidy_connections"]


def depths() -> dict[str, int]:
    """Return how many blocks of `atomic` this thread is in, for each of its connections."""
    return {used.alias: len(used.atomic_blocks) for used in connections.all(initialized_only=True)}


def has_left_open(before: dict[str, int]) -> bool:
    """Tell whether a connection is in a transaction that it wasn't in before, however that was begun.

    What comes next would be in it, too: its commit would be none, and a rollback would take it back.
    """
    return any(
        len(used.atomic_blocks) > before.get(used.alias, 0) or (not used.in_atomic_block and _is_in_transaction(used))
        for used in connections.all(initialized_only=True)
    )


def are_as_before(before: dict[str, int]) -> bool:
    """Tell whether this thread's connections commit by themselves, and nothing is open."""
    used = connections.all(initialized_only=True)
    return not has_left_open(before) and all(one.autocommit or one.in_atomic_block for one in used if one.connection)


def _is_in_transaction(used: BaseDatabaseWrapper) -> bool:
    """Ask the driver, which knows of a BEGIN too, and of statements without autocommit; Django's own are known."""
    driver = used.connection
    if driver is None:
        return False
    if used.vendor == "postgresql":
        return bool(driver.info.transaction_status in _IN_TRANSACTION)
    return bool(getattr(driver, "in_transaction", False))


#: libpq's PQTRANS_ACTIVE, PQTRANS_INTRANS and PQTRANS_INERROR.
_IN_TRANSACTION = (1, 2, 3)


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
