# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""What an execution keeps of the work that the one before it has spread, and what below a run must not be done twice.

An item says with its result which `once` actions it has begun that weren't undone since: `{"spent": [names], …}`; for
the item that is at work its run says so (processes.domain.origin). So it is known of a loop what is done, also when its
child runs are long gone.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from django.db.models import Q

from processes.domain.joining import Standing
from processes.domain.json_values import JSON
from processes.domain.origin import kept_step, spent_actions
from processes.models import FanOut, FanOutItem, Run
from processes.services.known_items import known_by, known_by_sql
from tasks.domain.jsonvalue import dumps
from tasks.services import sql
from tasks.services.cursors import fixed_cursor

__all__ = [
    "SPENT",
    "has_spent",
    "keep_done",
    "keeps",
    "loop_at",
    "next_span",
    "spent_below",
    "take_up_added",
    "unfinished_spent",
]

#: The key of an item's result that names what must not be done twice.
SPENT: Final = "spent"

_ITEM = FanOutItem._meta.db_table
_DONE = FanOutItem.Status.COMPLETED
#: Who has added a piece that an earlier execution has left: an item that is done, so that nobody adds it once more;
#: or one that begins anew, and may add it again.
_BY_DONE, _BY_OPEN = -1, -2

#: Items that are the same are told apart by their order: those that the action has spread come before added ones, so
#: that these stay what they are, and those that are done first, so that nothing of what is done is lost.
_PAIRED = f"""
    WITH mine AS (
        SELECT "index", target, known, name, ROW_NUMBER() OVER (PARTITION BY known, name ORDER BY "index") AS nth
        FROM (SELECT *, {{known}} AS known FROM {_ITEM} WHERE fan_out_id = %s) AS items
    ), earlier AS (
        SELECT *, ROW_NUMBER() OVER (
            PARTITION BY known, name ORDER BY added_by IS NOT NULL, status <> '{_DONE}', "index"
        ) AS nth
        FROM (SELECT *, {{known}} AS known FROM {_ITEM} WHERE fan_out_id = %s) AS items
    ), paired AS (
        SELECT earlier.*, mine."index" AS place, mine.target AS place_target
        FROM earlier LEFT JOIN mine
        ON mine.known = earlier.known AND mine.name = earlier.name AND mine.nth = earlier.nth
    )
"""
_KEEP = f"""
    INSERT INTO {_ITEM} (fan_out_id, "index", status, result, target, item, name)
    {_PAIRED} SELECT %s, place, status, result, place_target, item, name FROM paired
    WHERE place IS NOT NULL AND status = '{_DONE}'
    ON CONFLICT (fan_out_id, "index") DO UPDATE SET status = excluded.status, result = excluded.result
"""
#: They run what the loop runs now, which may have another plan.
_CARRY_OVER = f"""
    INSERT INTO {_ITEM} (fan_out_id, "index", status, result, target, item, name, added_by)
    {_PAIRED} SELECT
        %s,
        %s - 1 + ROW_NUMBER() OVER (ORDER BY added."index"),
        CASE added.status WHEN '{_DONE}' THEN added.status ELSE '{FanOutItem.Status.PENDING}' END,
        CASE added.status WHEN '{_DONE}' THEN added.result END,
        COALESCE((SELECT target FROM mine WHERE "index" = 0), added.target),
        added.item,
        added.name,
        CASE
            WHEN added.added_by < 0 THEN added.added_by
            WHEN adding.status = '{_DONE}' AND (adding.place IS NOT NULL OR adding.added_by IS NOT NULL) THEN {_BY_DONE}
            ELSE {_BY_OPEN}
        END
    FROM paired AS added LEFT JOIN paired AS adding ON adding."index" = added.added_by
    WHERE added.added_by IS NOT NULL AND added.place IS NULL
"""


def loop_at(run: Run, ordinal: int) -> FanOut | None:
    """Return what a step of a run has spread; of one that has taken it over and not come to it, what it took over."""
    seen: Run | None = run
    while seen is not None:
        found = FanOut.objects.filter(run_id=seen.pk, ordinal=ordinal, total__isnull=False).first()
        if found is not None:
            return found
        seen = seen.previous if keeps(seen, ordinal) else None
    return None


def keeps(run: Run, ordinal: int) -> bool:
    """Tell whether a step of a run goes on with what the execution before it has spread."""
    return run.origin is not None and kept_step(run.origin) == ordinal


def keep_done(fan_out: FanOut, total: int) -> tuple[int, int]:
    """Mark the pieces as done that the execution before has done, whatever else has changed, and add what was added.

    Inside the transaction that says how many pieces there are. `total` are stored; returns how many there are then, and
    how many of them are done.
    """
    run = fan_out.run
    earlier = (
        None if not keeps(run, fan_out.ordinal) or run.previous is None else loop_at(run.previous, fan_out.ordinal)
    )
    if earlier is None:
        return total, 0
    known = known_by_sql()
    with fixed_cursor() as cursor:
        cursor.execute(_KEEP.format(known=known), [fan_out.pk, earlier.pk, fan_out.pk])
        cursor.execute(_CARRY_OVER.format(known=known), [fan_out.pk, earlier.pk, fan_out.pk, total])
    items = FanOutItem.objects.filter(fan_out=fan_out)
    return items.count(), items.filter(status=_DONE).count()


def take_up_added(fan_out: FanOut, items: Iterable[JSON], *, by: int) -> Iterator[JSON]:
    """Give the items that are still to be added, of those that the item `by` adds.

    Where it has begun anew, the execution before may have added the others. Inside the transaction that adds them.
    """
    if not keeps(fan_out.run, fan_out.ordinal):
        yield from items
        return
    wanted = list(items)
    places: defaultdict[str, deque[int]] = defaultdict(deque)
    for place, item in enumerate(wanted):
        places[known_by(dumps(item))].append(place)
    there: dict[int, int] = {}
    left = FanOutItem.objects.filter(fan_out=fan_out, added_by=_BY_OPEN).order_by("index")
    for index, text in left.values_list("index", "item").iterator():
        if len(there) == len(wanted):
            break
        if same := places.get(known_by(text)):
            there[same.popleft()] = index
    taken = iter(there.values())
    while chunk := list(islice(taken, sql.ROWS_PER_STATEMENT)):
        FanOutItem.objects.filter(fan_out=fan_out, index__in=chunk).update(added_by=by)
    yield from (item for place, item in enumerate(wanted) if place not in there)


def next_span(fan_out: FanOut) -> tuple[int, int] | None:
    """Return the first and last of the next pieces of one child run; None where all have been begun, or are done."""
    total = fan_out.total or 0
    if not keeps(fan_out.run, fan_out.ordinal):
        first = fan_out.next_index
        return None if first >= total else (first, min(first + fan_out.batch_size, total) - 1)
    rows = FanOutItem.objects.filter(
        fan_out=fan_out, index__gte=fan_out.next_index, status=FanOutItem.Status.PENDING
    ).order_by("index")
    open_ones = list(rows.values_list("index", flat=True)[: fan_out.batch_size])
    if not open_ones:
        return None
    # A run works off what lies side by side.
    together = [index for place, index in enumerate(open_ones) if index == open_ones[0] + place]
    return together[0], together[-1]


def has_spent(fan_out: FanOut) -> bool:
    """Tell whether an item has done what must not be done twice."""
    return FanOutItem.objects.filter(fan_out=fan_out, result__has_key=SPENT).exists()


def unfinished_spent(fan_out: FanOut) -> list[str]:
    """Return what must not be done twice of pieces that begin anew when a loop is taken up: those that aren't done."""
    return sorted({name for _, names in _spent({fan_out.pk: 0}, ~Q(status=_DONE)) for name in names})


def spent_below(run: Run, *, after: int) -> dict[int, list[str]]:
    """Return what must not be done twice of what the steps behind `after` have spread, by step."""
    level = dict(FanOut.objects.filter(run_id=run.pk, ordinal__gt=after).values_list("pk", "ordinal"))
    kept = None if run.origin is None else kept_step(run.origin)
    if kept is not None and kept > after and (loop := loop_at(run, kept)) is not None:
        level[loop.pk] = kept
    found: dict[int, set[str]] = {}
    for ordinal, names in _spent(level, Q()):
        found.setdefault(ordinal, set()).update(names)
    return {ordinal: sorted(names) for ordinal, names in found.items()}


def _spent(level: Mapping[int, int], which: Q) -> Iterator[tuple[int, Collection[str]]]:
    """Give the step and the names of what was spent in fan-outs, and in what their child runs have spread.

    `level` are fan-outs with the step that they count for; `which` says which of their items count.
    """
    rest = iter(level.items())
    while chunk := dict(islice(rest, sql.ROWS_PER_STATEMENT)):
        items = FanOutItem.objects.filter(which, fan_out__in=chunk)
        for pk, result in items.filter(result__has_key=SPENT).values_list("fan_out_id", "result").iterator():
            yield chunk[pk], (result or {}).get(SPENT, ())
        # An item that is at work, or whose run was just begun to end, has said nothing yet.
        at_work = Run.objects.filter(fan_out__in=chunk, origin__has_key=SPENT)
        for pk, origin in at_work.values_list("fan_out_id", "origin").iterator():
            yield chunk[pk], spent_actions(origin or {})
        below = FanOut.objects.filter(run__fan_out__in=chunk).exclude(standing=Standing.JOINED.value)
        yield from _spent(
            {pk: chunk[parent] for pk, parent in below.values_list("pk", "run__fan_out_id").iterator()}, Q()
        )
