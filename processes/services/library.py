"""Know all templates as of one moment: what they are made of, and which builds on which.

A template is derived from its draft, and everything that it builds on from what was published of it: nobody's
unfinished edit reaches another template. Reading takes a constant number of queries, whatever the number of templates
and levels.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from processes.domain.json_values import JSON, canonical
from processes.models import Binding, Extension, ProcessTemplate

__all__ = ["Library", "Source", "read_library"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Hold all templates as of one moment: their drafts, what was published of them, and the published hashes."""

    drafts: Mapping[str, Source]
    published: Mapping[str, Source]
    plan_hashes: Mapping[str, str]

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
        found: dict[str, None] = {}
        todo = [slug]
        while todo:
            needed = todo.pop()
            for name, names in needs.items():
                if needed in names and name not in found and name != slug:
                    found[name] = None
                    todo.append(name)
        return _in_order(found, needs)


def read_library() -> Library:
    """Read all templates, in three queries."""
    rows = list(
        ProcessTemplate.objects.order_by("pk").values_list(
            "pk", "slug", "definition", "abstract", "published_source", "published_plan_id"
        )
    )
    slugs = {row[0]: row[1] for row in rows}
    extends: dict[int, list[str]] = {}
    for template_id, base_id in Extension.objects.order_by("position", "pk").values_list("template_id", "base_id"):
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
    """Give the slugs that a binding's target leads to; an inline process has bindings of its own."""
    process = target.get("process") if isinstance(target, dict) else None
    if isinstance(process, str):
        yield process
    elif isinstance(process, dict) and isinstance(bindings := process.get("bindings"), dict):
        for inner in bindings.values():
            yield from _processes_in(inner)


def _in_order(names: Mapping[str, None], needs: Mapping[str, set[str]]) -> list[str]:
    """Return the names so that each comes after those that it needs; circles are broken where they are entered."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()

    def visit(name: str) -> None:
        if name in entered:
            return
        entered.add(name)
        for needed in sorted(needs[name]):
            if needed in names:
                visit(needed)
        ordered[name] = None

    for name in names:
        visit(name)
    return list(ordered)
