"""Derive plans from templates, store them, and load them again."""

import json
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from processes.domain.assembly import Entry, Home, assemble
from processes.domain.bindings import parse_bindings
from processes.domain.definition_text import parse_text
from processes.domain.derivation import Derivation, derive
from processes.domain.document import Document, parse_document
from processes.domain.extends import linearise
from processes.domain.json_values import JSON, canonical
from processes.domain.merge import Layer
from processes.domain.plan import Plan
from processes.domain.suggestions import did_you_mean
from processes.domain.targets import ProcessTarget
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import Plan as PlanRow
from processes.services.catalogue import catalogue, catalogue_revision, known_querysets
from processes.services.library import Library, Source

__all__ = ["Derived", "derive_source", "forget_derivations", "load_plan", "store_plans", "template_entry"]

#: Compiled plans, and whole derivations, kept in each process's memory.
KEPT_PLANS, KEPT_DERIVATIONS = 256, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Hold the result for one template: its plan (None for an abstract one) and those of its inline processes."""

    source: Source
    derivation: Derivation
    inline: tuple[Plan, ...]

    @property
    def plan(self) -> Plan | None:
        """Return the template's own plan."""
        return self.derivation.plan


def derive_source(library: Library, source: Source, *, plan_hashes: Mapping[str, str] | None = None) -> Derived:
    """Derive `source` over what `library` has published; raises DefinitionError with all problems.

    `plan_hashes` overrides the published hashes of processes that are being published together with this one. What was
    derived lately from the very same parts is known, and not derived again.
    """
    sources = _sources(library, source)
    resolver = _Resolver(library, sources, plan_hashes or {})
    key = (
        tuple(item.fingerprint for item in sources),
        tuple(resolver.description(name) for item in sources for name in sorted(item.process_names)),
        catalogue_revision(),
        tuple(_exists(library, name) for item in sources for name in sorted(item.credential_names)),
    )
    derived = _known.get(key)
    if derived is None:
        layers = _layers(sources, own=source.slug)
        derivation = derive(
            layers,
            name=source.slug,
            catalogue=catalogue(),
            processes=resolver.find,
            credentials=library.credentials,
            querysets=known_querysets(),
            abstract=source.abstract,
        )
        derived = Derived(source=source, derivation=derivation, inline=tuple(resolver.inline))
        _known.put(key, derived)
    return derived


def forget_derivations() -> None:
    """Derive everything anew from now on."""
    _known.clear()


def store_plans(plans: Sequence[Plan]) -> None:
    """Store plans under their hashes; those that are there already, from whomever, are the same."""
    rows = [PlanRow(hash=plan.hash, content=canonical(plan.to_json())) for plan in plans]
    PlanRow.objects.bulk_create(rows, ignore_conflicts=True)


@lru_cache(maxsize=KEPT_PLANS)
def load_plan(plan_hash: str) -> Plan:
    """Return the compiled plan of that hash; raises NotFoundError. Content never changes, so it is kept in memory."""
    content = PlanRow.objects.filter(hash=plan_hash).values_list("content", flat=True).first()
    if content is None:
        raise NotFoundError("There is no such plan.", fields={"plan_hash": plan_hash})
    return Plan.from_json(json.loads(content), plan_hash=plan_hash)


class _Known:
    """Keep the latest derivations by what they were made from."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._found: OrderedDict[Hashable, Derived] = OrderedDict()

    def get(self, key: Hashable) -> Derived | None:
        """Return what was derived from these parts."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: Hashable, derived: Derived) -> None:
        """Keep a derivation; the one that wasn't asked for longest gives way."""
        with self._lock:
            self._found[key] = derived
            if len(self._found) > self._size:
                self._found.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()


_known = _Known(KEPT_DERIVATIONS)


class _Resolver:
    """Find the processes that one template binds, the last of `sources`, and what inline processes extend."""

    def __init__(self, library: Library, sources: Sequence[Source], plan_hashes: Mapping[str, str]) -> None:
        self._library, self._sources, self._source = library, sources, sources[-1]
        self._overriding = plan_hashes
        #: The plans of inline processes, as they were met.
        self.inline: list[Plan] = []

    def find(self, reference: JSON) -> ProcessTarget:
        """Return the target of a slug or an inline process; raises NotFoundError or DefinitionError."""
        if not isinstance(reference, str):
            return self._find_inline(reference)
        library, slug = self._library, self._source.slug
        if reference == slug or slug in library.reachable(reference):
            # It leads back to itself: a plan can't hold its own hash, so the call looks it up.
            return ProcessTarget(name=reference, reference=reference)
        plan_hash = self._overriding.get(reference) or library.plan_hashes.get(reference)
        if plan_hash is not None:
            return ProcessTarget(name=reference, plan_hash=plan_hash, reference=reference)
        problem = "isn't published yet" if reference in library.drafts else "doesn't exist"
        suggestion = did_you_mean(reference, {**library.plan_hashes, **self._overriding})
        raise NotFoundError(f'The process "{reference}" {problem}', fields={"suggestion": suggestion})

    def base(self, name: str, home: Home) -> Entry:
        """Return a template that an inline process extends (`processes.domain.assembly.Shelf`)."""
        source = self._library.base(name)
        if source is None:
            suggestion = did_you_mean(name, self._library.drafts)
            raise NotFoundError(f'There is no template "{name}"', fields={"suggestion": suggestion})
        return template_entry(source)

    def process(self, name: str, home: Home) -> ProcessTarget:
        """Return a process that an inline process binds."""
        return self.find(name)

    def _find_inline(self, written: JSON) -> ProcessTarget:
        document = parse_document(written)
        home = Home(key=f"template:{self._source.slug}", label="", kind="template")
        name = document.name or self._reference_of(written)
        result = assemble(
            Entry(name=name, document=document, home=home),
            shelf=self,
            catalogue=catalogue(),
            credentials=self._library.credentials,
            querysets=known_querysets(),
        )
        self.inline.extend(result.plans)
        if result.plan is None:
            raise NotFoundError(f'"{name}" is abstract: it can be extended, but not run')
        return ProcessTarget(name=name, plan_hash=result.plan.hash, reference=written)

    def _reference_of(self, written: JSON) -> str:
        """Return what an inline process without a name is bound to, which is what it is called then."""
        text = canonical({"process": written})
        bound = (item for source in reversed(self._sources) for item in source.bindings.items())
        return next((reference for reference, target in bound if canonical(target) == text), self._source.slug)

    def description(self, reference: str) -> Hashable:
        """Return what is equal where `find` gives the same target; a refusal is never known."""
        try:
            found = self.find(reference)
        except NotFoundError:
            return object()
        return found.name, found.plan_hash


def _exists(library: Library, connection: str) -> bool:
    try:
        library.credentials(connection)
    except NotFoundError:
        return False
    return True


def template_entry(source: Source) -> Entry:
    """Return a template as a document; raises DefinitionError, with the template as source of its problems."""
    try:
        layer = _layer(source)
    except DefinitionError as error:
        raise DefinitionError([problem.of(source.slug) for problem in error.problems]) from None
    document = Document(
        name=source.slug,
        definition=layer.definition,
        bindings=layer.bindings,
        extends=source.extends,
        abstract=source.abstract,
    )
    home = Home(key=f"template:{source.slug}", label=source.slug, kind="template")
    return Entry(name=source.slug, document=document, home=home)


def _sources(library: Library, source: Source) -> list[Source]:
    """Return the sources of the layers in the order in which they apply; raises DefinitionError for a circle."""
    graph: dict[str, tuple[str, ...]] = {source.slug: source.extends}
    found = {source.slug: source}
    todo = list(source.extends)
    while todo:
        slug = todo.pop()
        if slug not in found and (base := library.base(slug)) is not None:
            found[slug], graph[slug] = base, base.extends
            todo.extend(base.extends)
    return [found[slug] for slug in linearise(graph, source.slug)]


def _layers(sources: Sequence[Source], *, own: str) -> list[Layer]:
    layers: list[Layer] = []
    problems: list[Problem] = []
    parsed: dict[str, Layer] = {}
    for source in sources:
        slug = source.slug
        if slug not in parsed:
            try:
                parsed[slug] = _layer(source)
            except DefinitionError as error:
                found = error.problems
                problems.extend(found if slug == own else [problem.of(slug) for problem in found])
                continue
        layers.append(parsed[slug])
    if problems:
        raise DefinitionError(problems)
    return layers


def _layer(source: Source) -> Layer:
    """Read one source; whether its names are declared is checked once all layers are merged."""
    problems: list[Problem] = []
    definition = bindings = None
    try:
        definition = parse_text(source.definition, abstract=True)
    except DefinitionError as error:
        problems.extend(error.problems)
    try:
        bindings = parse_bindings(dict(source.bindings), path="/bindings")
    except DefinitionError as error:
        problems.extend(error.problems)
    if definition is None or bindings is None:
        raise DefinitionError(problems)
    return Layer(name=source.slug, definition=definition, bindings=bindings)
