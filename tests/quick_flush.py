"""Emptying the test's PostgreSQL between two tests, quickly.

Django truncates all tables, which makes new files for each of them: a third of a second, after every test with
transactions of its own. Most tables are empty, and the others hold a few rows.
"""

from collections.abc import Iterable

from django.db.backends.postgresql.operations import DatabaseOperations

_truncate = DatabaseOperations.sql_flush


def install() -> None:
    """Let Django delete rows where it would truncate."""
    DatabaseOperations.sql_flush = sql_flush


def sql_flush(
    self: DatabaseOperations,
    style: object,
    tables: Iterable[str],
    *,
    reset_sequences: bool = False,
    allow_cascade: bool = False,
) -> list[str]:
    """Return the statements that empty `tables`."""
    names = [self.quote_name(table) for table in tables]
    if reset_sequences or not names:
        return _truncate(self, style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
    with self.connection.cursor() as cursor:
        questions = [f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names]
        cursor.execute(" UNION ALL ".join(questions))
        filled = [name for (name,) in cursor.fetchall()]
        # A trigger may mind what is deleted, as that of the audit log does.
        cursor.execute(
            "SELECT DISTINCT relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal"
        )
        guarded = {self.quote_name(name) for (name,) in cursor.fetchall()}
    # In any order: Django's foreign keys are looked at when the transaction ends.
    return [f"TRUNCATE {name}" if name in guarded else f"DELETE FROM {name}" for name in filled]
