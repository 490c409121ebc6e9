"""What is declared of a job."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tasks.domain.jsonvalue import JSON
from tasks.domain.rate import Rate
from tasks.domain.retry import RetryPolicy
from tasks.domain.schedule import Schedule
from tasks.domain.signature import Signature
from tasks.domain.statuses import NodeStatus
from tasks.registry.access import Access

#: A job's work: it takes a context and its arguments, and what it returns that is no Outcome is its result.
JobFunction = Callable[..., Any]
#: Write what the function's own rows say when its job ends while nobody holds it: its id, how it ends, and why. It runs
#: inside the transaction that ends the job.
SettleIdle = Callable[[uuid.UUID, NodeStatus, str], None]
#: Tell whether the work has something left to do before it ends: then a cancellation wakes it, and its function does
#: that, and ends it. It is asked inside the transaction that cancels the job, whose row is locked.
EndsItself = Callable[[uuid.UUID], bool]
#: Return a key for a job's arguments, as they are stored.
Key = Callable[[Mapping[str, JSON]], str]


class Canceller(Protocol):
    """Say who cancels a job, or repeats it: a user, or the session of somebody not signed in."""

    @property
    def user_id(self) -> int | str | None:
        """The user, None for somebody not signed in."""


#: Take note of who asks for a job's end: its id, and who. It runs inside the transaction that cancels the job.
NoteCancel = Callable[[uuid.UUID, Canceller], None]
#: Copy what the function's own rows say for a repetition: the old id, the new one, and who asks for it, where somebody
#: does. It runs inside the transaction that makes the new job; it may raise IllegalTransition, which says why the work
#: can't be repeated.
Repeat = Callable[[uuid.UUID, uuid.UUID, Canceller | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Describe a registered job."""

    name: str
    function: JobFunction
    signature: Signature = field(default_factory=Signature)
    #: What people see; the name where it is empty.
    title: str = ""
    #: Empty for the one that takes what names no queue.
    queue: str = ""
    priority: int = 0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    #: How long one attempt may take; None for no limit.
    timeout_seconds: float | None = None
    #: The class that its meta is checked against, and that of everything below it.
    meta_model: type | None = None
    #: How often one may begin.
    rate: Rate | None = None
    concurrency_key: Key | None = None
    #: How many jobs of one key are worked on at once.
    concurrency_limit: int = 1
    idempotency_key: Key | None = None
    schedule: Schedule | None = None
    #: The function moves its own checkpoint; flushes in between show progress only.
    checkpointed: bool = False
    settle_idle: SettleIdle | None = None
    note_cancel: NoteCancel | None = None
    ends_itself: EndsItself | None = None
    #: Tells of a job that it undoes what it has done: nobody can ask any more for its end, or that of its parts.
    undoes: EndsItself | None = None
    repeat: Repeat | None = None
    #: Who may start it by name from outside (docs/rpc.md); None for nobody.
    access: Access | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a job that could never be enqueued, begun or tried as it is declared."""
        try:
            self.retry.check()
            _check_text("name", self.name, most=NAME_CHARS)
            if self.queue:
                check_queue(self.queue)
            check_priority(self.priority)
            _check_limits(self.timeout_seconds, self.concurrency_limit)
        except ValueError as error:
            raise ValueError(f"Job {self.name!r} can't be declared like this: {error}") from None


#: As long as the columns are.
NAME_CHARS = 200
QUEUE_CHARS = 100
#: As far as a column of two bytes goes.
MOST_PRIORITY = 32_767


def check_priority(value: int) -> None:
    """Raise ValueError for a priority that can't be stored."""
    if not isinstance(value, int) or abs(value) > MOST_PRIORITY:
        raise ValueError(f"priority is {value!r}: it is a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}.")


def check_queue(name: str) -> None:
    """Raise ValueError for what can't be the name of a queue."""
    _check_text("queue", name, most=QUEUE_CHARS)


def _check_text(name: str, value: str, *, most: int) -> None:
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise ValueError(f"{name} is a text of 1 to {most} characters.")


def _check_limits(timeout_seconds: float | None, concurrency_limit: int) -> None:
    if timeout_seconds is not None and not (isinstance(timeout_seconds, int | float) and timeout_seconds > 0):
        raise ValueError(f"timeout_seconds is {timeout_seconds!r}: it is a number of seconds above 0.")
    if not isinstance(concurrency_limit, int) or concurrency_limit < 1:
        raise ValueError(
            f"a concurrency_limit of {concurrency_limit!r} would let none of them ever begin: it is a whole number "
            "from 1."
        )
