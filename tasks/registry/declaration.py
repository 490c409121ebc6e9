"""Declaring a function as a job: the decorator, and what it makes of the function."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from tasks.domain.jsonvalue import JSON
from tasks.domain.meta import metas
from tasks.domain.rate import Rate
from tasks.domain.retry import Backoff, RetryPolicy
from tasks.domain.schedule import Cron, parse_schedule
from tasks.domain.signature import Signature, read_signature
from tasks.errors import InvalidArguments
from tasks.registry.access import Access, check_access
from tasks.registry.context import JobContext
from tasks.registry.port import EnqueuedJob, Options, aenqueue_declared, enqueue_declared
from tasks.registry.registry import jobs
from tasks.registry.spec import EndsItself, JobFunction, JobSpec, Key, NoteCancel, Repeat, SettleIdle
from tasks.tracking.port import TaskOwner, TaskUser

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class DeclaredJob(Generic[P, R]):
    """Be a function that is a job: call it as ever, with a context, or enqueue it with its arguments."""

    function: Callable[Concatenate[JobContext, P], R]
    spec: JobSpec
    options: Options = field(default_factory=Options)

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return self.spec.name

    def __call__(self, context: JobContext, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now."""
        return self.function(context, *args, **kwargs)

    def using(
        self,
        *,
        owner: TaskOwner | TaskUser | None = None,
        title: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        due_at: datetime | None = None,
        delay_seconds: float | None = None,
        shared: bool | None = None,
        idempotency_key: str | None = None,
        concurrency_key: str | None = None,
        detached: bool | None = None,
    ) -> "DeclaredJob[P, R]":
        """Return the job with other options: `export_users.using(priority=5, owner=user).enqueue(user_id=7)`.

        `owner` is a user, or has `user_id` and `session_key`, as for `start_task`. Raises ValueError where an option
        can't be meant.
        """
        given = {
            "owner": owner,
            "title": title,
            "queue": queue,
            "priority": priority,
            "due_at": due_at,
            "delay_seconds": delay_seconds,
            "shared": shared,
            "idempotency_key": idempotency_key,
            "concurrency_key": concurrency_key,
            "detached": detached,
        }
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        options = replace(self.options, **changed)
        return replace(self, options=options)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> EnqueuedJob:
        """Insert a job with these arguments in the caller's transaction: roll it back, and there is none.

        Raises InvalidArguments, which names what is wrong with them.
        """
        return enqueue_declared(self.spec, self.spec.signature.to_json(args, kwargs), self.options)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> EnqueuedJob:
        """Do the same in an event loop: in an async view, or an async job.

        It isn't part of a transaction, since Django has none there.
        """
        return await aenqueue_declared(self.spec, self.spec.signature.to_json(args, kwargs), self.options)


class Declare(Protocol):
    """Make a job of a function."""

    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> DeclaredJob[P, R]:
        """Register the function."""


@overload
def job(name: Callable[Concatenate[JobContext, P], R], /) -> DeclaredJob[P, R]: ...


@overload
def job(
    name: str | None = None,
    /,
    *,
    title: str = "",
    queue: str = "",
    priority: int = 0,
    attempts: int | None = None,
    backoff: Backoff | None = None,
    delay_seconds: float | None = None,
    cap_seconds: float | None = None,
    jitter: float | None = None,
    retry: RetryPolicy | None = None,
    timeout_seconds: float | None = None,
    meta_model: type | None = None,
    rate_limit: str | None = None,
    concurrency_key: str | Key | None = None,
    concurrency_limit: int = 1,
    idempotency_key: str | Key | None = None,
    schedule: str | timedelta | Cron | None = None,
    checkpointed: bool = False,
    settle_idle: SettleIdle | None = None,
    note_cancel: NoteCancel | None = None,
    ends_itself: EndsItself | None = None,
    undoes: EndsItself | None = None,
    repeat: Repeat | None = None,
    access: Access | None = None,
) -> Declare: ...


def job(
    name: str | Callable[..., Any] | None = None,
    /,
    *,
    attempts: int | None = None,
    backoff: Backoff | None = None,
    delay_seconds: float | None = None,
    cap_seconds: float | None = None,
    jitter: float | None = None,
    retry: RetryPolicy | None = None,
    rate_limit: str | None = None,
    concurrency_key: str | Key | None = None,
    idempotency_key: str | Key | None = None,
    schedule: str | timedelta | Cron | None = None,
    access: Access | None = None,
    **fixed: object,
) -> DeclaredJob[..., Any] | Declare:
    """Register the decorated function as a job; its name is the function's unless one is given.

    The function takes a context, and arguments whose annotations say what is valid; `docs/jobs.md` shows it all.

    `retry` says it all at once; or `attempts`, `backoff` (fixed, linear, exponential), `delay_seconds`, `cap_seconds`
    and `jitter`, each for itself. `rate_limit` is written `10/m`. `concurrency_key` and `idempotency_key` are functions
    of the stored arguments, or texts with their names: `tenant:{tenant_id}`. `schedule` is a time span, or five fields
    of crontab. `meta_model` checks the meta of the job's tree. `access` says who may start the job from outside
    (docs/rpc.md), by default nobody. `checkpointed`, `settle_idle`, `note_cancel`, `ends_itself`, `undoes` and `repeat`
    are for jobs that keep rows of their own.

    Raises ValueError or TypeError where something isn't well declared, DuplicateJob where the name is taken.
    """
    policy: dict[str, Any] = {
        "attempts": attempts,
        "backoff": backoff,
        "delay_seconds": delay_seconds,
        "cap_seconds": cap_seconds,
        "jitter": jitter,
    }
    given = {key: value for key, value in policy.items() if value is not None}
    unknown = fixed.keys() - {one.name for one in fields(JobSpec)}
    if unknown:
        raise TypeError(f"A job has no option {', '.join(map(repr, sorted(unknown)))}: docs/jobs.md lists what it has.")
    if access is not None:
        check_access(access)

    def declare(function: Callable[Concatenate[JobContext, P], R], /) -> DeclaredJob[P, R]:
        signature = read_signature(function)
        own_name = name if isinstance(name, str) else getattr(function, "__name__", None)
        if own_name is None:
            raise TypeError(f'{function!r} has no name of its own: give the job one, as in `job("shop.export")(…)`.')
        spec = JobSpec(
            name=own_name,
            function=function,
            signature=signature,
            retry=replace(retry or RetryPolicy(), **given),
            rate=None if rate_limit is None else Rate.parse(rate_limit),
            concurrency_key=_key(concurrency_key, signature, own_name),
            idempotency_key=_key(idempotency_key, signature, own_name),
            schedule=None if schedule is None else parse_schedule(schedule),
            access=access,
            **fixed,  # type: ignore[arg-type]
        )
        if spec.schedule is not None and signature.required:
            raise ValueError(
                f"A schedule gives no arguments, and job {own_name!r} must have {', '.join(signature.required)}: "
                "give them a default."
            )
        if spec.meta_model is not None:
            metas.add(spec.meta_model)
        jobs.add(spec)
        return DeclaredJob(function, spec)

    return declare(name) if callable(name) else declare


def _key(value: str | Key | None, signature: Signature, name: str) -> Key | None:
    """Return a key as a function of the arguments; raises ValueError where a text names one that isn't there."""
    if value is None or callable(value):
        return value
    wanted = {part for _, part, _, _ in string.Formatter().parse(value) if part is not None}
    known = set(signature.input.model_fields) if signature.input is not None else {*filter(str.isidentifier, wanted)}
    if wanted - known:
        raise ValueError(
            f"The key {value!r} of job {name!r} names {', '.join(sorted(wanted - known))}, which it doesn't take; "
            f"it takes {', '.join(sorted(known)) or 'nothing'}."
        )
    return partial(_filled, value)


def _filled(pattern: str, arguments: Mapping[str, JSON]) -> str:
    try:
        return pattern.format_map(arguments)
    except (LookupError, ValueError, TypeError) as error:
        # Of a function that takes its context only, nobody knows beforehand what it is given.
        raise InvalidArguments(f"The key {pattern!r} can't be filled with the arguments: {error!r}.") from error


__all__ = ["DeclaredJob", "JobFunction", "job"]
