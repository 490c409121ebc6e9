# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""What an execution keeps of the work that the one before it has spread, and what below a run must not be done twice.

An item says with its result which `once` actions it has begun that weren't undone since: `{"spent": [names], …}`; for
the item that is at work its run says so (processes.domain.origin). So it is known of a loop what is done, also when its
child runs are long gone.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Final

from django.db.models import Q

from processes.domain.joining import Standing
from processes.domain.origin import kept_step, spent_actions
from processes.models import FanOut, FanOutItem, Run
from processes.services.known_items import known_by_sql
from tasks.services import sql
from tasks.services.cursors import fixed_cursor

__all__ = ["SPENT", "has_spent", "keep_done", "keeps", "loop_at", "next_span", "spent_below", "unfinished_spent"]

#: The key of an item's result that names what must not be done twice.
SPENT: Final = "spent"

_ITEM = FanOutItem._meta.db_table
_DONE = FanOutItem.Status.COMPLETED
#: Items that are the same are told apart by their order.
_NUMBERED = f"""
    SELECT *, ROW_NUMBER() OVER (PARTITION BY known, name ORDER BY "index") AS nth
    FROM (SELECT *, {{known}} AS known FROM {_ITEM} WHERE fan_out_id = %s) AS items
"""
_KEEP = f"""
    INSERT INTO {_ITEM} (fan_out_id, "index", status, result, target, item, name)
    SELECT mine.fan_out_id, mine."index", earlier.status, earlier.result, mine.target, mine.item, mine.name
    FROM ({_NUMBERED}) AS mine JOIN ({_NUMBERED} WHERE status = %s) AS earlier
    ON mine.known = earlier.known AND mine.name = earlier.name AND mine.nth = earlier.nth
    WHERE TRUE
    ON CONFLICT (fan_out_id, "index") DO UPDATE SET status = excluded.status, result = excluded.result
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


def keep_done(fan_out: FanOut) -> int:
    """Mark the pieces as done that the execution before has done, whatever else has changed; return how many.

    Inside the transaction that says how many pieces there are.
    """
    run = fan_out.run
    earlier = (
        None if not keeps(run, fan_out.ordinal) or run.previous is None else loop_at(run.previous, fan_out.ordinal)
    )
    if earlier is None:
        return 0
    with fixed_cursor() as cursor:
        cursor.execute(_KEEP.format(known=known_by_sql()), [fan_out.pk, earlier.pk, _DONE.value])
    return FanOutItem.objects.filter(fan_out=fan_out, status=_DONE).count()


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
