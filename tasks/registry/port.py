"""Where declared jobs are handed to, once Django is set up.

A module that declares jobs may be imported before Django has its models, so it can't import what enqueues them: the
app connects that when it is ready.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tasks.domain.jsonvalue import JSONObject
from tasks.domain.retry import is_number
from tasks.errors import NotConnected
from tasks.registry.spec import JobSpec, check_priority, check_queue
from tasks.tracking.port import TaskOwner, TaskUser


class EnqueuedJob(Protocol):
    """Say what is known of a job that was enqueued."""

    @property
    def root_id(self) -> uuid.UUID:
        """The id of the job and of its root."""

    @property
    def arguments(self) -> JSONObject:
        """What it was enqueued with; of one that was there already under its key, what that was enqueued with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Say what of a declared job is different this once; what is None stays as it is declared."""

    #: By default the owner of the work that enqueues it, or nobody.
    owner: TaskOwner | TaskUser | None = None
    title: str | None = None
    queue: str | None = None
    priority: int | None = None
    due_at: datetime | None = None
    delay_seconds: float | None = None
    #: Whether everybody who is allowed to see shared tasks may follow it.
    shared: bool | None = None
    idempotency_key: str | None = None
    concurrency_key: str | None = None
    #: Whether it goes on when the work that enqueues it is cancelled.
    detached: bool | None = None

    def __post_init__(self) -> None:
        """Raise ValueError, which names the cure, for options that can't be meant."""
        if self.priority is not None:
            check_priority(self.priority)
        if self.queue is not None:
            check_queue(self.queue)
        if self.due_at is not None and self.delay_seconds is not None:
            raise ValueError("due_at and delay_seconds say the same thing twice: give one of them.")
        if self.due_at is not None and self.due_at.utcoffset() is None:
            raise ValueError(
                f"due_at is {self.due_at!r}, which has no time zone: begin with django.utils.timezone.now(), or use "
                "django.utils.timezone.make_aware()."
            )
        if self.delay_seconds is not None and not is_number(self.delay_seconds):
            raise ValueError(f"delay_seconds is {self.delay_seconds!r}: it is a number of seconds.")


class Enqueuer(Protocol):
    """Insert declared jobs."""

    def __call__(self, spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
        """Insert a job in the caller's transaction."""


class AsyncEnqueuer(Protocol):
    """Insert declared jobs from an event loop."""

    async def __call__(self, spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
        """Insert a job, in a thread that may wait for the database."""


_enqueuer: Enqueuer | None = None
_async_enqueuer: AsyncEnqueuer | None = None


def connect_enqueuer(enqueuer: Enqueuer, async_enqueuer: AsyncEnqueuer) -> None:
    """Say what enqueues declared jobs from now on."""
    global _enqueuer, _async_enqueuer
    _enqueuer, _async_enqueuer = enqueuer, async_enqueuer


def enqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
    """Enqueue a declared job; raises NotConnected before Django is set up."""
    if _enqueuer is None:
        raise _not_connected(spec)
    return _enqueuer(spec, arguments, options)


async def aenqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
    """Do the same in a coroutine."""
    if _async_enqueuer is None:
        raise _not_connected(spec)
    return await _async_enqueuer(spec, arguments, options)


def _not_connected(spec: JobSpec) -> NotConnected:
    return NotConnected(
        "Jobs can be enqueued once Django is set up, with `tasks` among its INSTALLED_APPS.", name=spec.name
    )
