"""Where declared jobs are handed to, once Django is set up.

A module that declares jobs may be imported before Django has its models, so it can't import what enqueues them: the
app connects that when it is ready.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tasks.domain.jsonvalue import JSONObject
from tasks.errors import NotConnected
from tasks.registry.spec import JobSpec
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


class Enqueuer(Protocol):
    """Insert declared jobs."""

    def __call__(self, spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
        """Insert a job in the caller's transaction."""


_enqueuer: Enqueuer | None = None


def connect_enqueuer(enqueuer: Enqueuer) -> None:
    """Say what enqueues declared jobs from now on."""
    global _enqueuer  # noqa: PLW0603 - one for the process, as there is one Django
    _enqueuer = enqueuer


def enqueue_declared(spec: JobSpec, arguments: JSONObject, options: Options) -> EnqueuedJob:
    """Enqueue a declared job; raises NotConnected before Django is set up."""
    if _enqueuer is None:
        raise NotConnected(
            "Jobs can be enqueued once Django is set up, with `tasks` among its INSTALLED_APPS.", name=spec.name
        )
    return _enqueuer(spec, arguments, options)
