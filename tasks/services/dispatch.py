"""What the dispatcher does at each tick: expired leases, timers, lost hints, stale trees, mails, purging, apps' duties.

Any number of dispatchers may run: each batch is claimed with skip-locked rows, by the database's clock.
"""

import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from tasks.domain.statuses import NodeStatus
from tasks.errors import IllegalTransition, StaleFence
from tasks.models import Job, TaskRoot
from tasks.registry import duties
from tasks.services import sql
from tasks.services.cancelling import cancel_orphans
from tasks.services.celery_canvases import note_ended
from tasks.services.heartbeat import BEAT_SECONDS
from tasks.services.hints import WORKER_SLOTS, send_hint
from tasks.services.jobs import wake_due
from tasks.services.losses import release_expired
from tasks.services.roots import end_root
from tasks.services.throttling import let_go
from tasks.services.watches import tell_watchers

logger = logging.getLogger(__name__)

#: A due job whose hint is older than this has lost it.
HINT_SECONDS = 1.5
#: How many things a duty of another app may do in one tick, so that none keeps the others waiting.
DUTY_LIMIT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Say what one tick did."""

    released: int
    let_go: int
    woken: int
    cancelled: int
    hinted: int
    ended: int
    told: int
    purged: int
    #: What the duties of other apps have done.
    other: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))


def tick() -> Tick:
    """Do everything that is due now, in bounded batches.

    Raises OperationalError where the database is away; whatever else goes wrong in one duty leaves the others alone.
    """
    return Tick(
        released=_do(release_lost),
        let_go=_do(let_go),
        woken=_do(wake_due),
        cancelled=_do(cancel_orphans),
        hinted=_do(send_lost_hints),
        ended=_do(end_lost_roots),
        told=_do(tell_watchers),
        purged=_do(purge_finished),
        other=sum(_do(partial(function, limit=DUTY_LIMIT), name=name) for name, function in duties),
    )


def _do(duty: Callable[[], int], *, name: str = "") -> int:
    try:
        return duty()
    except OperationalError:
        raise
    except Exception:
        logger.exception("The dispatcher could not do its work (%s).", name or getattr(duty, "__name__", ""))
        return 0


def release_lost() -> int:
    """Take expired jobs away from their workers, unless nobody could have shown a sign of life."""
    return 0 if _were_kept_silent() else release_expired()


def end_lost_roots() -> int:
    """End the trees of writers that have fallen silent, unless nobody could have shown a sign of life."""
    return 0 if _were_kept_silent() else end_stale_roots()


def _were_kept_silent() -> bool:
    """Tell whether those who hold leases couldn't prolong them lately.

    On SQLite whoever writes keeps everybody else from it: a worker whose own transaction lasted longer than its lease
    must be heard before it is taken for dead.
    """
    global _quiet_until  # noqa: PLW0603 - this process's own notice
    began = monotonic()
    try:
        with transaction.atomic():
            pass
    finally:
        # It has had the lock that others may have waited for, or waited in vain itself.
        if monotonic() - began > LONG_WAIT_SECONDS:
            _quiet_until = monotonic() + 3 * BEAT_SECONDS
    return monotonic() < _quiet_until


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
        for _row in chosen:
            if not send_hint(queue):
                break
        hinted += len(chosen)
    return hinted


def end_stale_roots(*, limit: int = 50) -> int:
    """End roots without a job whose writer has fallen silent, and return how many."""
    stale = TaskRoot.objects.filter(closed=False, lease_until__lt=Now()).order_by("lease_until")
    reason = _("Its writer has gone; nothing more will come.")
    ended = 0
    for pk in stale.values_list("pk", flat=True)[:limit]:
        try:
            end_root(root_id=pk, status=NodeStatus.FAILED, reason=reason)
        except (StaleFence, IllegalTransition):
            continue  # It ended or got a job meanwhile, or another dispatcher was first.
        note_ended(pk)
        ended += 1
    return ended


def purge_finished(*, limit: int = 100) -> int:
    """Delete trees whose time is over, with all that belongs to them, and return how many.

    What was started by another tree stays as long as that one, which stays until all that it has started has ended; so
    does what an execution that is alive repeats.
    """
    with transaction.atomic():
        due = TaskRoot.objects.filter(purge_at__lt=Now(), parent=None)
        due = due.exclude(pk__in=RawSQL(_NEEDED, [False, False])).order_by("purge_at")  # noqa: S611 - a constant
        # The job is the first lock of all; who has it is at work with it, to replay it maybe.
        found = list(due.values_list("pk", "job__root_id")[:limit])
        with_job = [pk for pk, job in found if job is not None]
        free = set(Job.objects.filter(pk__in=with_job).select_for_update(skip_locked=True).values_list("pk", flat=True))
        ours = [pk for pk, job in found if job is None or pk in free]
        rows = due.filter(pk__in=ours).select_for_update(skip_locked=True, of=("self",))
        chosen = list(rows.values_list("pk", flat=True))
        if chosen:
            TaskRoot.objects.filter(pk__in=chosen).delete()
    return len(chosen)


_ROOT = TaskRoot._meta.db_table
#: What lies above work that is open, however far, and what it repeats.
_NEEDED = f"""
    WITH RECURSIVE needed (id) AS (
        SELECT parent_id FROM {_ROOT} WHERE closed = %s AND parent_id IS NOT NULL
        UNION
        SELECT above.parent_id FROM {_ROOT} AS above JOIN needed ON above.id = needed.id
        WHERE above.parent_id IS NOT NULL
    )
    SELECT id FROM needed
    UNION ALL SELECT previous_id FROM {_ROOT} WHERE closed = %s AND previous_id IS NOT NULL
"""  # noqa: S608 - names of our own
