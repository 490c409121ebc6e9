"""A worker's hold on a job: getting it, and keeping it.

A claim raises the fence of the job and of its root. Whatever the worker writes later compares the fence: once another
claim has raised it, nothing of the old one is stored.
"""

import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.functions import Now
from django.utils import timezone

from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JobStatus
from tasks.domain.updates import UpdateType, draft
from tasks.errors import StaleFence
from tasks.models import Job, TaskRoot
from tasks.registry import jobs
from tasks.services import job_sql, sql
from tasks.services.cursors import Cursor, fixed_cursor, is_unwatched
from tasks.services.hints import hint_after_commit
from tasks.services.log import announce, stamped
from tasks.services.roots import Owner
from tasks.services.throttling import HeldBack, admit, hold_back
from tasks.services.write_turns import atomic_in_turn, own_transaction

#: How long a claim holds without a heartbeat; the setting STEPLINE_LEASE_SECONDS overrides it.
LEASE_SECONDS = 15.0
#: Jobs that a claim finds held back before it gives up for the moment.
MOST_HELD_BACK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold what a worker knows of the job it holds."""

    root_id: uuid.UUID
    title: str
    owner: Owner
    function: str
    arguments: JSONObject
    queue: str
    #: Attempts begun, this one included.
    attempt: int
    #: Attempts and lost claims together, as the tree numbers them.
    mark: int
    retry: RetryPolicy
    fence: int
    #: An earlier claim has written to this tree.
    continues: bool
    cancel_requested: bool
    #: What an earlier attempt has saved.
    saved: JSON = None
    concurrency_key: str = ""
    worker: str = ""
    began_at: datetime | None = None

    @property
    def has_attempts_left(self) -> bool:
        """Tell whether the job is tried again if this attempt fails."""
        return self.attempt < self.retry.attempts

    @property
    def status_without_attempts(self) -> JobStatus:
        """Return how the job ends if its last attempt fails."""
        # With one attempt there was nothing to exhaust: it just failed.
        return JobStatus.DEAD_LETTER if self.retry.attempts > 1 else JobStatus.FAILED


def lease_seconds() -> float:
    """Return how long a claim holds without a heartbeat."""
    return float(getattr(settings, "STEPLINE_LEASE_SECONDS", LEASE_SECONDS))


def lease_end() -> object:
    """Return the expression for the end of a lease that begins now, by the database's clock."""
    return Now() + timedelta(seconds=lease_seconds())


def claim(*, queue: str, worker: str) -> Claim | None:
    """Claim the best due job of `queue` that this process can work on; None where there is none.

    Priority first, then the time it was due. Workers that claim at the same time skip each other's rows. Jobs whose key
    or rate has no room are passed over.
    """
    for _ in range(MOST_HELD_BACK):
        claimant: job_sql.Claimant = {
            "worker": worker,
            "lease_seconds": lease_seconds(),
            "updates": stamped(_CLAIMED),
        }
        try:
            with _transaction(), fixed_cursor() as cursor:
                found = job_sql.claim_best(cursor, queue=queue, functions=jobs.names(), gated=jobs.rated(), **claimant)
            gated = isinstance(found, job_sql.Gated)
            if isinstance(found, job_sql.Gated):
                with atomic_in_turn(), fixed_cursor() as cursor:
                    found = _claim_gated(cursor, found.root_id, claimant)
        except HeldBack as held_back:
            # Whatever else is due may go first.
            hold_back(held_back)
            continue
        if found is not None:
            return _told(found, claimant)
        if not gated:
            return None
        # Somebody else has taken that one meanwhile; there may be more.
    # A hint again, so that a long row of jobs that are held back doesn't keep the rest waiting.
    hint_after_commit(queue)
    return None


def _transaction() -> AbstractContextManager[object]:
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "postgresql":
        # There a claim is one statement, which needs none.
        return nullcontext()
    is_own = not database.in_atomic_block and is_unwatched(database)
    return own_transaction(database) if is_own else atomic_in_turn()


def _claim_gated(cursor: Cursor, root_id: uuid.UUID, claimant: job_sql.Claimant) -> job_sql.Claimed | None:
    """Claim a job that its key or its rate may hold back; raises HeldBack where it does."""
    found = job_sql.claim_one(cursor, root_id=root_id, **claimant)
    if found is not None:
        admit(
            jobs.get(found.job.function),
            root_id=root_id,
            key=found.job.concurrency_key,
            limit=found.job.concurrency_limit,
        )
    return found


def _told(found: job_sql.Claimed, claimant: job_sql.Claimant) -> Claim:
    """Announce a claim, and return it."""
    job = found.job
    if found.last_seq is None:
        raise StaleFence("The log of this job is closed.", task_id=str(job.root_id))
    mark = job.attempt + job.losses
    announce(job.root_id, job_sql.with_attempt(claimant["updates"], mark), last=found.last_seq)
    return Claim(
        root_id=job.root_id,
        title=found.title,
        owner=Owner(user_id=sql.read_user(found.owner_id), session_key=found.session_key),
        function=job.function,
        arguments=cast(JSONObject, job.arguments),
        queue=job.queue,
        attempt=job.attempt,
        mark=mark,
        retry=RetryPolicy.from_json(cast(JSONObject, job.retry)),
        fence=job.fence,
        # Each claim raises the fence by one, so another one has been there.
        continues=job.fence > 1,
        cancel_requested=job.cancel_requested,
        saved=job.saved,
        concurrency_key=job.concurrency_key,
        worker=claimant["worker"],
        began_at=timezone.now(),
    )


#: A claim is made by the process that works on it, so both statuses are told at once.
_CLAIMED = [draft(UpdateType.TASK_STATUS, status=status.value) for status in (JobStatus.CLAIMED, JobStatus.RUNNING)]


@dataclass(frozen=True, slots=True)
class Beat:
    """Say what a heartbeat learnt."""

    held: bool
    cancel_requested: bool


def heartbeat(*, root_id: uuid.UUID, fence: int) -> Beat:
    """Prolong a claim, and learn whether it still holds and whether the job is to be cancelled."""
    with fixed_cursor() as cursor:
        requested = job_sql.prolong(cursor, root_id=root_id, fence=fence, lease_seconds=lease_seconds())
    return Beat(held=requested is not None, cancel_requested=bool(requested))


def read_cancel_reason(root_id: uuid.UUID) -> str:
    """Return why somebody wants the end of a root; empty where they haven't said."""
    return TaskRoot.objects.filter(pk=root_id).values_list("cancel_reason", flat=True).first() or ""


def consume_cancel(claim: Claim) -> None:
    """Forget that a claimed job is to be cancelled, in the caller's transaction; raises StaleFence."""
    held = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
    if not held.update(cancel_requested_at=None):
        raise StaleFence("Another worker has taken this job over.", task_id=str(claim.root_id))


def hold_claim(claim: Claim) -> None:
    """Let nobody take a claimed job over before the caller's transaction ends; raises StaleFence where somebody has."""
    rows = Job.objects.filter(pk=claim.root_id, fence=claim.fence, status=JobStatus.RUNNING.value)
    # On SQLite the transaction itself keeps others from writing.
    if not list(rows.select_for_update(no_key=True).values_list("pk")):
        raise StaleFence("Another worker has taken this job over; nothing was written.", task_id=str(claim.root_id))


def save_state(claim: Claim, state: str) -> None:
    """Store what a job's function saves, JSON text, in the caller's transaction where there is one.

    Raises StaleFence where the work was taken over.
    """
    with fixed_cursor() as cursor:
        if not job_sql.save_state(cursor, root_id=claim.root_id, fence=claim.fence, state=state):
            raise StaleFence("Another worker has taken this job over; nothing was saved.", task_id=str(claim.root_id))
