"""Put templates into force: derive what follows, refuse what would break, write the versions.

A version says what came into force for one template at one moment. One is written for the template that is published
where its source or its plan has changed, and for each template that builds on it where its plan has; publishing again
what is in force writes none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.errors import DefinitionError, Problem
from processes.models import ProcessTemplate, TemplateVersion, VersionCause
from processes.services.audit import SYSTEM, actor_of, record
from processes.services.connections import inline_bases
from processes.services.derivation import Derived, derive_source, store_plans
from processes.services.errors import PublishRefusedError, StaleDraftError, TemplateNotFoundError
from processes.services.lending import check_lending
from processes.services.library import Library, Source, read_library

__all__ = [
    "Publication",
    "Published",
    "check_revision",
    "lock_templates",
    "plan_publication",
    "publish",
    "put_in_force",
    "stored_template",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Say what a publication changed.

    `plan_hash` is the template's (None for an abstract one), `changed` whose plans are others now, `version` the number
    of the template's new version: None where it was in force already.
    """

    plan_hash: str | None
    changed: tuple[str, ...]
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Hold what publishing a source would do, before it is done.

    `changed` lists whose plans would be others: the template's own, then those that build on it. `problems` say what
    would break, each with the template that can't be derived.
    """

    source: Source
    plan_hashes: Mapping[str, str]
    plans: tuple[Plan, ...]
    changed: tuple[str, ...]
    problems: tuple[tuple[str, Problem], ...]
    own: Derived | None

    @property
    def broken(self) -> list[dict[str, JSON]]:
        """Return the problems as JSON: place, message, suggestion, and who needs it."""
        return [
            {
                "template": problem.source or name,
                "path": problem.path,
                "message": problem.message,
                "suggestion": problem.suggestion,
                "needed_by": name,
            }
            for name, problem in self.problems
        ]

    def raise_if_broken(self, what: str = "published") -> None:
        """Raise PublishRefusedError if there is a problem."""
        if self.problems:
            slug = self.source.slug
            others = sorted({name for name, _ in self.problems} - {slug})
            why = f"it would break {', '.join(others)}" if others else "it has problems"
            raise PublishRefusedError(f'"{slug}" can\'t be {what}: {why}.', fields={"broken": self.broken})


def plan_publication(library: Library, source: Source) -> Publication:
    """Derive `source` and whatever builds on it, as if it were published now; nothing is written, nothing queried."""
    slug = source.slug
    problems = [(slug, problem) for problem in _unpublished_bases(library, source)]
    after = Library(
        drafts={**library.drafts, slug: source},
        published={**library.published, slug: source},
        # What has become abstract can't be called any more.
        plan_hashes={name: plan for name, plan in library.plan_hashes.items() if name != slug or not source.abstract},
        credentials=library.credentials,
    )
    own: Derived | None = None
    plans: list[Plan] = []
    hashes: dict[str, str] = {}
    for name in [slug, *after.dependents(slug)]:
        try:
            derived = derive_source(after, after.published[name], plan_hashes=hashes)
        except DefinitionError as error:
            problems.extend((name, problem) for problem in error.problems)
            continue
        if name == slug:
            own = derived
        plans.extend(derived.inline)
        if derived.plan is not None:
            hashes[name] = derived.plan.hash
            if library.plan_hashes.get(name) != derived.plan.hash:
                plans.append(derived.plan)
    return Publication(
        source=source,
        plan_hashes=hashes,
        plans=tuple(plans),
        changed=tuple(name for name, plan_hash in hashes.items() if library.plan_hashes.get(name) != plan_hash),
        problems=tuple(problems),
        own=own,
    )


@transaction.atomic
def publish(*, template: ProcessTemplate, user: object = None, expected_revision: int | None = None) -> Published:
    """Publish a template's draft, and re-derive every published template that extends or calls it.

    All or nothing: raises PublishRefusedError with what would break, in this template or in any other, and
    StaleDraftError where the draft isn't the one of `expected_revision` any more. `user` is who does it; without one
    it is Stepline itself.
    """
    lock_templates()
    stored = stored_template(template)
    check_revision(stored, expected_revision)
    library = read_library()
    result = put_in_force(library, library.drafts[stored.slug], user=user)
    template.refresh_from_db()
    return result


def put_in_force(
    library: Library,
    source: Source,
    *,
    user: object,
    cause: VersionCause = VersionCause.PUBLISHED,
    origin: str = "",
) -> Published:
    """Write what publishing `source` changes; the caller holds the lock, and `library` is as of now.

    Raises PublishRefusedError, before anything is written.
    """
    slug = source.slug
    publication = plan_publication(library, source)
    publication.raise_if_broken("published" if cause is VersionCause.PUBLISHED else f"rolled back to version {origin}")
    check_lending(user=user, plan_hashes=publication.plan_hashes, plans=publication.plans)
    store_plans(publication.plans)
    before = library.published.get(slug)
    is_new = before is None or before.to_json() != source.to_json() or slug in publication.changed
    followers = [name for name in publication.changed if name != slug]
    plan_hash = publication.plan_hashes.get(slug)
    number = None
    if is_new or followers:
        sources = {**({slug: source} if is_new else {}), **{name: library.published[name] for name in followers}}
        numbers = _write_versions(publication, sources, user=user, cause=cause, origin=origin)
        number = numbers.get(slug)
        _put_plans(slug, is_new=is_new, source=source, plan_hash=plan_hash, followers=followers)
        record(
            "template.rolled_back" if cause is VersionCause.ROLLED_BACK else "template.published",
            actor=SYSTEM if user is None else actor_of(user),
            subject=ProcessTemplate.objects.get(slug=slug),
            plan_hash=plan_hash,
            details={"version": number, "followed": [*followers], **({"to": int(origin)} if origin else {})},
        )
    return Published(plan_hash=plan_hash, changed=publication.changed, version=number)


def lock_templates() -> None:
    """Hold off everybody else who changes templates until the transaction ends.

    Two publications at once would each derive over what the other is about to replace. Whoever changes a template
    takes all of them first, in one order, so that nobody waits in a circle. What merely refers to a template (a run
    that starts) doesn't wait.
    """
    list(ProcessTemplate.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def stored_template(template: ProcessTemplate) -> ProcessTemplate:
    """Return the template as it is stored now; raises TemplateNotFoundError."""
    stored = ProcessTemplate.objects.filter(pk=template.pk).first()
    if stored is None:
        raise TemplateNotFoundError("This template doesn't exist any more.")
    return stored


def check_revision(stored: ProcessTemplate, expected: int | None) -> None:
    """Raise StaleDraftError if the stored draft isn't the expected one any more."""
    if expected is not None and stored.revision != expected:
        raise StaleDraftError(
            "Somebody else saved this template after you opened it. Copy what you changed, reload, and enter it again.",
            fields={"expected": expected, "revision": stored.revision},
        )


def _write_versions(
    publication: Publication, sources: Mapping[str, Source], *, user: object, cause: VersionCause, origin: str
) -> dict[str, int]:
    """Add a version for each source; return the numbers by slug."""
    slug = publication.source.slug
    rows = ProcessTemplate.objects.filter(slug__in=sources).values_list("slug", "pk", Max("versions__number"))
    versions = {
        name: TemplateVersion(
            template_id=pk,
            number=(last or 0) + 1,
            plan_id=publication.plan_hashes.get(name),
            source=sources[name].to_json(),
            cause=cause if name == slug else VersionCause.FOLLOWED,
            origin=origin if name == slug else slug,
            published_by_id=getattr(user, "pk", None),
        )
        for name, pk, last in rows
    }
    TemplateVersion.objects.bulk_create(versions.values())
    return {name: version.number for name, version in versions.items()}


def _put_plans(slug: str, *, is_new: bool, source: Source, plan_hash: str | None, followers: Sequence[str]) -> None:
    now = timezone.now()
    if is_new:
        ProcessTemplate.objects.filter(slug=slug).update(
            published_source=source.to_json(),
            published_at=now,
            # An abstract template has none, even if it had one before it became abstract.
            published_plan_id=plan_hash,
        )
    if followers:
        latest = TemplateVersion.objects.filter(template=OuterRef("pk")).order_by("-number").values("plan_id")[:1]
        ProcessTemplate.objects.filter(slug__in=followers).update(published_plan_id=Subquery(latest), published_at=now)


def _unpublished_bases(library: Library, source: Source) -> Iterable[Problem]:
    for base in source.extends:
        # One that doesn't exist at all is told by derivation.
        if base in library.drafts and base not in library.published:
            yield Problem(
                path="/extends",
                message=f'The extended template "{base}" isn\'t published yet',
                value=base,
                suggestion="Publish it first",
            )
    for base in sorted(inline_bases(source.bindings)):
        if base in library.drafts and base not in library.published:
            # Its draft could change what is in force, whoever writes it.
            yield Problem(
                path="/bindings",
                message=f'An inline process extends the template "{base}", which isn\'t published yet',
                value=base,
                suggestion="Publish it first",
            )
