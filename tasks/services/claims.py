"""A worker's hold on a job: getting it, and keeping it.

A claim raises the fence of the job and of its root. Whatever the worker writes later compares the fence: once another
claim has raised it, nothing of the old one is stored.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import JobStatus
from tasks.domain.updates import Draft, UpdateType, draft
from tasks.errors import StaleFence
from tasks.registry import jobs
from tasks.services import job_sql
from tasks.services.hints import hint_after_commit
from tasks.services.log import write_updates
from tasks.services.roots import Owner
from tasks.services.throttling import HeldBack, admit, hold_back

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


def claim(*, queue: str, worker: str) -> Claim | None:
    """Claim the best due job of `queue` that this process can work on; None where there is none.

    Priority first, then the time it was due. Workers that claim at the same time skip each other's rows. Jobs whose key
    or rate has no room are passed over.
    """
    for _ in range(MOST_HELD_BACK):
        try:
            with transaction.atomic():
                return _claim(queue=queue, worker=worker)
        except HeldBack as held_back:
            # Whatever else is due may go first.
            hold_back(held_back)
    # A hint again, so that a long row of jobs that are held back doesn't keep the rest waiting.
    hint_after_commit(queue)
    return None


def _claim(*, queue: str, worker: str) -> Claim | None:
    with connection.cursor() as cursor:
        row = job_sql.claim_best(
            cursor, queue=queue, functions=jobs.names(), worker=worker, lease_seconds=lease_seconds()
        )
        if row is None:
            return None
        spec = jobs.get(row.function)
        if spec.rate is not None or row.concurrency_key:
            admit(spec, root_id=row.root_id, key=row.concurrency_key, limit=row.concurrency_limit)
        mark = row.attempt + row.losses
        # A claim is made by the process that works on it, so both statuses are told at once.
        drafts = _CLAIMED if mark == 1 else _claimed_drafts(mark)
        head = job_sql.advance_claimed(cursor, root_id=row.root_id, count=len(drafts), fence=row.fence)
        if head is None:
            raise StaleFence("The log of this job is closed.", task_id=str(row.root_id))
        write_updates(cursor, root_id=row.root_id, drafts=drafts, last=head.last_seq, attempt=mark)
    return Claim(
        root_id=row.root_id,
        title=head.title,
        owner=Owner(user_id=head.owner_id, session_key=head.session_key),
        function=row.function,
        arguments=cast(JSONObject, row.arguments),
        queue=queue,
        attempt=row.attempt,
        mark=mark,
        retry=RetryPolicy.from_json(cast(JSONObject, row.retry)),
        fence=row.fence,
        # Each claim raises the fence by one, so another one has been there.
        continues=row.fence > 1,
        cancel_requested=row.cancel_requested,
        saved=row.saved,
        concurrency_key=row.concurrency_key,
        worker=worker,
        began_at=timezone.now(),
    )


def _claimed_drafts(mark: int) -> list[Draft]:
    return [
        draft(UpdateType.TASK_STATUS, status=status.value, attempt=mark if mark > 1 else None)
        for status in (JobStatus.CLAIMED, JobStatus.RUNNING)
    ]


_CLAIMED = _claimed_drafts(1)


@dataclass(frozen=True, slots=True)
class Beat:
    """Say what a heartbeat learnt."""

    held: bool
    cancel_requested: bool


def heartbeat(*, root_id: uuid.UUID, fence: int) -> Beat:
    """Prolong a claim, and learn whether it still holds and whether the job is to be cancelled."""
    with connection.cursor() as cursor:
        requested = job_sql.prolong(cursor, root_id=root_id, fence=fence, lease_seconds=lease_seconds())
    return Beat(held=requested is not None, cancel_requested=bool(requested))


def save_state(claim: Claim, state: str) -> None:
    """Store what a job's function saves, JSON text, in the caller's transaction where there is one.

    Raises StaleFence where the work was taken over.
    """
    with connection.cursor() as cursor:
        if not job_sql.save_state(cursor, root_id=claim.root_id, fence=claim.fence, state=state):
            raise StaleFence("Another worker has taken this job over; nothing was saved.", task_id=str(claim.root_id))
