"""Messages to the holder of a run.

Nobody but the holder of the lease writes a run's state. Everyone else appends here, in order, and wakes the run if it
waits. The holder takes messages at action boundaries, one at a time; taking one and moving the cursor is one
transaction, so a message is neither lost nor taken twice.
"""

import uuid

from django.db import transaction
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.models import InboxItem, Run
from tasks.errors import TaskNotFound
from tasks.models import Job
from tasks.services.jobs import wake

#: Complete the action at which the run is parked: {"ordinal", "state", "value"}.
RESUME = "resume"


def append_message(*, run_id: uuid.UUID, kind: str, payload: dict[str, JSON], dedupe_key: str) -> bool:
    """Append a message and wake the run if it waits; False where one with the same key is there already.

    Raises TaskNotFound. Locks job, then run: the order that every writer keeps.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=run_id).first()
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if job is None or run is None:
            raise TaskNotFound("There is no such run.", task_id=str(run_id))
        _, created = InboxItem.objects.get_or_create(
            run=run, dedupe_key=dedupe_key, defaults={"kind": kind, "payload": payload}
        )
        if created:
            wake(run_id)
    return created


def resume_run(*, run_id: uuid.UUID, ordinal: int, state: str | None, value: JSON = None, dedupe_key: str) -> bool:
    """Complete the action with number `ordinal`, at which a run is parked, under `state`; see `append_message`."""
    payload: dict[str, JSON] = {"ordinal": ordinal, "state": state, "value": value}
    return append_message(run_id=run_id, kind=RESUME, payload=payload, dedupe_key=dedupe_key)


def next_message(run_id: uuid.UUID) -> InboxItem | None:
    """Return the oldest message that hasn't been taken."""
    return InboxItem.objects.filter(run_id=run_id, taken_at__isnull=True).order_by("id").first()


def mark_taken(item: InboxItem) -> None:
    """Mark a message as taken, in the transaction that moves the cursor."""
    InboxItem.objects.filter(pk=item.pk).update(taken_at=timezone.now())


def has_messages(run_id: uuid.UUID) -> bool:
    """Tell whether messages wait; ask while the job's row is locked to be sure of the answer."""
    return InboxItem.objects.filter(run_id=run_id, taken_at__isnull=True).exists()
