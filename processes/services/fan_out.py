"""Spreading work over child runs, and bringing it together again.

The items are rows, so that neither memory nor the broker ever holds them all. So many child runs are at work at once as
the author allows; whoever ends one of them starts the next. Lock order, within what a child's end locks: its own job
and run, the fan-out, then the parent's job, run, node and head; the child's own head comes last. A parent that holds
its own job takes no fan-out that a child's end has locked (`give_up`): it comes back after its commit.
"""

import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.joining import Join, Standing
from processes.domain.json_values import JSON
from processes.domain.origin import spent_actions
from processes.domain.run_status import RunStatus
from processes.errors import PermanentError
from processes.models import FanOut, FanOutItem, Run
from processes.services.giving_up import begins_rest, cancel_children, cancels_rest, is_pointless
from processes.services.inbox import JOINED, append_message, lock_run
from processes.services.kept_pieces import SPENT, keep_done, next_span, take_up_added
from processes.services.pieces import Piece, Result, insert_pieces, next_pending, write_results
from processes.services.run_steps import step_id
from processes.services.run_store import RUN_JOB
from tasks.models import Job
from tasks.services import sql
from tasks.services.committing import after_commit
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner, report_node

__all__ = ["add_pieces", "begin", "child_ended", "open_fan_out", "set_total"]

_PENDING, _COMPLETED, _FAILED, _CANCELLED = FanOutItem.Status
#: How often the parent is told how far its children are.
TOLD_EVERY = timedelta(seconds=1)


def open_fan_out(*, run_id: uuid.UUID, ordinal: int, **columns: object) -> FanOut:
    """Return the fan-out of a step, which an attempt whose worker died may have opened already."""
    fan_out, _created = FanOut.objects.get_or_create(run_id=run_id, ordinal=ordinal, defaults=columns)
    return fan_out


def add_pieces(*, run_id: uuid.UUID, items: Iterable[JSON]) -> int:
    """Add items to what a child run is a part of, in the caller's transaction; return how many there are then.

    They run what the child's own item runs. Raises PermanentError `no_loop` where the run is no child of a loop,
    `joined` where the loop has come to its end.
    """
    child = Run.objects.only("fan_out_id", "first_index", "last_index").get(pk=run_id)
    rows = FanOut.objects.select_for_update(of=("self",)).select_related("run")
    fan_out = rows.filter(children=child).exclude(item_key="").first()
    if fan_out is None:
        raise PermanentError(_("This run works off no item of a loop."), code="no_loop")
    if fan_out.standing:
        raise PermanentError(_("The loop has come to its end already."), code="joined")
    target = FanOutItem.objects.values_list("target", flat=True).get(fan_out=fan_out, index=child.first_index or 0)
    # The item at work: what has an effect begins with a checkpoint, which says of those before it that they have ended.
    adding = next_pending(child) or 0
    remaining = (Piece(target=target, item=item) for item in take_up_added(fan_out, items, by=adding))
    total = fan_out.total or 0
    while chunk := list(islice(remaining, sql.ROWS_PER_STATEMENT)):
        insert_pieces(fan_out.pk, chunk, first=total, added_by=adding)
        total += len(chunk)
    fan_out.total = total
    FanOut.objects.filter(pk=fan_out.pk).update(total=fan_out.total, needed=None)
    _start_children(fan_out)
    return fan_out.total


def set_total(fan_out: FanOut, total: int, *, needed: int | None, hold: Callable[[], None]) -> int:
    """Say how many pieces there are, once all are stored, and return it; None of `needed` for all of them.

    Where an earlier execution has worked at them, what it has done is done, and what was added there is added. `hold`
    keeps the run from being taken over meanwhile.
    """
    if fan_out.total is not None:
        # An attempt that has said so may have begun them, and their ends lock the fan-out before this run's job.
        return fan_out.total
    with transaction.atomic():
        hold()
        row = FanOut.objects.select_related("run__previous").get(pk=fan_out.pk)
        row.total, row.completed = keep_done(row, total)
        row.needed = needed
        row.save(update_fields=["total", "needed", "completed"])
        return row.total


def begin(run_id: uuid.UUID, *, ordinal: int) -> None:
    """Start the first child runs of a fan-out, in the transaction that parks the run which waits for it, if one does.

    Where that has been done before, nothing happens.
    """
    with transaction.atomic():
        rows = FanOut.objects.select_for_update(of=("self",)).select_related("run")
        fan_out = rows.filter(run_id=run_id, ordinal=ordinal, next_index=0, standing="").first()
        if fan_out is None or not fan_out.total:
            return
        standing = _join_of(fan_out).standing(completed=fan_out.completed, failed=0)
        if standing is Standing.RUNNING:
            _start_children(fan_out)
        else:
            # An earlier execution has done it all.
            FanOut.objects.filter(pk=fan_out.pk).update(standing=standing.value)
            _wake_parent(fan_out, winner=None)


def child_ended(child: Run, results: Iterable[Result], *, status: RunStatus, reason: str = "") -> None:
    """Count what a child run has done, start the next one, and wake the parent where it has come together.

    Inside the transaction that ends the child. What it hasn't come to counts as failed, or cancelled with it.
    """
    assert child.fan_out_id is not None
    write_results(child.fan_out_id, results)
    fan_out = FanOut.objects.select_for_update(of=("self",)).select_related("run").get(pk=child.fan_out_id)
    items = FanOutItem.objects.filter(fan_out=fan_out, index__gte=child.first_index, index__lte=child.last_index)
    left = _CANCELLED if status is RunStatus.CANCELLED else _FAILED
    error: dict[str, JSON] = {"error": {"code": status.value, "message": reason}}
    if child.origin and (spent := spent_actions(child.origin)):
        # The first one was at work.
        at_work = items.filter(status=_PENDING).order_by("index")[:1].values_list("index", flat=True)
        items.filter(index__in=list(at_work)).update(status=left, result={**error, SPENT: spent})
    items.filter(status=_PENDING).update(status=left, result=error)
    counts = items.aggregate(
        completed=Count("pk", filter=Q(status=_COMPLETED)), failed=Count("pk", filter=~Q(status=_COMPLETED))
    )
    fan_out.running -= 1
    fan_out.completed += counts["completed"]
    fan_out.failed += counts["failed"]
    if fan_out.standing:
        if begins_rest(fan_out):
            _start_children(fan_out)
        fan_out.save(update_fields=["running", "completed", "failed"])
        return
    standing = _join_of(fan_out).standing(completed=fan_out.completed, failed=fan_out.failed)
    if standing is Standing.RUNNING and is_pointless(fan_out):
        # Its end has passed over this fan-out, which was locked here, or somebody has died before coming back to it.
        fan_out.standing = Standing.FAILED.value
        fan_out.save(update_fields=["running", "completed", "failed", "standing"])
        after_commit(cancel_children, fan_out.pk)
        return
    if standing is Standing.RUNNING:
        _start_children(fan_out)
    else:
        fan_out.standing = standing.value
        # Before the parent's head, which `_tell` locks: its own holder takes them in this order too.
        lock_run(fan_out.run_id)
        if begins_rest(fan_out):
            _start_children(fan_out)
    _tell(fan_out)
    fan_out.save(update_fields=["running", "completed", "failed", "standing", "next_index", "told_at"])
    if standing is not Standing.RUNNING:
        _wake_parent(fan_out, winner=child)
        if cancels_rest(fan_out):
            after_commit(cancel_children, fan_out.pk)


def _join_of(fan_out: FanOut) -> Join:
    total = fan_out.total or 0
    return Join(
        total=total,
        needed=total if fan_out.needed is None else fan_out.needed,
        failures_allowed=fan_out.failures_allowed,
    )


def _start_children(fan_out: FanOut) -> None:
    """Start child runs up to the number that may be at work; the caller has the fan-out locked, or made."""
    parent = fan_out.run
    job = Job.objects.only("queue", "priority").get(pk=parent.pk)
    while fan_out.running < fan_out.concurrency and (span := next_span(fan_out)) is not None:
        first, last = span
        _start_child(fan_out, parent, job, first=first, last=last)
        fan_out.next_index, fan_out.running = last + 1, fan_out.running + 1
    FanOut.objects.filter(pk=fan_out.pk).update(next_index=fan_out.next_index, running=fan_out.running)


def _start_child(fan_out: FanOut, parent: Run, job: Job, *, first: int, last: int) -> None:
    target, name = FanOutItem.objects.values_list("target", "name").get(fan_out=fan_out, index=first)
    span = f"{first + 1:,}" if first == last else f"{first + 1:,}–{last + 1:,}"
    child = enqueue(
        RUN_JOB,
        owner=Owner(user_id=parent.user_id, session_key=parent.session_key),
        title=name or span,
        parent_id=parent.pk,
        is_part=True,
        queue=job.queue,
        priority=job.priority,
    )
    Run.objects.create(
        root_id=child.root_id,
        template_id=parent.template_id,
        plan_id=target["plan"],
        instance_id=parent.instance_id,
        user_id=parent.user_id,
        session_key=parent.session_key,
        cursor={},
        request={"language": (parent.request or {}).get("language")},
        fan_out=fan_out,
        first_index=first,
        last_index=last,
        lent_to=parent.lent_to or parent.pk,
    )


def _tell(fan_out: FanOut) -> None:
    """Tell those who follow the parent how far its children are, at most once a second, and at the end."""
    now = timezone.now()
    if not fan_out.standing and fan_out.told_at is not None and now - fan_out.told_at < TOLD_EVERY:
        return
    fan_out.told_at = now
    report_node(
        root_id=fan_out.run_id,
        node_id=step_id(fan_out.run_id, fan_out.ordinal),
        current=fan_out.completed + fan_out.failed,
        total=fan_out.total,
    )


def _wake_parent(fan_out: FanOut, *, winner: Run | None) -> None:
    items = FanOutItem.objects.filter(fan_out=fan_out, status=_COMPLETED).order_by("index")
    if winner is not None:
        items = items.filter(index=winner.first_index or 0)
    name = items.values_list("name", flat=True).first()
    payload: dict[str, JSON] = {"ordinal": fan_out.ordinal, "fan_out": fan_out.pk, "winner": name or ""}
    append_message(run_id=fan_out.run_id, kind=JOINED, payload=payload, dedupe_key=f"joined:{fan_out.pk}")
