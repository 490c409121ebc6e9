# ruff: noqa: S608 - every name in these statements is one of a model's; values are always parameters
"""Rows of models by statements that are put together once.

The ORM puts a statement together anew each time, which takes several times as long as the statement itself. These do
what `save()`, `get()` and `update()` do for plain rows, signals included, without what a model's own `save` adds.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, Field, Model
from django.db.models.signals import post_save, pre_save

from tasks.domain.along import Change, Insertion, Rows
from tasks.services import along_sql
from tasks.services.cursors import fixed_cursor

__all__ = ["Columns", "Reader", "change", "insert", "insertion", "is_watched", "update"]

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


def insertion(row: Model, *, only: Collection[str]) -> Rows:
    """Return a row of a model without parents as one to insert; fields that aren't among `only` are left to be null."""
    shape, fields = _shape(type(row), tuple(only))
    return Rows(shape, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields])


def is_watched(model: type[Model]) -> bool:
    """Tell whether somebody is to hear of new rows of a model: then they are inserted one by one, by `insert`."""
    return bool(pre_save.has_listeners(model) or post_save.has_listeners(model))


def change(model: type[Model], key: object, values: Mapping[str, object]) -> Change:
    """Return new values of columns of one row, found by its primary key."""
    fields, columns, condition = _change(model, tuple(values))
    given = [
        field.get_db_prep_save(value, connection) for field, value in zip(fields, (*values.values(), key), strict=True)
    ]
    return Change(model._meta.db_table, columns, condition, given)


def update(model: type[Model], key: object, values: Mapping[str, object]) -> bool:
    """Write the columns of one row, found by its primary key; tell whether there is such a row."""
    changed = change(model, key, values)
    with fixed_cursor() as cursor:
        cursor.execute(along_sql.statement(changed.shape), changed.values)
        return bool(cursor.rowcount == 1)


class Columns(Generic[M]):
    """Know the columns of a model, or of those fields in `only`, in a statement that calls its table `alias`."""

    def __init__(self, model: type[M], *, alias: str = "", only: Collection[str] = ()) -> None:
        self._model = model
        self._alias = alias or model._meta.db_table
        self._fields = [field for field in model._meta.concrete_fields if not only or field.name in only]
        self._names: Final = [field.attname for field in self._fields]
        self.count: Final = len(self._fields)

    @property
    def sql(self) -> str:
        """Give the columns as a statement selects them."""
        return ", ".join(f"{self._alias}.{connection.ops.quote_name(str(field.column))}" for field in self._fields)

    def row(self, values: Sequence[Any]) -> M:
        """Return the row that a cursor has given as `values`."""
        row = list(values)
        for index, functions, column in self._converters():
            for convert in functions:
                row[index] = convert(row[index], column, connection)
        return self._model.from_db(DEFAULT_DB_ALIAS, self._names, row)

    @cache  # noqa: B019 - these are constants of modules
    def _converters(self) -> list[_Converters]:
        columns = [field.get_col(self._alias) for field in self._fields]
        converters = [
            (index, [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)], column)
            for index, column in enumerate(columns)
        ]
        return [each for each in converters if each[1]]


class Reader(Generic[M]):
    """Read a row of a model, with all its columns, by the field `by`; `order` is what follows ORDER BY."""

    def __init__(self, model: type[M], *, by: str, order: str = "") -> None:
        self._columns = Columns(model)
        self._table = model._meta.db_table
        self._by: Any = model._meta.get_field(by)
        self._order = order

    def one(self, value: object) -> M | None:
        """Return the first row that is found, None where there is none."""
        with fixed_cursor() as cursor:
            cursor.execute(self._statement(), [self._by.get_db_prep_value(value, connection)])
            found = cursor.fetchone()
        return None if found is None else self._columns.row(found)

    @cache  # noqa: B019 - readers are constants of modules
    def _statement(self) -> str:
        order = f" ORDER BY {self._order}" if self._order else ""
        return f"SELECT {self._columns.sql} FROM {self._table} WHERE {self._by.column} = %s{order} LIMIT 1"


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
def _shape(model: type[Model], names: tuple[str, ...]) -> tuple[Insertion, list[Any]]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = tuple(connection.ops.quote_name(field.column) for field in fields)
    return Insertion(model._meta.db_table, columns, tuple(map(_type_of, fields))), fields


def _type_of(field: Any) -> str:
    kind = str(field.db_type(connection))
    # A cast to a length would cut off what is longer. As a text it is refused, as by every other way.
    return "text" if kind.startswith("varchar") else kind


@cache
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[list[Any], tuple[str, ...], str]:
    fields: list[Any] = [*(model._meta.get_field(name) for name in names), model._meta.pk]
    *columns, key = [connection.ops.quote_name(str(field.column)) for field in fields]
    return fields, tuple(columns), f"{key} = %s"
