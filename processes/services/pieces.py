# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""The pieces of a fan-out as rows: stored and read many at once, with what has come of each."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from django.db import transaction

from processes.domain.json_values import JSON
from processes.models import FanOut, FanOutItem, Run
from tasks.domain.jsonvalue import dumps
from tasks.services import sql
from tasks.services.cursors import fixed_cursor

__all__ = [
    "Piece",
    "Result",
    "StoredPiece",
    "count_failed",
    "insert_pieces",
    "next_pending",
    "read_pieces",
    "store_pieces",
    "write_results",
]

_ITEM = FanOutItem._meta.db_table
_PENDING = FanOutItem.Status.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Hold one piece of work: what runs, {"plan", "entry"?, "bare"?}, and the item or the branch's name."""

    target: Mapping[str, JSON]
    item: JSON = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Say what has come of an item: {"state"?, "value"?, "data"?}, or {"error"}; both with "spent"? (kept_pieces)."""

    index: int
    status: FanOutItem.Status
    result: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """Hold what a piece runs, its item as a JSON text, and its name."""

    target: Mapping[str, JSON]
    item: str
    name: str


def store_pieces(fan_out: FanOut, pieces: Iterable[Piece], *, hold: Callable[[], None]) -> Iterator[int]:
    """Store pieces in their order, in chunks, and give after each chunk how many there are.

    Where an earlier attempt has said how many there are, these are the ones, and some may have begun. What one has left
    that didn't come so far goes: the pieces may be others by now, and none of them has begun. `hold` keeps the run from
    being taken over within a transaction, and raises where it was: its new worker stores them.
    """
    if fan_out.total is not None:
        return
    with transaction.atomic():
        hold()
        FanOutItem.objects.filter(fan_out=fan_out).delete()
    stored, remaining = 0, iter(pieces)
    while chunk := list(islice(remaining, sql.ROWS_PER_STATEMENT)):
        with transaction.atomic():
            hold()
            insert_pieces(fan_out.pk, chunk, first=stored)
        stored += len(chunk)
        yield stored


def insert_pieces(fan_out_id: int, pieces: Sequence[Piece], *, first: int, added_by: int | None = None) -> None:
    """Insert pieces under the indexes from `first` on, by one statement; `added_by` is the item that adds them."""
    parameters: list[sql.Value] = []
    for index, piece in enumerate(pieces, start=first):
        parameters += (fan_out_id, index, sql.json_value(dict(piece.target)), dumps(piece.item), piece.name, added_by)
    with fixed_cursor() as cursor:
        cursor.execute(_piece_insert(len(pieces)), parameters)


@lru_cache(maxsize=4)
def _piece_insert(rows: int) -> str:
    # The statement is long, and but two lengths are frequent: that of a whole chunk, and that of the last one.
    one = f"(%s, %s, %s, %s, %s, %s, '{_PENDING}')"
    columns = 'fan_out_id, "index", target, item, name, added_by, status'
    return f"INSERT INTO {_ITEM} ({columns}) VALUES {', '.join([one] * rows)}"


def read_pieces(fan_out_id: int, *, first: int, last: int) -> list[StoredPiece]:
    """Return the pieces from one index to another, both included."""
    with fixed_cursor() as cursor:
        cursor.execute(_PIECES, [fan_out_id, first, last])
        return [StoredPiece(json.loads(target), item, name) for target, item, name in cursor.fetchall()]


_PIECES = (
    f"SELECT CAST(target AS text), item, name FROM {_ITEM}"
    ' WHERE fan_out_id = %s AND "index" BETWEEN %s AND %s ORDER BY "index"'
)


def next_pending(run: Run) -> int | None:
    """Return the first item that a child run has still to work off; None where there is none."""
    rows = FanOutItem.objects.filter(
        fan_out_id=run.fan_out_id, index__gte=run.first_index, index__lte=run.last_index, status=_PENDING
    )
    return rows.order_by("index").values_list("index", flat=True).first()


def count_failed(fan_out_id: int, *, first: int, last: int) -> int:
    """Count the pieces from one index to another, both included, that have failed."""
    rows = FanOutItem.objects.filter(fan_out_id=fan_out_id, index__gte=first, index__lte=last)
    return rows.filter(status=FanOutItem.Status.FAILED).count()


def write_results(fan_out_id: int, results: Iterable[Result]) -> None:
    """Store what has come of items, inside the caller's transaction."""
    rows = list(results)
    with fixed_cursor() as cursor:
        for start in range(0, len(rows), sql.ROWS_PER_STATEMENT):
            chunk = rows[start : start + sql.ROWS_PER_STATEMENT]
            parameters: list[sql.Value] = []
            for row in chunk:
                parameters += (fan_out_id, row.index, row.status.value, sql.json_value(dict(row.result)))
            cursor.execute(_result_upsert(len(chunk)), parameters)


@lru_cache(maxsize=64)
def _result_upsert(rows: int) -> str:
    # The rows are there; an upsert is how both databases change many by one statement.
    one = "(%s, %s, %s, %s, '{}', '', '')"
    return (
        f'INSERT INTO {_ITEM} (fan_out_id, "index", status, result, target, item, name)'
        f" VALUES {', '.join([one] * rows)}"
        ' ON CONFLICT (fan_out_id, "index") DO UPDATE SET status = excluded.status, result = excluded.result'
    )
