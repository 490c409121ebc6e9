"""What the dispatcher does at each tick: expired leases, lost hints, stale trees, mails that were asked for, purging.

Any number of dispatchers may run: each batch is claimed with skip-locked rows, by the database's clock.
"""

import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import timedelta
from time import monotonic

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from tasks.domain.statuses import NodeStatus
from tasks.errors import IllegalTransition, StaleFence
from tasks.models import Job, TaskRoot
from tasks.services import sql
from tasks.services.cancelling import cancel_orphans
from tasks.services.celery_roots import note_ended
from tasks.services.heartbeat import BEAT_SECONDS
from tasks.services.hints import WORKER_SLOTS, send_hint
from tasks.services.losses import release_expired
from tasks.services.roots import end_root
from tasks.services.throttling import let_go
from tasks.services.watches import tell_watchers

logger = logging.getLogger(__name__)

#: A due job whose hint is older than this has lost it.
HINT_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Say what one tick did."""

    released: int
    let_go: int
    cancelled: int
    hinted: int
    ended: int
    told: int
    purged: int

    def __bool__(self) -> bool:
        return any(astuple(self))


def tick() -> Tick:
    """Do everything that is due now, in bounded batches.

    Raises OperationalError where the database is away; whatever else goes wrong in one duty leaves the others alone.
    """
    return Tick(
        released=_do(release_lost),
        let_go=_do(let_go),
        cancelled=_do(cancel_orphans),
        hinted=_do(send_lost_hints),
        ended=_do(end_stale_roots),
        told=_do(tell_watchers),
        purged=_do(purge_finished),
    )


def _do(duty: Callable[[], int]) -> int:
    try:
        return duty()
    except OperationalError:
        raise
    except Exception:
        logger.exception("The dispatcher could not do its work (%s).", duty.__name__)
        return 0


def release_lost() -> int:
    """Take expired jobs away from their workers, unless nobody could have shown a sign of life.

    On SQLite whoever writes keeps everybody else from it: a worker whose own transaction lasted longer than its lease
    must be heard before it is taken for dead.
    """
    global _quiet_until  # noqa: PLW0603 - this process's own notice
    began = monotonic()
    with transaction.atomic():
        # It has the lock that others may have waited for.
        waited = monotonic() - began
    if waited > LONG_WAIT_SECONDS:
        _quiet_until = monotonic() + 3 * BEAT_SECONDS
    return 0 if monotonic() < _quiet_until else release_expired()


_quiet_until = 0.0
#: Longer than this nobody waits for the write lock of SQLite, unless somebody holds it all that time.
LONG_WAIT_SECONDS = 1.0


def send_lost_hints() -> int:
    """Hint again for due jobs that nobody has claimed; return for how many.

    Each queue has at most twice the worker slots of fresh hints, and none keeps others waiting.
    """
    most = 2 * int(getattr(settings, "STEPLINE_WORKER_SLOTS", WORKER_SLOTS))
    oldest = Now() - timedelta(seconds=HINT_SECONDS)
    due = Job.objects.filter(sql.job_claimable(), due_at__lte=Now())
    unhinted = due.filter(Q(hinted_at__isnull=True) | Q(hinted_at__lt=oldest))
    hinted = 0
    for queue in unhinted.order_by().values_list("queue", flat=True).distinct():
        with transaction.atomic():
            room = most - due.filter(queue=queue, hinted_at__gte=oldest).count()
            rows = unhinted.filter(queue=queue).order_by("due_at").select_for_update(skip_locked=True)
            chosen = list(rows.values_list("pk", flat=True)[:room]) if room > 0 else []
            Job.objects.filter(pk__in=chosen).update(hinted_at=Now())
        # The broker is asked outside the transaction: it may be slow, and the rows mustn't stay locked meanwhile.
        for _ in chosen:
            if not send_hint(queue):
                break
        hinted += len(chosen)
    return hinted


def end_stale_roots(*, limit: int = 50) -> int:
    """End roots without a job whose writer has fallen silent, and return how many."""
    stale = TaskRoot.objects.filter(closed=False, lease_until__lt=Now()).order_by("lease_until")
    ended = 0
    for pk in stale.values_list("pk", flat=True)[:limit]:
        try:
            end_root(root_id=pk, status=NodeStatus.FAILED, reason="Its writer has gone; nothing more will come.")
        except (StaleFence, IllegalTransition):
            continue  # It ended or got a job meanwhile, or another dispatcher was first.
        note_ended(pk)
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
