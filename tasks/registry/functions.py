"""Which functions clients may call by name, and who may (docs/rpc.md).

Modules that declare them are imported early: no Django here.
"""

import difflib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from tasks.domain.calls import CallKind
from tasks.domain.jsonvalue import JSON, JSONObject, storable
from tasks.domain.signature import Signature, read_signature
from tasks.errors import InvalidArguments, KeyReused, TasksError, UnknownFunction
from tasks.registry.access import SIGNED_IN, Access, User, check_access
from tasks.registry.offers import ListOffers, Offer
from tasks.registry.port import Options, enqueue_declared
from tasks.registry.registry import JobRegistry, jobs
from tasks.registry.spec import JobSpec
from tasks.tracking.port import TaskOwner

__all__ = [
    "Bound",
    "CallContext",
    "DuplicateFunction",
    "FindFunction",
    "Function",
    "FunctionRegistry",
    "functions",
    "mutation",
    "query",
]

#: The address of batches: no function can have this name.
BATCH = "batch"


class CallContext(Protocol):
    """Say what a function that is called by name can ask of the call."""

    @property
    def user(self) -> Any:
        """Who calls: a user, or Django's AnonymousUser."""

    @property
    def owner(self) -> TaskOwner:
        """To whom belongs what the call begins: the user, or the session of somebody not signed in."""

    @property
    def start_key(self) -> str | None:
        """What tells a call that starts something from others of the caller, if they have given it an idempotency key.

        It is for `using(idempotency_key=…)`: sent again, such a call starts nothing more.
        """

    @property
    def request(self) -> Any:
        """The HttpRequest; of a call over a WebSocket, one that bears user and session only."""


#: A call whose arguments have been looked at: what is left to do.
Bound = Callable[[], JSON | Awaitable[JSON]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """Describe a function that clients call by name."""

    name: str
    kind: CallKind
    #: Check arguments and return what makes the call; raises InvalidArguments.
    bind: Callable[[CallContext, JSONObject], Bound]
    signature: Signature
    access: Access = SIGNED_IN
    #: What is bound is a coroutine function: it runs in the event loop.
    is_async: bool = False
    #: It answers with the id of the job that it has started; the signature is the job's.
    starts_job: bool = False
    #: The class of its tree's meta, where that is declared.
    meta_model: type | None = None
    #: What its author says of it.
    description: str = ""


#: Return the function of a name that isn't declared, for a user who may call it; None where there is none for them. It
#: may read the database.
FindFunction = Callable[[str, User], Function | None]


class Source(NamedTuple):
    """Say where names that aren't declared are looked for, and what there is."""

    find: FindFunction
    offers: ListOffers | None = None


class DuplicateFunction(TasksError):
    """Two functions are registered under the same name."""

    code = "duplicate_function"


class FunctionRegistry:
    """Map names to functions: declared ones, jobs that say who may call them, and what else apps can find."""

    def __init__(self, job_registry: JobRegistry) -> None:
        self._declared: dict[str, Function] = {}
        self._sources: dict[str, Source] = {}
        self._jobs = job_registry

    def add(self, function: Function) -> None:
        """Register a function; raises DuplicateFunction where its name is taken, ValueError where it can't be one."""
        check_name(function.name)
        check_access(function.access)
        if function.name in self._declared or self._open_job(function.name) is not None:
            raise DuplicateFunction(
                f"A function or job named {function.name!r} is registered already; give this one another name."
            )
        self._declared[function.name] = function

    def remove(self, name: str) -> None:
        """Forget a function."""
        self._declared.pop(name, None)

    def add_source(self, name: str, find: FindFunction, offers: ListOffers | None = None) -> None:
        """Let names that aren't declared be looked for by `find`; `offers` lists them, for generated clients."""
        if self._sources.setdefault(name, Source(find, offers)).find is not find:
            raise DuplicateFunction(f"A source named {name!r} is registered already; give this one another name.")

    def remove_source(self, name: str) -> None:
        """Look there no more."""
        self._sources.pop(name, None)

    def sources(self) -> Mapping[str, Source]:
        """Return where names that aren't declared are looked for."""
        return dict(self._sources)

    def offers(self) -> list[Offer]:
        """Return what the sources offer, by name; what is declared under the same name is called instead."""
        declared = self.declared()
        listed = [source.offers() for source in self._sources.values() if source.offers is not None]
        found = {offer.name: offer for offers in listed for offer in offers if offer.name not in declared}
        return [found[name] for name in sorted(found)]

    def declared(self) -> Mapping[str, Function]:
        """Return what is declared in code, by name: functions, and the jobs that clients may start."""
        started = {name: _started(spec) for name, spec in self._jobs.specs().items() if spec.access is not None}
        return {**started, **self._declared}

    def get(self, name: str, user: User) -> Function:
        """Return the function of that name, whoever may call it; raises UnknownFunction with the nearest one."""
        if (found := self._declared.get(name)) is not None:
            return found
        if (spec := self._open_job(name)) is not None:
            return _started(spec)
        for source in tuple(self._sources.values()):
            if (found := source.find(name, user)) is not None:
                return found
        near = difflib.get_close_matches(name, self.declared(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownFunction(f"No function is named {name!r}.{hint}", name=name)

    def _open_job(self, name: str) -> JobSpec | None:
        spec = self._jobs.get(name) if name in self._jobs else None
        return None if spec is None or spec.access is None else spec


functions = FunctionRegistry(jobs)

F = TypeVar("F", bound=Callable[..., Any])


@overload
def query(name: F, /) -> F: ...


@overload
def query(name: str | None = None, /, *, access: Access = SIGNED_IN) -> Callable[[F], F]: ...


def query(name: F | str | None = None, /, *, access: Access = SIGNED_IN) -> F | Callable[[F], F]:
    """Let clients call the decorated function, which changes nothing: `@query`, in an app's `rpc` module.

    It takes a context (`context.user`, `context.owner`), and arguments whose annotations say what is valid. Raises
    TypeError or ValueError where it isn't well declared, DuplicateFunction where its name is taken.
    """
    return _declare(name, kind=CallKind.QUERY, access=access)


@overload
def mutation(name: F, /) -> F: ...


@overload
def mutation(name: str | None = None, /, *, access: Access = SIGNED_IN) -> Callable[[F], F]: ...


def mutation(name: F | str | None = None, /, *, access: Access = SIGNED_IN) -> F | Callable[[F], F]:
    """Let clients call the decorated function, which changes something: of a batch, one at a time. See `query`."""
    return _declare(name, kind=CallKind.MUTATION, access=access)


def check_name(name: str) -> None:
    """Raise ValueError where a name can't be part of an address."""
    if not name or name == BATCH or not all(part.isidentifier() for part in name.replace("-", "_").split(".")):
        raise ValueError(f"{name!r} can't be called: a name has letters, digits, _, - and dots, and isn't 'batch'.")


def _declare(given: F | str | None, *, kind: CallKind, access: Access) -> F | Callable[[F], F]:
    def declare(function: F) -> F:
        signature = read_signature(function)
        name = given if isinstance(given, str) else function.__name__
        is_async = inspect.iscoroutinefunction(function)
        functions.add(
            Function(
                name=name,
                kind=kind,
                bind=_binder(function, signature, is_async=is_async),
                signature=signature,
                access=access,
                is_async=is_async,
                description=inspect.getdoc(function) or "",
            )
        )
        return function

    return declare(given) if callable(given) else declare


def _binder(
    function: Callable[..., Any], signature: Signature, *, is_async: bool
) -> Callable[[CallContext, JSONObject], Bound]:
    def bind(context: CallContext, arguments: JSONObject) -> Bound:
        if signature.input is None and arguments:
            raise InvalidArguments("It takes no arguments.", arguments=sorted(arguments))
        given = signature.from_json(arguments)

        def call() -> JSON:
            return signature.result_to_json(function(context, **given))

        async def call_async() -> JSON:
            return signature.result_to_json(await function(context, **given))

        return call_async if is_async else call

    return bind


def _started(spec: JobSpec) -> Function:
    """Return what starts a job, and answers with its id."""
    assert spec.access is not None

    def bind(context: CallContext, arguments: JSONObject) -> Bound:
        given = spec.signature.as_stored(arguments)

        def call() -> JSON:
            # A key that the job makes of its arguments says what is the same work, whoever asks for it; where it makes
            # none, that of the client counts.
            own = None if spec.idempotency_key is None else spec.idempotency_key(given)
            key = None if own else context.start_key
            job = enqueue_declared(spec, given, Options(owner=context.owner, idempotency_key=key))
            # A new job has them as they were given, one that is read as they were stored.
            if key is not None and storable(job.arguments) != storable(given):
                raise KeyReused
            return {"job_id": str(job.root_id)}

        return call

    return Function(
        name=spec.name,
        kind=CallKind.MUTATION,
        bind=bind,
        signature=spec.signature,
        access=spec.access,
        starts_job=True,
        meta_model=spec.meta_model,
        description=inspect.getdoc(spec.function) or spec.title,
    )
