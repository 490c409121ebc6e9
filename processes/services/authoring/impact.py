"""Tell beforehand what publishing a draft would mean for the templates that build on it."""

from collections.abc import Mapping
from dataclasses import dataclass

from processes.domain.json_values import JSON
from processes.models import ProcessTemplate
from processes.services.authoring.publishing import Publication, plan_publication
from processes.services.library import Library, read_library

__all__ = ["Dependent", "Impact", "impact_of", "impact_of_draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Name a template that builds on another one.

    `how` is "extends" or "calls" (or both), and empty where it does so only by way of a template between; one that
    isn't `published` has a draft that does.
    """

    slug: str
    how: str
    published: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """Hold what publishing would do.

    `broken` has the form of PublishRefusedError's: `{template, path, message, suggestion, needed_by}`. `changed` lists
    whose plans would be others, the template's own among them.
    """

    slug: str
    dependents: tuple[Dependent, ...]
    broken: tuple[Mapping[str, JSON], ...]
    changed: tuple[str, ...]

    @property
    def followers(self) -> tuple[str, ...]:
        """Return the other templates whose plans would change."""
        return tuple(name for name in self.changed if name != self.slug)


def impact_of_draft(template: ProcessTemplate) -> Impact:
    """Tell what publishing the saved draft now would do; three queries, whatever the number of templates."""
    library = read_library()
    return impact_of(library, plan_publication(library, library.drafts[template.slug]))


def impact_of(library: Library, publication: Publication) -> Impact:
    """Tell what a planned publication would do."""
    slug = publication.source.slug
    direct: dict[str, list[str]] = {}
    for use in library.uses(slug):
        direct.setdefault(use.slug, []).append(use.how)
    indirect = [name for name in library.dependents(slug) if name not in direct]
    dependents = [
        Dependent(slug=name, how=" and ".join(sorted(how, reverse=True)), published=name in library.published)
        for name, how in direct.items()
    ]
    dependents.extend(Dependent(slug=name, how="") for name in indirect)
    return Impact(
        slug=slug, dependents=tuple(dependents), broken=tuple(publication.broken), changed=publication.changed
    )
