"""Emptying the test's database between two tests, quickly.

Django empties all tables after every test with transactions of its own, and then stores anew what it keeps of each
model: its content type and its permissions. That is most of the work, and they were just the same before. Here they
stay, unless the test has touched them.

On PostgreSQL Django truncates all tables, which makes new files for each of them: a third of a second. Most tables are
empty, and the others hold a few rows.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.operations import DatabaseOperations

_KEPT = (ContentType, Permission)

_truncate = DatabaseOperations.sql_flush
_emit_post_migrate_signal = flush.emit_post_migrate_signal

Rows = list[list[tuple[object, ...]]]

#: What Django has stored of each model.
_stored: Rows = []


def install() -> None:
    """Let Django delete rows where it would truncate, and keep what it would only store again."""
    DatabaseOperations.sql_flush = delete_rows
    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = emit_post_migrate_signal


def remember() -> None:
    """Take note of what Django has stored of each model, in a database that no test has seen yet."""
    _stored[:] = _read()


def _read() -> Rows:
    return [list(model.objects.order_by("pk").values_list()) for model in _KEPT]


def sql_flush(
    style: object, connection: BaseDatabaseWrapper, *, reset_sequences: bool = True, allow_cascade: bool = False
) -> list[str]:
    """Return the statements that empty the database, but for what would only be stored again."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    if _read() == _stored:
        kept = {model._meta.db_table for model in _KEPT}
        tables = [table for table in tables if table not in kept]
    return connection.ops.sql_flush(style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)


def emit_post_migrate_signal(*arguments: object, **options: object) -> None:
    """Let Django store what it keeps of each model, where that is gone."""
    if _read() != _stored:
        _emit_post_migrate_signal(*arguments, **options)
        remember()


def delete_rows(
    self: DatabaseOperations,
    style: object,
    tables: Iterable[str],
    *,
    reset_sequences: bool = False,
    allow_cascade: bool = False,
) -> list[str]:
    """Return the statements that empty `tables`, of which most are empty."""
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
