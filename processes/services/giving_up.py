"""Giving up what a run has spread over child runs, when nobody waits for it any more."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from processes.domain.joining import Standing
from processes.models import FanOut, Run
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tasks.errors import IllegalTransition, TaskNotFound
from tasks.models import Job
from tasks.services.cancelling import cancel
from tasks.services.committing import after_commit

__all__ = ["begins_rest", "cancel_children", "cancels_rest", "give_up", "is_pointless"]


def is_pointless(fan_out: FanOut) -> bool:
    """Tell whether nobody wants the rest of a fan-out: its parent has ended badly while it waited, or is cancelled."""
    status, is_cancelled = _parent_of(fan_out)
    return is_cancelled or (fan_out.awaited and status in JOB_TERMINAL)


def begins_rest(fan_out: FanOut) -> bool:
    """Tell whether what hasn't begun is begun though enough has come together: it is left to itself then."""
    if not fan_out.standing or cancels_rest(fan_out) or fan_out.next_index >= (fan_out.total or 0):
        return False
    return not _parent_of(fan_out)[1]


def _parent_of(fan_out: FanOut) -> tuple[JobStatus, bool]:
    """Give the status of the run that has spread it, and whether that is cancelled, or is to be."""
    status, asked_at = Job.objects.values_list("status", "cancel_requested_at").get(pk=fan_out.run_id)
    return JobStatus(status), asked_at is not None or status == JobStatus.CANCELLED.value


def cancels_rest(fan_out: FanOut) -> bool:
    """Tell whether what is still at work of a fan-out that has come to its end is cancelled."""
    return bool(fan_out.standing) and (fan_out.losers == FanOut.Losers.CANCEL or fan_out.standing == Standing.FAILED)


def give_up(run_id: uuid.UUID, *, ordinals: Collection[int] | None = None, awaited: bool = False) -> None:
    """Give up what a run has spread, all of it, what these steps have, or (`awaited`) what it waits for.

    No more children are started, and those at work are cancelled. Call it in the transaction that lets the run go on
    without them, or end: rolled back, it leaves them to their parent. It may hold the run's job, which a child that
    ends at this moment waits for with the fan-out locked; that one is given up after the commit.
    """
    wanted = Q(run_id=run_id, standing="")
    if ordinals is not None:
        wanted &= Q(ordinal__in=ordinals)
    if awaited:
        wanted &= Q(awaited=True)
    open_ones = set(FanOut.objects.filter(wanted).values_list("pk", flat=True))
    if not open_ones:
        return
    free = FanOut.objects.filter(wanted, pk__in=open_ones).order_by("pk").select_for_update(skip_locked=True)
    given_up = set(free.values_list("pk", flat=True))
    FanOut.objects.filter(pk__in=given_up).update(standing=Standing.FAILED.value)
    for pk in sorted(given_up):
        after_commit(cancel_children, pk)
    if locked := open_ones - given_up:
        after_commit(_give_up_later, sorted(locked))


def _give_up_later(pks: Collection[int]) -> None:
    for pk in pks:
        with transaction.atomic():
            # Nothing else is locked here: whoever has it comes to an end.
            rows = FanOut.objects.select_for_update().filter(pk=pk, standing="").values_list("pk", flat=True)
            if rows.first() is not None:
                FanOut.objects.filter(pk=pk).update(standing=Standing.FAILED.value)
                after_commit(cancel_children, pk)


def cancel_children(fan_out_id: int) -> None:
    """Ask for the end of the child runs that are still at work."""
    open_children = Run.objects.filter(fan_out_id=fan_out_id, root__closed=False)
    for pk in list(open_children.values_list("pk", flat=True)):
        try:
            cancel(root_id=pk, reason=_("It isn't needed any more."))
        except (IllegalTransition, TaskNotFound):
            continue  # It has ended meanwhile.
