"""Which functions can be jobs."""

import difflib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tasks.domain.jsonvalue import JSON, JSONObject
from tasks.domain.outcomes import Outcome
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import NodeStatus
from tasks.errors import TasksError, UnknownJob


class JobContext(Protocol):
    """Say what a job's function can ask and tell while it works."""

    @property
    def id(self) -> uuid.UUID:
        """The id of the job and of its root."""

    @property
    def arguments(self) -> JSONObject:
        """What the job was enqueued with."""

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""

    @property
    def must_yield(self) -> bool:
        """Whether the claim has lasted long enough: end it at the next checkpoint."""

    def progress(self, percent: float, message: str | None = None) -> None:
        """Report a percentage, clamped to 0 to 100, and a message."""

    def check_cancelled(self) -> None:
        """Raise TaskCancelled once cancellation was asked for, and StaleFence once the work was taken over."""


#: A job's work: what it returns that is no Outcome is its result.
JobFunction = Callable[[JobContext], Outcome | JSON]
#: Write what the function's own rows say when its job ends while nobody holds it: its id, how it ends, and why. It runs
#: inside the transaction that ends the job.
SettleIdle = Callable[[uuid.UUID, NodeStatus, str], None]


class Canceller(Protocol):
    """Say who cancels a job: a user, or the session of somebody not signed in."""

    @property
    def user_id(self) -> int | str | None:
        """The user, None for somebody not signed in."""


#: Take note of who asks for a job's end: its id, and who. It runs inside the transaction that cancels the job.
NoteCancel = Callable[[uuid.UUID, Canceller], None]


class DuplicateJob(TasksError):
    """Two functions are registered as the same job."""

    code = "duplicate_job"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Describe a registered job."""

    name: str
    function: JobFunction
    queue: str = "default"
    priority: int = 0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    #: The function moves its own checkpoint; flushes in between show progress only.
    checkpointed: bool = False
    settle_idle: SettleIdle | None = None
    note_cancel: NoteCancel | None = None


class JobRegistry:
    """Map names to jobs."""

    def __init__(self) -> None:
        self._specs: dict[str, JobSpec] = {}

    def add(self, spec: JobSpec) -> None:
        """Register `spec`; raises DuplicateJob where another function has its name."""
        present = self._specs.get(spec.name)
        if present is not None and present.function is not spec.function:
            raise DuplicateJob(f"A job named {spec.name!r} is registered already; give this one another name.")
        self._specs[spec.name] = spec

    def remove(self, name: str) -> None:
        """Forget a job."""
        self._specs.pop(name, None)

    def get(self, name: str) -> JobSpec:
        """Return the job of that name; raises UnknownJob with the nearest name."""
        try:
            return self._specs[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._specs, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownJob(f"No job is named {name!r}.{hint}", name=name) from None

    def names(self) -> list[str]:
        """Return the registered names, sorted: what this process can work on."""
        return sorted(self._specs)

    def specs(self) -> Mapping[str, JobSpec]:
        """Return all jobs by name."""
        return dict(self._specs)


jobs = JobRegistry()


def job(
    name: str,
    *,
    queue: str = "default",
    priority: int = 0,
    retry: RetryPolicy | None = None,
    checkpointed: bool = False,
    settle_idle: SettleIdle | None = None,
    note_cancel: NoteCancel | None = None,
) -> Callable[[JobFunction], JobFunction]:
    """Register the decorated function as the job `name`."""

    def register(function: JobFunction) -> JobFunction:
        jobs.add(
            JobSpec(
                name=name,
                function=function,
                queue=queue,
                priority=priority,
                retry=retry or RetryPolicy(),
                checkpointed=checkpointed,
                settle_idle=settle_idle,
                note_cancel=note_cancel,
            )
        )
        return function

    return register
