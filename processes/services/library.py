"""Know all templates as of one moment: what they are made of, and which builds on which.

A template is derived from its draft, and everything that it builds on from what was published of it: nobody's
unfinished edit reaches another template. Reading takes a constant number of queries, whatever the number of templates
and levels.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from processes.domain.json_values import JSON, canonical
from processes.domain.targets import CredentialCheck
from processes.models import Binding, Extension, ProcessTemplate
from processes.services.connections import credential_names, inline_bases, known_connections

__all__ = ["Library", "Source", "Use", "in_order", "read_library"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Hold what a template is derived from: its definition's text, the slugs that it extends, its bindings."""

    slug: str
    definition: str
    abstract: bool = False
    extends: tuple[str, ...] = ()
    bindings: Mapping[str, JSON] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> Hashable:
        """Return what is equal for equal sources; it is computed once, since definitions are long."""
        return (self.slug, self.definition, self.abstract, self.extends, canonical(dict(self.bindings)))

    @cached_property
    def process_names(self) -> frozenset[str]:
        """Return the slugs of the processes that the bindings name, those inside inline processes too."""
        return frozenset(name for target in self.bindings.values() for name in _processes_in(target))

    @cached_property
    def credential_names(self) -> frozenset[str]:
        """Return the connections that the bindings name, those inside inline processes too."""
        return frozenset(credential_names(self.bindings))

    @cached_property
    def base_names(self) -> frozenset[str]:
        """Return the templates that it extends, and those that its inline processes do."""
        return frozenset({*self.extends, *inline_bases(self.bindings)})

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form, without the slug."""
        return {
            "definition": self.definition,
            "abstract": self.abstract,
            "extends": list(self.extends),
            "bindings": dict(self.bindings),
        }

    @classmethod
    def from_json(cls, slug: str, value: Mapping[str, JSON]) -> "Source":
        """Rebuild a source."""
        return cls(
            slug=slug,
            definition=value["definition"],
            abstract=value["abstract"],
            extends=tuple(value["extends"]),
            bindings=value["bindings"],
        )


class Use(NamedTuple):
    """Say that the template `slug` extends or calls another one."""

    slug: str
    how: Literal["extends", "calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Hold all templates as of one moment: their drafts, what was published of them, and the published hashes."""

    drafts: Mapping[str, Source]
    published: Mapping[str, Source]
    plan_hashes: Mapping[str, str]
    #: Refuses the name of a connection that doesn't exist; asks the database once, and only where one is bound.
    credentials: CredentialCheck = field(default_factory=known_connections)

    def base(self, slug: str) -> Source | None:
        """Return what another template builds on: the published source, a draft where nothing is published yet."""
        return self.published.get(slug) or self.drafts.get(slug)

    def reachable(self, slug: str) -> set[str]:
        """Return the processes that `slug` calls, directly or not; what it extends calls for it too."""
        found: set[str] = set()
        todo = [slug]
        while todo:
            source = self.base(todo.pop())
            if source is not None:
                new = {*source.process_names, *source.extends} - found
                found |= new
                todo.extend(new)
        return found

    def dependents(self, slug: str) -> list[str]:
        """Return the published templates that extend or call `slug`, directly or not, each after what it needs."""
        needs = {name: {*source.extends, *source.process_names} for name, source in self.published.items()}
        needed_by: dict[str, list[str]] = {}
        for name, names in needs.items():
            for needed in names:
                needed_by.setdefault(needed, []).append(name)
        found: dict[str, None] = {}
        todo = [slug]
        while todo:
            for name in needed_by.get(todo.pop(), ()):
                if name not in found and name != slug:
                    found[name] = None
                    todo.append(name)
        return in_order(found, needs)

    def uses(self, slug: str) -> list[Use]:
        """Return who names `slug`, in a draft or in what is published of it, sorted by name."""
        found: set[Use] = set()
        for sources in (self.drafts, self.published):
            for name, source in sources.items():
                if name != slug and slug in source.extends:
                    found.add(Use(name, "extends"))
                if name != slug and slug in source.process_names:
                    found.add(Use(name, "calls"))
        return sorted(found)


def read_library() -> Library:
    """Read all templates, in three queries; a fourth one reads the connections' names where they are asked for."""
    rows = list(
        ProcessTemplate.objects.order_by("pk").values_list(
            "pk", "slug", "definition", "abstract", "published_source", "published_plan_id"
        )
    )
    slugs = {row[0]: row[1] for row in rows}
    extends: dict[int, list[str]] = {}
    for template_id, base_id in Extension.objects.order_by("position", "pk").values_list("template_id", "base_id"):
        # A template that was created after the first query isn't of this moment.
        if base_id in slugs:
            extends.setdefault(template_id, []).append(slugs[base_id])
    bindings: dict[int, dict[str, JSON]] = {}
    for template_id, reference, target in Binding.objects.values_list("template_id", "reference", "target"):
        bindings.setdefault(template_id, {})[reference] = target
    drafts = {
        slug: Source(
            slug=slug,
            definition=definition,
            abstract=abstract,
            extends=tuple(extends.get(pk, ())),
            bindings=bindings.get(pk, {}),
        )
        for pk, slug, definition, abstract, _, _ in rows
    }
    published = {slug: Source.from_json(slug, source) for _, slug, _, _, source, _ in rows if source is not None}
    return Library(drafts=drafts, published=published, plan_hashes={row[1]: row[5] for row in rows if row[5]})


def _processes_in(target: JSON) -> Iterator[str]:
    """Give the slugs that a binding's target leads to; an inline process extends and binds others itself."""
    process = target.get("process") if isinstance(target, dict) else None
    if isinstance(process, str):
        yield process
    elif isinstance(process, dict):
        if isinstance(extends := process.get("extends"), list):
            for base in extends:
                yield from _processes_in({"process": base})
        if isinstance(bindings := process.get("bindings"), dict):
            for inner in bindings.values():
                yield from _processes_in(inner)


def in_order(names: Iterable[str], needs: Mapping[str, set[str]]) -> list[str]:
    """Return the names so that each comes after those that it needs; circles are broken where they are entered."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    for first in names:
        # A stack of its own: templates may call each other in longer chains than Python may.
        todo = [(first, False)]
        while todo:
            name, is_done = todo.pop()
            if is_done:
                ordered[name] = None
            elif name not in entered:
                entered.add(name)
                todo.append((name, True))
                todo.extend((needed, False) for needed in sorted(needs[name], reverse=True) if needed in names)
    return list(ordered)
