"""Tables whose rows lie in the index of a key, one beside the other."""

import re
from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

__all__ = ["ClusterByKey", "ClusterByPrimaryKey"]

_PRIMARY_KEY = " PRIMARY KEY"


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
        if (model := self._model(app_label, schema_editor, to_state)) is not None:
            self._cluster(model, schema_editor)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Make it as Django would."""
        if (model := self._model(app_label, schema_editor, to_state)) is not None:
            self._scatter(model, schema_editor)

    def describe(self) -> str:
        """Say what it does."""
        return f"Keep the rows of {self.model_name} in the index of its primary key, on SQLite"

    def _model(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState) -> Any:
        """Return the model; None where its table stays as it is."""
        model = state.apps.get_model(app_label, self.model_name)
        alias = schema_editor.connection.alias
        return model if schema_editor.connection.vendor == "sqlite" and self.allow_migrate_model(alias, model) else None

    def _cluster(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        body, others = _definition(model, schema_editor)
        _make_anew(model, schema_editor, f"{body} WITHOUT ROWID", others)

    def _scatter(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        body, others = _definition(model, schema_editor)
        _make_anew(model, schema_editor, body, others)


class ClusterByKey(ClusterByPrimaryKey):
    """Let SQLite keep the rows of a model in the index of `key`, names of fields, and have no index of the primary key.

    That is for rows that are always looked for under what `key` begins with. Nothing else tells them apart there: its
    last field must. `instead_of` are indexes that it makes needless.
    """

    def __init__(self, model_name: str, *, key: Sequence[str], instead_of: Sequence[str] = ()) -> None:
        super().__init__(model_name)
        self.key = tuple(key)
        self.instead_of = tuple(instead_of)

    def describe(self) -> str:
        """Say what it does."""
        return f"Keep the rows of {self.model_name} in an index of {', '.join(self.key)}, on SQLite"

    def _cluster(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        body, others = _definition(model, schema_editor)
        columns = ", ".join(f'"{model._meta.get_field(name).column}"' for name in self.key)
        body = f"{body.replace(_PRIMARY_KEY, '', 1)[:-1]},{_PRIMARY_KEY} ({columns}))"
        others = [other for other in others if not any(f'"{name}"' in other for name in self.instead_of)]
        _make_anew(model, schema_editor, f"{body} WITHOUT ROWID", others)

    def _scatter(self, model: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        body, others = _definition(model, schema_editor)
        own = re.escape(f'"{model._meta.pk.column}"')
        body = re.sub(rf"({own}[^,]* NOT NULL)", rf"\1{_PRIMARY_KEY}", body[: body.rindex(f",{_PRIMARY_KEY}")], count=1)
        _make_anew(model, schema_editor, f"{body})", others)
        for index in model._meta.indexes:
            if index.name in self.instead_of:
                schema_editor.add_index(model, index)


def _definition(model: Any, schema_editor: BaseDatabaseSchemaEditor) -> tuple[str, list[str]]:
    """Return what stands in the brackets of the table's definition, and the statements of its indexes and triggers."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL ORDER BY type <> 'table', name",
            [model._meta.db_table],
        )
        definition, *others = (sql for (sql,) in cursor.fetchall())
    return re.sub(r"\s*WITHOUT ROWID\s*$", "", definition[definition.index("(") :]), others


def _make_anew(model: Any, schema_editor: BaseDatabaseSchemaEditor, definition: str, others: Sequence[str]) -> None:
    name = model._meta.db_table
    new = f"new__{name}"
    columns = ", ".join(f'"{field.column}"' for field in model._meta.local_concrete_fields)
    # Foreign keys aren't looked at while a schema is edited, and none refers to such a table.
    schema_editor.execute(f'CREATE TABLE "{new}" {definition}')
    schema_editor.execute(f'INSERT INTO "{new}" ({columns}) SELECT {columns} FROM "{name}"')  # noqa: S608
    schema_editor.execute(f'DROP TABLE "{name}"')
    schema_editor.execute(f'ALTER TABLE "{new}" RENAME TO "{name}"')
    for other in others:
        schema_editor.execute(other)
