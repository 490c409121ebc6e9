"""Read a template for people: its layers merged as far as they can be read, and everything that is wrong with it."""

from contextlib import suppress
from dataclasses import dataclass

from processes.domain.bindings import parse_bindings
from processes.domain.definition import EMPTY_DEFINITION
from processes.domain.definition_text import parse_text
from processes.domain.extends import linearise
from processes.domain.merge import Layer, Merged, merge
from processes.errors import DefinitionError, Problem
from processes.services.derivation import derive_source
from processes.services.library import Library, Source

__all__ = ["Reading", "read_layers", "read_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold what a template is made of: `layers` in the order in which they apply, and their merger.

    `plan_hash` names the plan that it would be published as: None for an abstract one, and where there are problems.
    Those of templates that it extends bear their slug as `source`.
    """

    layers: tuple[Layer, ...]
    merged: Merged
    problems: tuple[Problem, ...] = ()
    plan_hash: str | None = None


def read_source(library: Library, source: Source) -> Reading:
    """Read a source over what `library` has published, leaving out what can't be read; raises nothing."""
    layers = read_layers(library, source)
    try:
        derived = derive_source(library, source)
    except DefinitionError as error:
        return Reading(layers=layers, merged=merge(layers), problems=error.problems)
    plan_hash = None if derived.plan is None else derived.plan.hash
    return Reading(layers=layers, merged=derived.derivation.merged, plan_hash=plan_hash)


def read_layers(library: Library, source: Source) -> tuple[Layer, ...]:
    """Read the layers of a source in the order in which they apply, its own last; raises nothing.

    What can't be read is left out: a base that is gone or extends itself in a circle, a text that is no definition.
    """
    found = {source.slug: source}
    graph: dict[str, tuple[str, ...]] = {}
    todo = [source.slug]
    while todo:
        slug = todo.pop()
        if slug in graph:
            continue
        bases = {base: read for base in found[slug].extends if (read := library.base(base)) is not None}
        graph[slug] = tuple(bases)
        for base, read in bases.items():
            found.setdefault(base, read)
            todo.append(base)
    names: list[str] = []
    for base in graph[source.slug]:
        with suppress(DefinitionError):
            names.extend(linearise(graph, base))
    return tuple(_layer(found[name]) for name in (*names, source.slug))


def _layer(source: Source) -> Layer:
    try:
        definition = parse_text(source.definition, abstract=True)
    except DefinitionError:
        definition = EMPTY_DEFINITION
    try:
        bindings = parse_bindings(dict(source.bindings), path="/bindings")
    except DefinitionError:
        bindings = {}
    return Layer(name=source.slug, definition=definition, bindings=bindings)
