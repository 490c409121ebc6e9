"""Verbs that change templates: save a draft, publish it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from processes.domain.bindings import parse_bindings
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.errors import DefinitionError, Problem
from processes.models import Binding, Extension, ProcessTemplate
from processes.services.derivation import Derived, derive_source, store_plans
from processes.services.errors import PublishRefusedError, StaleDraftError
from processes.services.library import Library, Source, read_library

__all__ = ["Published", "check_draft", "differs_from_published", "publish", "save_draft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Say what a publication changed: the template's new hash (None for an abstract one), and whose plans followed."""

    plan_hash: str | None
    changed: tuple[str, ...]


def check_draft(
    *,
    slug: str,
    definition: str,
    bindings: Mapping[str, JSON],
    extends: Sequence[str] = (),
    abstract: bool = False,
) -> None:
    """Validate a draft without saving it; `extends` are slugs. Raises DefinitionError with every problem.

    It is derived as if it were published now, over what is published of the templates that it extends.
    """
    source = Source(
        slug=slug, definition=definition, abstract=abstract, extends=tuple(extends), bindings=dict(bindings)
    )
    derive_source(read_library(), source)


@transaction.atomic
def save_draft(
    *,
    template: ProcessTemplate,
    definition: str,
    bindings: Mapping[str, JSON],
    extends: Sequence[ProcessTemplate] = (),
    expected_revision: int | None = None,
) -> ProcessTemplate:
    """Save a template with its bindings and, in order, what it extends; return it with its new revision.

    The other fields are saved as they are on `template`. Raises DefinitionError with every problem, and
    StaleDraftError where the stored revision isn't `expected_revision` any more.
    """
    # Kept in their full form, so that a bare script name and its object are one and the same.
    parsed = {name: binding.to_json() for name, binding in parse_bindings(dict(bindings), "/bindings").items()}
    check_draft(
        slug=template.slug,
        definition=definition,
        bindings=parsed,
        extends=[base.slug for base in extends],
        abstract=template.abstract,
    )
    template.definition = definition
    if template._state.adding:
        template.revision = 1
        template.save()
    else:
        _raise_revision(template, expected_revision)
        template.save()
    template.bindings.all().delete()
    Binding.objects.bulk_create(
        Binding(template=template, reference=reference, target=target) for reference, target in parsed.items()
    )
    template.extensions.all().delete()
    Extension.objects.bulk_create(
        Extension(template=template, base=base, position=position) for position, base in enumerate(extends)
    )
    return template


@transaction.atomic
def publish(*, template: ProcessTemplate) -> Published:
    """Publish a template's draft, and re-derive every published template that extends or calls it.

    All or nothing: raises PublishRefusedError with what would break, in this template or in any other.
    """
    # Two publications at once would each derive over what the other is about to replace.
    list(ProcessTemplate.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    library = read_library()
    slug = template.slug
    source = library.drafts[slug]
    problems = _unpublished_bases(library, source)
    after = Library(
        drafts=library.drafts,
        published={**library.published, source.slug: source},
        # What has become abstract can't be called any more.
        plan_hashes={name: plan for name, plan in library.plan_hashes.items() if name != slug or not source.abstract},
    )
    results: list[Derived] = []
    hashes: dict[str, str] = {}
    for name in [slug, *after.dependents(slug)]:
        try:
            derived = derive_source(after, after.published[name], plan_hashes=hashes)
        except DefinitionError as error:
            problems.extend((name, problem) for problem in error.problems)
            continue
        results.append(derived)
        if derived.plan is not None:
            hashes[name] = derived.plan.hash
    if problems:
        raise _refusal(slug, problems)
    store_plans(_all_plans(results))
    changed = [name for name, plan_hash in hashes.items() if library.plan_hashes.get(name) != plan_hash]
    for name in changed:
        ProcessTemplate.objects.filter(slug=name).update(published_plan_id=hashes[name], published_at=timezone.now())
    ProcessTemplate.objects.filter(pk=template.pk).update(
        published_source=source.to_json(),
        published_at=timezone.now(),
        # An abstract template has none, even if it had one before it became abstract.
        published_plan_id=hashes.get(slug),
    )
    template.refresh_from_db()
    return Published(plan_hash=hashes.get(slug), changed=tuple(changed))


def differs_from_published(template: ProcessTemplate) -> bool:
    """Tell whether the draft is something else than what was published last."""
    if template.published_source is None:
        return True
    draft = Source(
        slug=template.slug,
        definition=template.definition,
        abstract=template.abstract,
        extends=tuple(extension.base.slug for extension in template.extensions.all()),
        bindings={binding.reference: binding.target for binding in template.bindings.all()},
    )
    return bool(draft.to_json() != template.published_source)


def _raise_revision(template: ProcessTemplate, expected: int | None) -> None:
    """Take the next revision, if the stored one is still the expected one; `template` gets the new number."""
    rows = ProcessTemplate.objects.filter(pk=template.pk)
    if expected is not None:
        rows = rows.filter(revision=expected)
    if not rows.update(revision=F("revision") + 1):
        now = ProcessTemplate.objects.filter(pk=template.pk).values_list("revision", flat=True).first()
        raise StaleDraftError(
            "Somebody else saved this template after you opened it. Copy what you changed, reload, and enter it again.",
            fields={"expected": expected, "revision": now},
        )
    template.revision = ProcessTemplate.objects.values_list("revision", flat=True).get(pk=template.pk)


def _unpublished_bases(library: Library, source: Source) -> list[tuple[str, Problem]]:
    return [
        (
            source.slug,
            Problem(
                path="/extends",
                message=f'The extended template "{base}" isn\'t published yet',
                value=base,
                suggestion="Publish it first",
            ),
        )
        for base in source.extends
        if base not in library.published
    ]


def _refusal(slug: str, problems: Sequence[tuple[str, Problem]]) -> PublishRefusedError:
    broken = [
        {
            "template": problem.source or name,
            "path": problem.path,
            "message": problem.message,
            "suggestion": problem.suggestion,
            "needed_by": name,
        }
        for name, problem in problems
    ]
    others = sorted({name for name, _ in problems} - {slug})
    what = f"it would break {', '.join(others)}" if others else "it has problems"
    return PublishRefusedError(f'"{slug}" can\'t be published: {what}.', fields={"broken": broken})


def _all_plans(results: Sequence[Derived]) -> list[Plan]:
    return [plan for derived in results for plan in (*derived.inline, derived.plan) if plan is not None]
