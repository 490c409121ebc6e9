"""Messages to the holder of a run.

Nobody but the holder of the lease writes a run's state. Everyone else appends here, in order, and wakes the run if it
waits. The holder takes messages where the run waits, one at a time and in order, so that what one of them leads to ends
before the next is looked at. Taking one and moving the cursor is one transaction: a message is neither lost nor taken
twice.

What operators say (pause, go on, edit) is heard at every action boundary, before all else that was said.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.models import InboxItem, Run
from tasks.errors import TaskNotFound
from tasks.models import Job
from tasks.services import sql
from tasks.services.cursors import fixed_cursor
from tasks.services.jobs import wake

#: Complete the action at which the run is parked: {"ordinal", "state", "alternatives", "value", "attributes"}.
RESUME = "resume"
#: Lead the run on from an anchor: {"callback", "state", "alternatives", "last", "stores", "data"?}.
REPORT = "report"
#: Complete the action whose fan-out has come together: {"ordinal", "fan_out", "winner"}.
JOINED = "joined"
#: Go on with the answer to a form: {"ordinal", "button", "values"?, "files"?} (processes.domain.entering).
ANSWER = "answer"
#: Stand still from the next action boundary on: {"by": {"id", "name"}, "since"}.
PAUSE = "pause"
#: Go on after that: {"by"}.
GO_ON = "go_on"
#: Change data by hand: {"by", "edit"} (processes.domain.data_edit).
EDIT = "edit"
#: Move to another plan: {"by", "plan", "to", "undoes"?}, two hashes.
MOVE = "move"
#: What operators say.
CONTROLS: Final = (PAUSE, GO_ON, EDIT, MOVE)

_PAGE = 100
_INBOX = InboxItem._meta.db_table
_ANY = f"SELECT 1 FROM {_INBOX} WHERE run_id = %s AND taken_at IS NULL LIMIT 1"  # noqa: S608 - a name of our own


def lock_run(run_id: uuid.UUID) -> None:
    """Lock a run behind its job: the order that every writer keeps. Raises TaskNotFound."""
    job = Job.objects.select_for_update().filter(pk=run_id).values_list("pk").first()
    run = Run.objects.select_for_update().filter(pk=run_id).values_list("pk").first()
    if job is None or run is None:
        raise TaskNotFound("There is no such run.", task_id=str(run_id))


def append_message(*, run_id: uuid.UUID, kind: str, payload: dict[str, JSON], dedupe_key: str) -> bool:
    """Append a message and wake the run if it waits; False where one with the same key is there already.

    Raises TaskNotFound. Locks job, then run.
    """
    with transaction.atomic():
        lock_run(run_id)
        _, created = InboxItem.objects.get_or_create(
            run_id=run_id, dedupe_key=dedupe_key, defaults={"kind": kind, "payload": payload}
        )
        if created:
            wake(run_id)
    return created


def resume_run(
    *,
    run_id: uuid.UUID,
    ordinal: int,
    state: str | None,
    alternatives: Sequence[str] = (),
    value: JSON = None,
    attributes: Mapping[str, JSON] | None = None,
    dedupe_key: str,
) -> bool:
    """Complete the action with number `ordinal`, at which a run is parked, under `state`; see `append_message`.

    `alternatives` are looked up after the state; `attributes` are named ones that are set before.
    """
    payload: dict[str, JSON] = {"ordinal": ordinal, "state": state, "value": value}
    if alternatives:
        payload["alternatives"] = list(alternatives)
    if attributes:
        payload["attributes"] = dict(attributes)
    return append_message(run_id=run_id, kind=RESUME, payload=payload, dedupe_key=dedupe_key)


def open_messages(run_id: uuid.UUID) -> Iterator[InboxItem]:
    """Give the messages that haven't been taken, oldest first, of those that aren't an operator's.

    Read page by page, the first one alone: there may be thousands, and nearly always it is the one that is taken.
    """
    rows, last, size = _open(run_id).exclude(kind__in=CONTROLS), 0, 1
    while page := list(rows.filter(id__gt=last)[:size]):
        yield from page
        last, size = page[-1].pk, _PAGE


def count_reports(run_id: uuid.UUID, *, callback: uuid.UUID, most: int) -> int:
    """Return how many reports of a callback its run has got, taken or not, counted up to `most`."""
    rows = InboxItem.objects.filter(run_id=run_id, kind=REPORT).order_by()
    # Those of all its callbacks are counted by an index; what they are about is looked at only where it matters.
    found = rows[:most].count()
    return found if found < most else rows.filter(payload__callback=str(callback))[:most].count()


def next_control(run_id: uuid.UUID) -> InboxItem | None:
    """Return the oldest thing that an operator has said and nobody has heard."""
    # Asked for often, and nearly always in vain.
    with fixed_cursor() as cursor:
        cursor.execute(_ANY, [sql.uuid_value(run_id)])
        if cursor.fetchone() is None:
            return None
    return _open(run_id).filter(kind__in=CONTROLS).first()


def mark_taken(item: InboxItem) -> None:
    """Mark a message as taken, with its `result`, in the transaction that moves the cursor."""
    InboxItem.objects.filter(pk=item.pk).update(taken_at=timezone.now(), result=item.result)


def has_controls(run_id: uuid.UUID) -> bool:
    """Tell whether operators have said something; ask while the job's row is locked to be sure of the answer."""
    return _open(run_id).filter(kind__in=CONTROLS).exists()


def has_messages(run_id: uuid.UUID) -> bool:
    """Tell whether messages wait; ask while the job's row is locked to be sure of the answer."""
    return _open(run_id).exists()


def _open(run_id: uuid.UUID) -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(run_id=run_id, taken_at__isnull=True).order_by("id")
