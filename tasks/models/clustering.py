"""Tables whose rows lie in the index of their primary key, one beside the other."""

import re
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

__all__ = ["ClusterByPrimaryKey"]


class ClusterByPrimaryKey(Operation):
    """Let SQLite keep the rows of a model in its primary key's index (WITHOUT ROWID); elsewhere, change nothing.

    That is for short rows with a key of several columns, which are appended: SQLite keeps the key twice otherwise, and
    writes two pages where one does. Django makes such a table anew whenever it changes a column of it, and forgets this
    then: migrate it once more.
    """

    reduces_to_sql = False
    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing that models know of."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make the table anew, with its rows."""
        self._make_anew(app_label, schema_editor, to_state, " WITHOUT ROWID")

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make it as Django would."""
        self._make_anew(app_label, schema_editor, to_state, "")

    def describe(self) -> str:
        """Say what it does."""
        return f"Keep the rows of {self.model_name} in the index of its primary key, on SQLite"

    def _make_anew(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState, clause: str
    ) -> None:
        model = state.apps.get_model(app_label, self.model_name)
        if schema_editor.connection.vendor != "sqlite" or not self.allow_migrate_model(
            schema_editor.connection.alias, model
        ):
            return
        name, new = model._meta.db_table, f"new__{model._meta.db_table}"
        (definition,), *others = _definitions(schema_editor, name)
        body = re.sub(r"\s*WITHOUT ROWID\s*$", "", definition[definition.index("(") :])
        columns = ", ".join(f'"{field.column}"' for field in model._meta.local_concrete_fields)
        # Foreign keys aren't looked at while a schema is edited, and none refers to such a table.
        schema_editor.execute(f'CREATE TABLE "{new}" {body}{clause}')
        schema_editor.execute(f'INSERT INTO "{new}" ({columns}) SELECT {columns} FROM "{name}"')  # noqa: S608
        schema_editor.execute(f'DROP TABLE "{name}"')
        schema_editor.execute(f'ALTER TABLE "{new}" RENAME TO "{name}"')
        for (other,) in others:
            schema_editor.execute(other)


def _definitions(schema_editor: BaseDatabaseSchemaEditor, table: str) -> list[tuple[Any, ...]]:
    """Return the statement that has made the table, then those of its indexes and triggers."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL ORDER BY type <> 'table', name",
            [table],
        )
        return list(cursor.fetchall())
