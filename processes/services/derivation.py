"""Derive plans from templates, store them, and load them again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.definition_text import parse_text
from processes.domain.derivation import Derivation, derive
from processes.domain.extends import linearise
from processes.domain.json_values import JSON, canonical
from processes.domain.merge import Layer
from processes.domain.plan import Plan
from processes.domain.suggestions import did_you_mean
from processes.domain.targets import ProcessResolver, ProcessTarget
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.models import Plan as PlanRow
from processes.services.catalogue import catalogue
from processes.services.library import Library, Source

__all__ = ["Derived", "derive_source", "load_plan", "store_plans"]

#: Compiled plans kept in each process's memory.
KEPT_PLANS = 256


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

    `plan_hashes` overrides the published hashes of processes that are being published together with this one.
    """
    hashes = {**library.plan_hashes, **(plan_hashes or {})}
    layers = _layers(library, source)
    inline: list[Plan] = []

    def resolve(reference: JSON) -> ProcessTarget:
        if not isinstance(reference, str):
            plan = _derive_inline(reference, source.slug, resolve)
            inline.append(plan)
            return ProcessTarget(name=plan.name, plan_hash=plan.hash, reference=reference)
        if reference == source.slug or source.slug in library.reachable(reference):
            # It leads back to itself: a plan can't hold its own hash, so the call looks it up.
            return ProcessTarget(name=reference, reference=reference)
        if reference in hashes:
            return ProcessTarget(name=reference, plan_hash=hashes[reference], reference=reference)
        problem = "isn't published yet" if reference in library.drafts else "doesn't exist"
        raise NotFoundError(
            f'The process "{reference}" {problem}', fields={"suggestion": did_you_mean(reference, hashes)}
        )

    derivation = derive(layers, name=source.slug, catalogue=catalogue(), processes=resolve, abstract=source.abstract)
    return Derived(source=source, derivation=derivation, inline=tuple(inline))


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


def _layers(library: Library, source: Source) -> list[Layer]:
    graph = {slug: base.extends for slug in library.drafts if (base := library.base(slug)) is not None}
    graph[source.slug] = source.extends
    layers: list[Layer] = []
    problems: list[Problem] = []
    parsed: dict[str, Layer] = {}
    for slug in linearise(graph, source.slug):
        if slug not in parsed:
            layer_source = source if slug == source.slug else library.base(slug)
            if layer_source is None:
                raise DefinitionError([Problem(path="/extends", message=f'There is no template "{slug}"', value=slug)])
            try:
                parsed[slug] = _layer(layer_source)
            except DefinitionError as error:
                found = error.problems
                problems.extend(found if slug == source.slug else [problem.of(slug) for problem in found])
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


def _derive_inline(document: JSON, slug: str, resolve: ProcessResolver) -> Plan:
    bindings: JSON = {}
    if isinstance(document, dict) and "bindings" in document:
        document = dict(document)
        bindings = document.pop("bindings")
    name = f"{slug} (inline)"
    layer = Layer(name=name, definition=parse_definition(document), bindings=parse_bindings(bindings, path="/bindings"))
    plan = derive([layer], name=name, catalogue=catalogue(), processes=resolve).plan
    assert plan is not None
    return plan
