"""Derive documents that name each other: what they extend, and the processes that they bind.

Where a name leads (a file, a stored template) is the shelf's matter; inline documents are read here. The result is what
the very same documents give as templates: both go through `derive`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from processes.domain.bindings import Binding
from processes.domain.derivation import derive
from processes.domain.document import Document, parse_document
from processes.domain.extends import MAX_EXTENDS_DEPTH, linearise
from processes.domain.json_values import JSON, pointer
from processes.domain.merge import Layer
from processes.domain.plan import Plan
from processes.domain.scripts import Catalogue
from processes.domain.targets import CredentialCheck, ProcessTarget, QuerysetCheck
from processes.errors import DefinitionError, Problem, ProcessError

__all__ = ["MAX_PROCESS_DEPTH", "Assembled", "Entry", "Home", "Override", "Shelf", "assemble"]

#: Processes that bind processes that bind processes … deeper than this are refused.
MAX_PROCESS_DEPTH: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Say where a document stands: what names inside it are relative to.

    `key` tells homes apart (a file's absolute path), `label` is what people call it; `kind` is the shelf's own.
    """

    key: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold a document with its home, and the name that its process bears."""

    name: str
    document: Document
    home: Home

    @property
    def key(self) -> str:
        """Tell entries apart: several inline documents share a home."""
        return f"{self.home.key}#{self.document.path}"

    @property
    def label(self) -> str:
        """Give what people call the document."""
        return f"{self.home.label}{self.document.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Bind a reference from outside of a document; `told_as` is what people have to look at to change it."""

    binding: Binding
    home: Home
    told_as: str


class Shelf(Protocol):
    """Find documents by the names that other documents give them."""

    def base(self, name: str, home: Home) -> Entry:
        """Give what a document extends; raises ProcessError (NotFoundError, DefinitionError with sources)."""
        ...

    def process(self, name: str, home: Home) -> Entry | ProcessTarget:
        """Give a process that a document binds, or where its plan is; raises as `base` does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """Hold a plan, None for an abstract document, and those of the processes that it may call.

    `named` are processes that lead back to themselves: a plan can't hold its own hash, so the reference finds it.
    """

    plan: Plan | None
    plans: tuple[Plan, ...] = ()
    named: Mapping[str, Plan] = field(default_factory=dict)


def assemble(
    entry: Entry,
    *,
    shelf: Shelf,
    catalogue: Catalogue,
    overrides: Mapping[str, Override] | None = None,
    extends: Iterable[tuple[str, Home, str]] = (),
    credentials: CredentialCheck | None = None,
    querysets: QuerysetCheck | None = None,
) -> Assembled:
    """Derive a document.

    `extends` (a name, its home, and what people call it) apply after what the document extends itself, `overrides`
    after its own bindings; `credentials` refuses names of connections that don't exist, `querysets` those of querysets.
    Raises DefinitionError with all problems: those outside the document's file bear a source.
    """
    work = _Assembly(shelf=shelf, catalogue=catalogue, credentials=credentials, querysets=querysets)
    try:
        plan = work.derive(entry, overrides=overrides or {}, extends=tuple(extends))
    except DefinitionError as error:
        raise DefinitionError([_at_home(problem, entry.home) for problem in error.problems]) from None
    named = {key: work.plans[key] for key in work.recursive if key in work.plans}
    return Assembled(plan=plan, plans=tuple(work.plans.values()), named=named)


def _at_home(problem: Problem, home: Home) -> Problem:
    return replace(problem, source=None) if problem.source == home.label else problem


@dataclass(slots=True, kw_only=True)
class _Call:
    """Hold a process binding until it is known whether it stays in force."""

    target: JSON
    home: Home
    #: Where it stands in its file, and the reference.
    path: str
    reference: str
    told_as: str | None = None


@dataclass(slots=True, kw_only=True)
class _Assembly:
    """Derive documents one below the other; every problem bears the label of its home as source."""

    shelf: Shelf
    catalogue: Catalogue
    credentials: CredentialCheck | None = None
    querysets: QuerysetCheck | None = None
    #: Finished plans, by the key of their entry.
    plans: dict[str, Plan] = field(default_factory=dict)
    recursive: set[str] = field(default_factory=set)
    _trail: list[Entry] = field(default_factory=list)
    _calls: dict[str, _Call] = field(default_factory=dict)

    def derive(
        self,
        entry: Entry,
        *,
        overrides: Mapping[str, Override] | None = None,
        extends: tuple[tuple[str, Home, str], ...] = (),
    ) -> Plan | None:
        """Derive one document, after the processes that it binds."""
        if len(self._trail) >= MAX_PROCESS_DEPTH:
            raise _refused(f"Processes bind each other more than {MAX_PROCESS_DEPTH} levels deep", entry.home)
        gathered = _Layers(self.shelf, self._calls)
        gathered.collect(entry, overrides=overrides or {}, extends=extends)
        if gathered.problems:
            raise DefinitionError(gathered.problems)
        self._trail.append(entry)
        try:
            derivation = derive(
                gathered.in_order(entry),
                name=entry.name,
                catalogue=self.catalogue,
                processes=self._process,
                credentials=self.credentials,
                querysets=self.querysets,
                abstract=entry.document.abstract,
            )
        except DefinitionError as error:
            raise DefinitionError([gathered.located(problem, entry) for problem in error.problems]) from None
        finally:
            self._trail.pop()
        if derivation.plan is not None:
            self.plans[entry.key] = derivation.plan
        return derivation.plan

    def _process(self, token: JSON) -> ProcessTarget:
        """Give the target of a binding; raises DefinitionError with located problems."""
        call = self._calls[str(token)]
        try:
            return self._target(call)
        except DefinitionError as error:
            raise DefinitionError([_in_option(problem, call) for problem in error.problems]) from None
        except ProcessError as error:
            suggestion = error.fields.get("suggestion")
            problem = Problem(path=call.path, message=error.message, suggestion=suggestion, source=call.home.label)
            raise DefinitionError([_in_option(problem, call)]) from None

    def _target(self, call: _Call) -> ProcessTarget:
        if isinstance(call.target, str):
            found = self.shelf.process(call.target, call.home)
            if isinstance(found, ProcessTarget):
                return found
        else:
            document = _read(call.target, f"{call.path}/process", call.home)
            found = Entry(name=document.name or call.reference, document=document, home=call.home)
        if any(found.key == entered.key for entered in self._trail):
            self.recursive.add(found.key)
            return ProcessTarget(name=found.name, reference=found.key)
        plan = self.plans.get(found.key) or self.derive(found)
        if plan is None:
            raise _refused(f'"{found.name}" is abstract: it can be extended, but not run', call.home, call.path)
        return ProcessTarget(name=plan.name, plan_hash=plan.hash, reference=call.target)


class _Layers:
    """Gather the layers of one document."""

    def __init__(self, shelf: Shelf, calls: dict[str, _Call]) -> None:
        self.problems: list[Problem] = []
        self._shelf, self._calls = shelf, calls
        self._graph: dict[str, list[str]] = {}
        self._layers: dict[str, Layer] = {}
        self._homes: dict[str, Home] = {}

    def collect(
        self,
        entry: Entry,
        *,
        overrides: Mapping[str, Override] | None = None,
        extends: tuple[tuple[str, Home, str], ...] = (),
        trail: tuple[Entry, ...] = (),
    ) -> None:
        """Read an entry and, below it, all that it extends."""
        if entry.key in self._graph:
            return
        bases = self._graph[entry.key] = []
        trail = (*trail, entry)
        for index, written in enumerate(entry.document.extends):
            place = f"{entry.document.path}/extends/{index}"
            self._collect_base(written, entry.home, place, None, trail, bases)
        for name, home, told_as in extends:
            self._collect_base(name, home, "", told_as, trail, bases)
        self._layers[entry.key] = entry.document.layer(entry.key, self._bindings(entry, overrides or {}))
        self._homes[entry.key] = entry.home

    def in_order(self, entry: Entry) -> list[Layer]:
        """Give the layers in the order in which they apply."""
        return [self._layers[key] for key in linearise(self._graph, entry.key)]

    def located(self, problem: Problem, entry: Entry) -> Problem:
        """Replace the layer's key by the label of its home; what derivation doesn't mark is of the entry's own."""
        home = entry.home if problem.source is None else self._homes.get(problem.source)
        return problem if home is None else problem.of(home.label)

    def _collect_base(
        self, written: JSON, home: Home, place: str, told_as: str | None, trail: tuple[Entry, ...], bases: list[str]
    ) -> None:
        call = _Call(target=written, home=home, path=place, reference="", told_as=told_as)
        try:
            base = self._base(written, home, place, trail)
        except DefinitionError as error:
            self.problems.extend(_in_option(problem, call) for problem in error.problems)
        except ProcessError as error:
            suggestion = error.fields.get("suggestion")
            problem = Problem(path=place, message=error.message, suggestion=suggestion, source=home.label)
            self.problems.append(_in_option(problem, call))
        else:
            self.collect(base, trail=trail)
            bases.append(base.key)

    def _base(self, written: JSON, home: Home, place: str, trail: tuple[Entry, ...]) -> Entry:
        if isinstance(written, str):
            base = self._shelf.base(written, home)
        else:
            document = _read(written, place, home)
            base = Entry(name=document.name or trail[-1].name, document=document, home=home)
        if any(base.key == entered.key for entered in trail):
            circle = [entered.label for entered in trail]
            path = " → ".join((*circle[circle.index(base.label) :], base.label))
            raise _refused(f"They extend each other in a circle: {path}", home, place)
        if len(trail) > MAX_EXTENDS_DEPTH:
            raise _refused(f"More than {MAX_EXTENDS_DEPTH} levels of what is extended", home, place)
        return base

    def _bindings(self, entry: Entry, overrides: Mapping[str, Override]) -> dict[str, Binding]:
        """Put a token in the place of each process, which leads back to where it was named."""
        result: dict[str, Binding] = {}
        for reference, binding in {**entry.document.bindings, **{k: o.binding for k, o in overrides.items()}}.items():
            if binding.kind == "process":
                override = overrides.get(reference)
                call = _Call(
                    target=binding.target,
                    home=entry.home if override is None else override.home,
                    path=f"{entry.document.bindings_path}{pointer(reference)}",
                    reference=reference,
                    told_as=None if override is None else override.told_as,
                )
                token = str(len(self._calls))
                self._calls[token] = call
                binding = Binding("process", token)
            result[reference] = binding
        return result


def _read(written: JSON, path: str, home: Home) -> Document:
    """Read an inline document."""
    try:
        return parse_document(written, path)
    except DefinitionError as error:
        raise DefinitionError([problem.of(home.label) for problem in error.problems]) from None


def _in_option(problem: Problem, call: _Call) -> Problem:
    """Lead a problem of something that was given from outside back to where it was given."""
    if call.told_as is None or problem.source != call.home.label:
        return problem
    return Problem(path="", message=f"{call.told_as}: {problem.message}", suggestion=problem.suggestion)


def _refused(message: str, home: Home, path: str = "") -> DefinitionError:
    return DefinitionError([Problem(path=path, message=message, source=home.label)])
