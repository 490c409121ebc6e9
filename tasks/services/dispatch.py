"""What the dispatcher does at each tick: expired leases, lost hints, stale trees, purging.

Any number of dispatchers may run: each batch is claimed with skip-locked rows, by the database's clock.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from tasks.domain.statuses import JOB_CLAIMABLE, NodeStatus
from tasks.errors import StaleFence
from tasks.models import Job, TaskRoot
from tasks.services.claims import release_expired
from tasks.services.hints import send_hint
from tasks.services.roots import end_root

#: A due job whose hint is older than this has lost it.
HINT_SECONDS = 1.5
#: Worker slots per queue that hints are sent for, unless the setting STEPLINE_WORKER_SLOTS says otherwise.
WORKER_SLOTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Say what one tick did."""

    released: int
    hinted: int
    ended: int
    purged: int

    def __bool__(self) -> bool:
        return bool(self.released or self.hinted or self.ended or self.purged)


def tick() -> Tick:
    """Do everything that is due now, in bounded batches."""
    return Tick(released=release_expired(), hinted=send_lost_hints(), ended=end_stale_roots(), purged=purge_finished())


def send_lost_hints() -> int:
    """Hint again for due jobs that nobody has claimed, at most twice the worker slots per queue; return how many."""
    slots = int(getattr(settings, "STEPLINE_WORKER_SLOTS", WORKER_SLOTS))
    with transaction.atomic():
        waiting = Q(hinted_at__isnull=True) | Q(hinted_at__lt=Now() - timedelta(seconds=HINT_SECONDS))
        due = Job.objects.filter(waiting, status__in=sorted(JOB_CLAIMABLE), due_at__lte=Now())
        rows = list(due.order_by("due_at").select_for_update(skip_locked=True).values_list("pk", "queue")[: 20 * slots])
        queues: Counter[str] = Counter()
        chosen = []
        for pk, queue in rows:
            if queues[queue] < 2 * slots:
                queues[queue] += 1
                chosen.append(pk)
        Job.objects.filter(pk__in=chosen).update(hinted_at=Now())
    # The broker is asked outside the transaction: it may be slow, and the rows mustn't stay locked meanwhile.
    for queue, count in queues.items():
        for _ in range(count):
            if not send_hint(queue):
                break
    return len(chosen)


def end_stale_roots(*, limit: int = 50) -> int:
    """End roots without a job whose writer has fallen silent, and return how many."""
    stale = TaskRoot.objects.filter(closed=False, lease_until__lt=Now()).order_by("lease_until")
    ended = 0
    for pk in stale.values_list("pk", flat=True)[:limit]:
        try:
            end_root(root_id=pk, status=NodeStatus.FAILED, reason="Its writer has gone; nothing more will come.")
        except StaleFence:
            continue  # It ended meanwhile, or another dispatcher was first.
        ended += 1
    return ended


def purge_finished(*, limit: int = 100) -> int:
    """Delete trees whose time is over, with all that belongs to them, and return how many."""
    with transaction.atomic():
        rows = TaskRoot.objects.filter(purge_at__lt=Now()).select_for_update(skip_locked=True)
        chosen = list(rows.values_list("pk", flat=True)[:limit])
        if chosen:
            TaskRoot.objects.filter(pk__in=chosen).delete()
    return len(chosen)
