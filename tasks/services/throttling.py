"""What holds jobs back although they are due: rates, and concurrency keys.

A claim takes its job first and asks then. Where the answer is no, the claim is rolled back and the job is marked
(`blocked_by`), so that no later claim looks at it; it is let go when a job of its key ends, or by the dispatcher.
"""

import uuid
from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from tasks.domain.rate import Rate
from tasks.domain.statuses import JOB_HELD
from tasks.models import Job, Throttle
from tasks.registry import JobSpec, jobs
from tasks.services import sql
from tasks.services.hints import hint_after_commit

__all__ = ["HeldBack", "admit", "free_key", "hold_back", "let_go"]


class HeldBack(Exception):
    """Say which job may not begin now, and what holds it back; it rolls a claim back, and nobody else sees it."""

    def __init__(self, root_id: uuid.UUID, throttle: str) -> None:
        super().__init__(root_id, throttle)
        self.root_id = root_id
        self.throttle = throttle


def admit(spec: JobSpec, *, root_id: uuid.UUID, key: str, limit: int) -> None:
    """Count a job that is being claimed against its key and its rate; raises HeldBack where it may not begin.

    Inside the claim's transaction: those of one key or rate come one after the other. The key is asked first, so that a
    job which it holds back doesn't use the rate up. Where a key has room for one job only, the best one goes first.
    """
    if key:
        _lock_key(key)
        if limit == 1 and _is_overtaking(spec, root_id=root_id, key=key):
            raise HeldBack(root_id, key_throttle(key))
        held = Job.objects.filter(sql.job_status_in(JOB_HELD), concurrency_key=key).exclude(pk=root_id).count()
        if held >= limit:
            raise HeldBack(root_id, key_throttle(key))
    if spec.rate is not None:
        state = _lock_rate(spec)
        now = _database_time()
        admitted, moment = spec.rate.admit(now=now, free_at=state.free_at)
        if not admitted:
            raise HeldBack(root_id, state.key)
        Throttle.objects.filter(pk=state.pk).update(free_at=moment)


def hold_back(held_back: HeldBack) -> None:
    """Mark a job that may not begin now, unless what holds it back has become free meanwhile."""
    kind, _, name = held_back.throttle.partition(":")
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(sql.job_claimable(), pk=held_back.root_id).first()
        if job is None:
            return
        if kind == "key":
            _lock_key(name)
            if _free_slots(name, limit=job.concurrency_limit) > 0:
                return
        Job.objects.filter(pk=job.pk).update(blocked_by=held_back.throttle)


def free_key(key: str) -> None:
    """Let the next job of a concurrency key go, inside the transaction that ends another one of it."""
    _lock_key(key)
    _let_go(key_throttle(key), count=1)


def let_go(*, limit: int = 100) -> int:
    """Let all jobs go whose key or rate has room, and return how many: what a claim or an ending worker missed."""
    global _last_key  # noqa: PLW0603 - this process's own place in the round
    blocked = Job.objects.order_by("blocked_by").values_list("blocked_by", flat=True).distinct()
    # There are as many rates as functions, but any number of keys: so these are gone through bit by bit.
    rates = list(blocked.filter(blocked_by__startswith="rate:"))
    all_keys = blocked.filter(blocked_by__startswith="key:")
    keys = list(all_keys.filter(blocked_by__gt=_last_key)[:limit])
    if len(keys) < limit:
        # Round again, up to where this one has begun.
        keys += all_keys.filter(blocked_by__lte=_last_key)[: limit - len(keys)]
    _last_key = keys[-1] if keys else ""
    return sum(_let_go_all(throttle) for throttle in (*rates, *keys))


_last_key = ""


def key_throttle(key: str) -> str:
    """Return what `blocked_by` holds for a concurrency key."""
    return f"key:{key}"


def _let_go_all(throttle: str) -> int:
    kind, _, name = throttle.partition(":")
    with transaction.atomic():
        if kind == "key":
            _lock_key(name)
            limit = Job.objects.filter(blocked_by=throttle).values_list("concurrency_limit", flat=True).first()
            return _let_go(throttle, count=_free_slots(name, limit=limit or 1))
        if name not in jobs or (rate := jobs.get(name).rate) is None:
            # A release without this rate, or this job, has come: nothing holds its jobs back any more.
            return _let_go(throttle, count=_ALL)
        return _let_go(throttle, count=_room(rate, _lock_rate(jobs.get(name)).free_at, now=_database_time()))


_ALL = 1_000
_EVER = datetime(2000, 1, 1, tzinfo=UTC)


def _let_go(throttle: str, *, count: int) -> int:
    if count <= 0:
        return 0
    rows = Job.objects.filter(blocked_by=throttle).order_by("-priority", "due_at")
    # Whoever holds one of these rows is cancelling it, or letting it go itself.
    chosen = list(rows.select_for_update(skip_locked=True).values_list("pk", "queue")[:count])
    if chosen:
        Job.objects.filter(pk__in=[pk for pk, _ in chosen]).update(blocked_by="", hinted_at=Now())
        for _, queue in chosen:
            hint_after_commit(queue)
    return len(chosen)


def _free_slots(key: str, *, limit: int) -> int:
    return limit - Job.objects.filter(sql.job_status_in(JOB_HELD), concurrency_key=key).count()


def _room(rate: Rate, free_at: datetime | None, *, now: datetime) -> int:
    """Return how many may begin now under a rate."""
    for count in range(rate.count):
        admitted, moment = rate.admit(now=now, free_at=free_at)
        if not admitted:
            return count
        free_at = moment
    return rate.count


def _is_overtaking(spec: JobSpec, *, root_id: uuid.UUID, key: str) -> bool:
    """Tell whether another worker is just claiming a better job of the key: it has the row, this one was first here.

    On SQLite claims come one after the other anyway.
    """
    if connection.vendor != "postgresql":
        return False
    mine = Job.objects.only("queue", "priority", "due_at").get(pk=root_id)
    rivals = Job.objects.filter(sql.job_claimable(), queue=mine.queue, function=spec.name, concurrency_key=key)
    better = Q(priority__gt=mine.priority) | Q(priority=mine.priority, due_at__lt=mine.due_at)
    return rivals.filter(better, due_at__lte=Now()).exclude(pk=root_id).exists()


def _lock_key(key: str) -> None:
    # A lock without a row: there may be any number of keys, and nobody would know when to delete them. SQLite's write
    # transactions come one after the other anyway.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"stepline:{key}"])


def _lock_rate(spec: JobSpec) -> Throttle:
    key = f"rate:{spec.name}"
    rows = Throttle.objects.select_for_update()
    state = rows.filter(pk=key).first()
    if state is None:
        # Free since ever; of two that come first at the same moment, one inserts it.
        Throttle.objects.bulk_create([Throttle(key=key, free_at=_EVER)], ignore_conflicts=True)
        state = rows.get(pk=key)
    return state


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        return sql.read_now(cursor)
