"""Inserting jobs."""

import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tasks.domain.along import Along
from tasks.domain.bounds import TITLE_CHARS, shorten, storable_text
from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.statuses import JobStatus
from tasks.domain.updates import Draft, UpdateType, draft
from tasks.errors import InvalidArguments
from tasks.models import Job
from tasks.models.root import new_id
from tasks.registry import JobSpec, Key, Options, jobs
from tasks.services import job_sql, sql
from tasks.services.current import current_work
from tasks.services.cursors import fixed_cursor
from tasks.services.hints import hint_after_commit, hint_committed, hint_early
from tasks.services.log import announce, append_updates, stamped
from tasks.services.roots import Owner, steps_columns
from tasks.services.write_turns import atomic_in_turn

__all__ = ["aenqueue_declared", "enqueue", "enqueue_declared"]

_KEY_CHARS = 200
#: A log begins with taskStart and the job's first status.
_FIRST_UPDATES = 2
_PENDING = draft(UpdateType.TASK_STATUS, status=JobStatus.PENDING.value)


def enqueue(
    function: str,
    *,
    arguments: JSONObject | None = None,
    owner: Owner,
    title: str = "",
    root_id: uuid.UUID | None = None,
    makes_root: bool | None = None,
    parent_id: uuid.UUID | None = None,
    is_part: bool = False,
    previous_id: uuid.UUID | None = None,
    input: JSON = None,
    steps: JSON = None,
    queue: str | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
    shared: bool = False,
    idempotency_key: str | None = None,
    concurrency_key: str | None = None,
    saved: JSON = None,
    along: Sequence[Along] = (),
) -> Job:
    """Insert a job, with its root unless `root_id` names one that exists and has none, in the caller's transaction.

    With `makes_root`, `root_id` is the new root's. What belongs to the job is stored `along` with it, or not at all.

    Roll that transaction back, and there is no job. The hint goes to the broker after the commit, and a broker that
    is down changes nothing: the dispatcher hints again. With `is_part` lists hold its parent alone. Where the
    function has a job of this idempotency key already, that one is returned and nothing is inserted; an empty key
    is none, whatever is declared. Raises UnknownJob.
    """
    spec = jobs.get(function)
    arguments = dict(arguments or {})
    job = Job(
        root_id=root_id or new_id(),
        function=spec.name,
        arguments=arguments,
        queue=queue or spec.queue or default_queue(),
        priority=spec.priority if priority is None else priority,
        status=JobStatus.PENDING.value,
        retry=spec.retry.to_json(),
        concurrency_key=_key(spec.concurrency_key, arguments, concurrency_key) or "",
        concurrency_limit=spec.concurrency_limit,
        idempotency_key=_key(spec.idempotency_key, arguments, idempotency_key) or None,
        saved=saved,
        created_at=timezone.now(),
    )
    title = shorten(title or spec.title or function, TITLE_CHARS)
    root: list[sql.Value] | None = None
    if root_id is None or makes_root:
        root = sql.root_values(
            id=sql.uuid_value(job.root_id),
            title=title,
            owner_id=sql.user_value(owner.user_id),
            session_key="" if owner.user_id is not None else owner.session_key,
            **steps_columns(steps, seq=1),
            shared=shared,
            parent_id=None if parent_id is None else sql.uuid_value(parent_id),
            is_part=is_part,
            previous_id=None if previous_id is None else sql.uuid_value(previous_id),
            last_seq=_FIRST_UPDATES,
            created_at=sql.time_value(job.created_at),
        )
    started = draft(UpdateType.TASK_START, title=title, input=input, steps=steps)
    if job.idempotency_key is not None:
        return _insert_once(job, root=root, started=started, due_at=due_at, along=along)
    # One statement needs no transaction around it; a caller who has one open has this in it.
    is_one = root is not None and connection.vendor == "postgresql"
    is_due = due_at is None or due_at <= timezone.now()
    early_at = hint_early(job.queue) if is_due else None
    with nullcontext() if is_one else atomic_in_turn():
        _insert(job, root=root, started=started, due_at=due_at, along=along)
    if is_due:
        hint_committed(job.queue, early_at)
    return job


def enqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> Job:
    """Enqueue a declared job as its options say; see `enqueue`.

    Within other work it belongs to the same owner unless it is told another one, and is cancelled with that work unless
    it is detached.
    """
    work = current_work()
    owner = Owner()
    if options.owner is not None:
        owner = Owner.of(options.owner)
    elif work is not None:
        owner = work.owner
    due_at = options.due_at
    if due_at is None and options.delay_seconds:
        due_at = timezone.now() + timedelta(seconds=options.delay_seconds)
    return enqueue(
        spec.name,
        arguments=arguments,
        owner=owner,
        title=options.title or "",
        parent_id=None if work is None or options.detached else work.root_id,
        input=arguments,
        queue=options.queue,
        priority=options.priority,
        due_at=due_at,
        shared=bool(options.shared),
        idempotency_key=options.idempotency_key,
        concurrency_key=options.concurrency_key,
    )


async def aenqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> Job:
    """Do the same in a coroutine, whose own thread mustn't wait for the database."""
    return await sync_to_async(enqueue_declared)(spec, arguments, options)


def _insert_once(
    job: Job, *, root: list[sql.Value] | None, started: Draft, due_at: datetime | None, along: Sequence[Along]
) -> Job:
    """Insert a job unless its function has one of the same key; of several who try at once, one succeeds."""
    known = Job.objects.filter(function=job.function, idempotency_key=job.idempotency_key)
    present = known.first()
    if present is None:
        try:
            with transaction.atomic():
                _insert(job, root=root, started=started, due_at=due_at, along=along)
                if due_at is None or due_at <= timezone.now():
                    hint_after_commit(job.queue)
        except IntegrityError:
            # Somebody else has inserted it meanwhile: the database has made us wait for their commit.
            present = known.first()
            if present is None:
                raise
    return job if present is None else present


def _insert(
    job: Job, *, root: list[sql.Value] | None, started: Draft, due_at: datetime | None, along: Sequence[Along]
) -> None:
    job.due_at = due_at or job.created_at
    updates = stamped((started, _PENDING))
    with fixed_cursor() as cursor:
        job_sql.insert(
            cursor,
            root=root,
            # Nobody else knows of a new log yet, so its numbers need no lock.
            updates=updates,
            root_id=job.root_id,
            due_at=None if due_at is None else sql.time_value(due_at),
            created_at=sql.time_value(job.created_at),
            function=job.function,
            arguments=sql.json_value(job.arguments),
            queue=job.queue,
            priority=job.priority,
            retry=sql.json_value(job.retry),
            saved=sql.json_value(job.saved),
            concurrency_key=job.concurrency_key,
            concurrency_limit=job.concurrency_limit,
            idempotency_key=job.idempotency_key,
            along=along,
        )
    job._state.adding = False
    if root is None:
        # The job has the lease from now on, not whoever made the root.
        append_updates(root_id=job.root_id, drafts=[_PENDING], columns={"lease_until": None})
    else:
        announce(job.root_id, updates, last=len(updates))


def default_queue() -> str:
    """Return the queue of what names none: the first that this site's workers serve."""
    queues: Sequence[str] = getattr(settings, "STEPLINE_QUEUES", ())
    return queues[0] if queues else "default"


def _key(declared: Key | None, arguments: JSONObject, given: str | None) -> str | None:
    key = declared(arguments) if given is None and declared is not None else given
    if key is not None and not isinstance(key, str):
        raise InvalidArguments(f"A job's key is a text; this is {key!r}: write str(…).")
    if key is not None and len(key) > _KEY_CHARS:
        # Cut off, two keys might become one, and somebody's job would be missing.
        raise InvalidArguments(f"A job's key has at most {_KEY_CHARS} characters; this one has {len(key)}.")
    return None if key is None else storable_text(key)
