"""Inserting jobs."""

import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tasks.domain.bounds import TITLE_CHARS, shorten
from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.statuses import JobStatus
from tasks.domain.updates import Draft, UpdateType, draft
from tasks.errors import InvalidArguments
from tasks.models import Job
from tasks.models.root import new_id
from tasks.registry import JobSpec, Key, Options, jobs
from tasks.services import job_sql, sql
from tasks.services.current import current_work
from tasks.services.hints import hint_after_commit
from tasks.services.log import append_updates, write_updates
from tasks.services.roots import Owner

__all__ = ["enqueue", "enqueue_declared"]

_KEY_CHARS = 200
_PENDING = draft(UpdateType.TASK_STATUS, status=JobStatus.PENDING.value)


def enqueue(
    function: str,
    *,
    arguments: JSONObject | None = None,
    owner: Owner,
    title: str = "",
    root_id: uuid.UUID | None = None,
    parent_id: uuid.UUID | None = None,
    input: JSON = None,
    steps: JSON = None,
    queue: str | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
    shared: bool = False,
    idempotency_key: str | None = None,
    concurrency_key: str | None = None,
) -> Job:
    """Insert a job, with its root unless `root_id` names one that exists and has none, in the caller's transaction.

    Roll that transaction back, and there is no job. The hint goes to the broker after the commit, and a broker that is
    down changes nothing: the dispatcher hints again. Where the function has a job of this idempotency key already, that
    one is returned and nothing is inserted. Raises UnknownJob.
    """
    spec = jobs.get(function)
    arguments = dict(arguments or {})
    job = Job(
        root_id=root_id or new_id(),
        function=spec.name,
        arguments=arguments,
        queue=queue or spec.queue,
        priority=spec.priority if priority is None else priority,
        status=JobStatus.PENDING.value,
        retry=spec.retry.to_json(),
        concurrency_key=_key(spec.concurrency_key, arguments, concurrency_key) or "",
        concurrency_limit=spec.concurrency_limit,
        idempotency_key=_key(spec.idempotency_key, arguments, idempotency_key),
        created_at=timezone.now(),
    )
    title = shorten(title or spec.title or function, TITLE_CHARS)
    root: dict[str, sql.Value] | None = None
    if root_id is None:
        root = {
            "title": title,
            "owner_id": owner.user_id,
            "session_key": "" if owner.user_id is not None else owner.session_key,
            "steps": sql.json_value(steps),
            "shared": shared,
            "parent_id": None if parent_id is None else sql.uuid_value(parent_id),
        }
    started = draft(UpdateType.TASK_START, title=title, input=input, steps=steps)
    if job.idempotency_key is not None:
        return _insert_once(job, root=root, started=started, due_at=due_at)
    with transaction.atomic():
        _insert(job, root=root, started=started, due_at=due_at)
    return job


def enqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> Job:
    """Enqueue a declared job as its options say; see `enqueue`.

    Within other work it belongs to the same owner unless it is told another one, and is cancelled with that work unless
    it is detached.
    """
    work = current_work()
    owner = Owner()
    if options.owner is not None:
        owner = Owner(user_id=options.owner.user_id, session_key=options.owner.session_key)
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


def _insert_once(job: Job, *, root: dict[str, sql.Value] | None, started: Draft, due_at: datetime | None) -> Job:
    """Insert a job unless its function has one of the same key; of several who try at once, one succeeds."""
    known = Job.objects.filter(function=job.function, idempotency_key=job.idempotency_key)
    present = known.first()
    if present is None:
        try:
            with transaction.atomic():
                _insert(job, root=root, started=started, due_at=due_at)
        except IntegrityError:
            # Somebody else has inserted it meanwhile: the database has made us wait for their commit.
            present = known.first()
            if present is None:
                raise
    return job if present is None else present


def _insert(job: Job, *, root: dict[str, sql.Value] | None, started: Draft, due_at: datetime | None) -> None:
    job.due_at = due_at or job.created_at
    with connection.cursor() as cursor:
        if root is not None:
            drafts = (started, _PENDING)
            identity = sql.uuid_value(job.root_id)
            created_at = sql.time_value(job.created_at)
            sql.insert_root(cursor, id=identity, last_seq=len(drafts), created_at=created_at, **root)
            # Nobody else knows of this log yet, so its numbers need no lock.
            write_updates(cursor, root_id=job.root_id, drafts=drafts, last=len(drafts))
        job_sql.insert_job(
            cursor,
            root_id=sql.uuid_value(job.root_id),
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
        )
    job._state.adding = False
    if root is None:
        # The job has the lease from now on, not whoever made the root.
        append_updates(root_id=job.root_id, drafts=[_PENDING], columns={"lease_until": None})
    if due_at is None or due_at <= timezone.now():
        hint_after_commit(job.queue)


def _key(declared: Key | None, arguments: JSONObject, given: str | None) -> str | None:
    key = declared(arguments) if given is None and declared is not None else given
    if key is not None and len(key) > _KEY_CHARS:
        # Cut off, two keys might become one, and somebody's job would be missing.
        raise InvalidArguments(f"A job's key has at most {_KEY_CHARS} characters; this one has {len(key)}.")
    return key
