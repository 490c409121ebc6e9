# ruff: noqa: S608 - every name in these statements is one of a model's; values are always parameters
"""Rows of models by statements that are put together once.

The ORM puts a statement together anew each time, which takes several times as long as the statement itself. These do
what `save()`, `get()` and `update()` do for plain rows, signals included, without what a model's own `save` adds.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, Field, Model
from django.db.models.signals import post_save, pre_save

from tasks.services.sql import fixed_cursor

__all__ = ["Reader", "insert", "update"]

M = TypeVar("M", bound=Model)
#: Django's converters of one column: what they are called with besides the value is the column and the connection.
_Converters = tuple[int, list[Any], Any]


def insert(row: Model) -> None:
    """Insert a row of a model without parents."""
    model = type(row)
    fields, statement, draws_key = _insertion(model)
    if pre_save.has_listeners(model):
        pre_save.send(sender=model, instance=row, raw=False, using=DEFAULT_DB_ALIAS, update_fields=None)
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with fixed_cursor() as cursor:
        cursor.execute(statement, values)
        if draws_key:
            row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    if post_save.has_listeners(model):
        post_save.send(sender=model, instance=row, raw=False, using=DEFAULT_DB_ALIAS, update_fields=None, created=True)


def update(model: type[Model], key: object, values: Mapping[str, object]) -> bool:
    """Write the columns of one row, found by its primary key; tell whether there is such a row."""
    fields, statement = _change(model, tuple(values))
    parameters = [
        field.get_db_prep_save(value, connection) for field, value in zip(fields, (*values.values(), key), strict=True)
    ]
    with fixed_cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.rowcount == 1)


class Reader(Generic[M]):
    """Read a row of a model, with all its columns, or with those of the fields in `only`.

    `by` is the field that it is found by, the primary key where none is named; `order` is what follows ORDER BY.
    """

    def __init__(self, model: type[M], *, by: str = "", order: str = "", only: Collection[str] = ()) -> None:
        self._model = model
        self._by: Any = model._meta.get_field(by) if by else model._meta.pk
        self._fields = [field for field in model._meta.concrete_fields if not only or field.name in only]
        self._names: Final = [field.attname for field in self._fields]
        self._order = order

    def one(self, value: object) -> M | None:
        """Return the first row that is found, None where there is none."""
        statement, converters = self._prepared()
        with fixed_cursor() as cursor:
            cursor.execute(statement, [self._by.get_db_prep_value(value, connection)])
            found = cursor.fetchone()
        if found is None:
            return None
        row = list(found)
        for index, functions, column in converters:
            for convert in functions:
                row[index] = convert(row[index], column, connection)
        return self._model.from_db(DEFAULT_DB_ALIAS, self._names, row)

    @cache  # noqa: B019 - readers are constants of modules
    def _prepared(self) -> tuple[str, list[_Converters]]:
        table = self._model._meta.db_table
        columns = [field.get_col(table) for field in self._fields]
        converters = [
            (index, [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)], column)
            for index, column in enumerate(columns)
        ]
        names = ", ".join(connection.ops.quote_name(str(field.column)) for field in self._fields)
        order = f" ORDER BY {self._order}" if self._order else ""
        statement = f"SELECT {names} FROM {table} WHERE {self._by.column} = %s{order} LIMIT 1"
        return statement, [each for each in converters if each[1]]


@cache
def _insertion(model: type[Model]) -> "tuple[list[Field[Any, Any]], str, bool]":
    key: Any = model._meta.pk
    draws_key = isinstance(key, AutoField)
    fields = [field for field in model._meta.local_concrete_fields if not (draws_key and field is key)]
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    statement = f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({', '.join(['%s'] * len(fields))})"
    returned = f" RETURNING {connection.ops.quote_name(key.column)}" if draws_key else ""
    return fields, f"{statement}{returned}", draws_key


@cache
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    key = model._meta.pk
    fields = [*(model._meta.get_field(name) for name in names), key]
    quoted = [connection.ops.quote_name(str(field.column)) for field in fields]  # type: ignore[union-attr]
    changes = ", ".join(f"{name} = %s" for name in quoted[:-1])
    return fields, f"UPDATE {model._meta.db_table} SET {changes} WHERE {quoted[-1]} = %s"
