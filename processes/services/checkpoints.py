"""Writing and reading the places at which a run can be taken up again.

A plain action writes its checkpoint and the data that it changed, and nothing of the run's own row: that one says how
the run stands, not where.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import OuterRef, Subquery

from processes.domain.json_values import JSON
from processes.models import Checkpoint, RunValue
from processes.services.file_ownership import FILE_INFO, hold_files
from tasks.domain.along import Insertion, Rows
from tasks.services import along_sql, prepared, sql
from tasks.services.cursors import fixed_cursor

__all__ = [
    "Point",
    "checkpoint_along",
    "context_at",
    "names_files",
    "newest_checkpoint",
    "newest_cursors",
    "write_checkpoint",
    "write_values",
]

_CHECKPOINT = Checkpoint._meta.db_table
_VALUE = RunValue._meta.db_table
_STATE_CHARS = _ACTION_CHARS = 200
_FILE = f'"{FILE_INFO}"'

_COLUMNS = ("run_id", "ordinal", "cursor", "action", "state", "context", "created_at")
#: Going on may leave a run where it was (a message that changes nothing), or let it wait there.
_ON_CONFLICT = (
    "(run_id, ordinal) DO UPDATE SET cursor = excluded.cursor,"
    f" context = COALESCE(excluded.context, {_CHECKPOINT}.context),"
    # What waited there has ended, or nothing has: then it keeps the step that led there.
    f" state = CASE WHEN excluded.action = '' THEN {_CHECKPOINT}.state ELSE excluded.state END,"
    f" action = CASE WHEN excluded.action = '' THEN {_CHECKPOINT}.action ELSE excluded.action END"
)
_POINTS = Insertion(
    _CHECKPOINT, _COLUMNS, ("uuid", "int", "jsonb", "text", "text", "jsonb", "timestamptz"), _ON_CONFLICT
)
_VALUES = Insertion(
    _VALUE,
    ("run_id", "key", "ordinal", "value"),
    ("uuid", "text", "int", "text"),
    "(run_id, key, ordinal) DO UPDATE SET value = excluded.value",
)


@dataclass(slots=True, kw_only=True)
class Point:
    """Hold what a checkpoint says: the place, the step that led there, and what of the context has changed."""

    ordinal: int
    cursor: JSON
    action: str = ""
    state: str | None = None
    context: Mapping[str, JSON] | None = None


def write_checkpoint(run_id: uuid.UUID, point: Point, *, changed: Mapping[str, str | None]) -> None:
    """Write a checkpoint, and the keys of data that have changed (JSON texts, None for removed ones)."""
    with fixed_cursor() as cursor:
        along_sql.write(cursor, checkpoint_along(run_id, point, changed={}))
    write_values(run_id, ordinal=point.ordinal, changed=changed)


def checkpoint_along(
    run_id: uuid.UUID, point: Point, *, changed: Mapping[str, str | None], of_ordinal: int | None = None
) -> list[Rows]:
    """Return the same as rows that are written along with nodes and updates; not for data that names files.

    `of_ordinal` is that of the data, where it isn't that of the place.
    """
    along = [Rows(_POINTS, _values_of(run_id, point))]
    if changed:
        ordinal = point.ordinal if of_ordinal is None else of_ordinal
        along.append(Rows(_VALUES, _value_rows(run_id, ordinal, changed.items())))
    return along


def _value_rows(run_id: uuid.UUID, ordinal: int, items: Iterable[tuple[str, str | None]]) -> list[sql.Value]:
    run, values = sql.uuid_value(run_id), list[sql.Value]()
    for key, value in items:
        values += (run, key, ordinal, value)
    return values


def _values_of(run_id: uuid.UUID, point: Point) -> list[sql.Value]:
    return [
        sql.uuid_value(run_id),
        point.ordinal,
        sql.json_value(point.cursor),
        point.action[:_ACTION_CHARS],
        None if point.state is None else point.state[:_STATE_CHARS],
        sql.json_value(dict(point.context)) if point.context else None,
        sql.time_value(datetime.now(UTC)),
    ]


def write_values(run_id: uuid.UUID, *, ordinal: int, changed: Mapping[str, str | None]) -> None:
    """Append the changed keys of a checkpoint.

    An action that stops to run again later isn't done, so what it changed belongs to the ordinal before it, which has
    its checkpoint already: the same key of the same ordinal is replaced. Files of callbacks that are named there are
    held; whoever writes them has locked the run.
    """
    if changed:
        with fixed_cursor() as cursor:
            along_sql.write(cursor, [Rows(_VALUES, _value_rows(run_id, ordinal, changed.items()))])
    hold_files((value for value in changed.values() if value is not None), run_id=run_id)


def names_files(changed: Mapping[str, str | None]) -> bool:
    """Tell whether data may name files, which the run then holds: its row is locked before they are."""
    return bool(changed) and any(_FILE in value for value in changed.values() if value is not None)


def newest_checkpoint(run_id: uuid.UUID) -> Checkpoint | None:
    """Return where a run stands; None for one that an older release has begun and nobody has carried on since."""
    return _newest.one(run_id)


def newest_cursors(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, JSON]:
    """Return where runs stand, by one query; those that have no checkpoint aren't in it."""
    newest = Checkpoint.objects.filter(run_id=OuterRef("run_id")).order_by("-ordinal").values("ordinal")[:1]
    rows = Checkpoint.objects.filter(run_id__in=list(run_ids), ordinal=Subquery(newest))
    return dict(rows.values_list("run_id", "cursor"))


_newest = prepared.Reader(Checkpoint, by="run", order="ordinal DESC")


def context_at(run_id: uuid.UUID, *, ordinal: int) -> dict[str, JSON]:
    """Return attributes, request and response as a checkpoint found them."""
    rows = Checkpoint.objects.filter(run_id=run_id, ordinal__lte=ordinal, context__isnull=False).order_by("ordinal")
    context: dict[str, JSON] = {}
    for changes in rows.values_list("context", flat=True):
        context.update(changes or {})
    return context
