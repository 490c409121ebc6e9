"""Verbs that change templates: save a draft, delete; publishing is in `publishing`, rolling back in `versions`."""

from collections.abc import Iterable, Mapping, Sequence

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from processes.domain.bindings import parse_bindings
from processes.domain.json_values import JSON
from processes.errors import Problem
from processes.models import Binding, Extension, ProcessTemplate, Trigger
from processes.services.audit import SYSTEM, actor_of, record
from processes.services.authoring.loose_ends import loose_ends_of
from processes.services.authoring.publishing import Published, check_revision, lock_templates, publish, stored_template
from processes.services.bound_connections import check_connections
from processes.services.derivation import derive_source
from processes.services.errors import SlugTakenError, TemplateInUseError
from processes.services.library import Source, read_library
from processes.services.triggers import told as told_of_trigger

__all__ = [
    "Published",
    "check_draft",
    "delete_template",
    "differs_from_published",
    "draft_of",
    "publish",
    "replace_draft",
    "save_draft",
    "warnings_of",
]

#: What the audit log names where it has changed, besides definition, bindings and extends.
_FIELDS = ("title", "slug", "description", "abstract", "access", "edit_access", "owner_id")
#: What only publishing changes.
_PUBLISHED = ("published_plan_id", "published_source", "published_at")


def check_draft(
    *,
    slug: str,
    definition: str,
    bindings: Mapping[str, JSON],
    extends: Sequence[str] = (),
    abstract: bool = False,
) -> list[Problem]:
    """Validate a draft without saving it; `extends` are slugs. Raises DefinitionError with every problem.

    It is derived as if it were published now, over what is published of the templates that it extends. Returns what it
    may be published with, and is probably a mistake.
    """
    source = Source(
        slug=slug, definition=definition, abstract=abstract, extends=tuple(extends), bindings=dict(bindings)
    )
    return loose_ends_of(derive_source(read_library(), source))


def warnings_of(template: ProcessTemplate) -> list[Problem]:
    """Return what a saved draft may be published with, and is probably a mistake; raises as `check_draft` does."""
    return loose_ends_of(derive_source(read_library(), draft_of(template)))


@transaction.atomic
def save_draft(
    *,
    template: ProcessTemplate,
    definition: str,
    bindings: Mapping[str, JSON],
    extends: Sequence[ProcessTemplate] = (),
    expected_revision: int | None = None,
    groups: Iterable[Group] | None = None,
    edit_groups: Iterable[Group] | None = None,
    user: object = None,
) -> ProcessTemplate:
    """Save a template with its bindings and, in order, what it extends; return it with its new revision.

    The other fields are saved as they are on `template`; groups stay where None is given. Raises DefinitionError with
    every problem, StaleDraftError where the stored revision isn't `expected_revision` any more, SlugTakenError where
    another template has its slug, and BindingRefusedError where `user` may not bind a connection. `user` is who does
    it; without one it is Stepline itself, which may.
    """
    lock_templates()
    # Kept in their full form, so that a bare script name and its object are one and the same.
    parsed = {name: binding.to_json() for name, binding in parse_bindings(dict(bindings), "/bindings").items()}
    draft = Source(
        slug=template.slug,
        definition=definition,
        abstract=template.abstract,
        extends=tuple(base.slug for base in extends),
        bindings=parsed,
    )
    library = read_library()
    derive_source(library, draft)
    check_connections(library, draft, user=user)
    stored = None if template._state.adding else stored_template(template)
    if stored is None:
        template.revision = 1
        changed: list[str] = []
    else:
        check_revision(stored, expected_revision)
        template.revision = stored.revision + 1
        changed = [name.removesuffix("_id") for name in _FIELDS if getattr(stored, name) != getattr(template, name)]
        before = draft_of(stored)
        changed += [
            name for name in ("definition", "bindings", "extends") if getattr(before, name) != getattr(draft, name)
        ]
    template.definition = definition
    _save(template, stored)
    replace_draft(template, bindings=parsed, extends=extends)
    for name, chosen in (("groups", groups), ("edit_groups", edit_groups)):
        changed += _set_groups(template, name, chosen)
    record(
        "template.created" if stored is None else "template.edited",
        actor=SYSTEM if user is None else actor_of(user),
        subject=template,
        details={"revision": template.revision, **({"changed": changed} if stored is not None else {})},
    )
    return template


@transaction.atomic
def delete_template(*, template: ProcessTemplate, user: object = None) -> None:
    """Delete a template with its history and triggers.

    Raises TemplateInUseError where something builds on it or is alive.
    """
    lock_templates()
    stored = stored_template(template)
    uses = read_library().uses(stored.slug)
    instances = stored.instances.count()
    if uses or instances:
        told = [f"{use.slug} {use.how} it" for use in uses]
        if instances:
            told.append("one instance of it exists" if instances == 1 else f"{instances:,} instances of it exist")
        raise TemplateInUseError(
            f'"{stored.slug}" can\'t be deleted: {", ".join(told)}.',
            fields={"uses": [{"template": use.slug, "how": use.how} for use in uses], "instances": instances},
        )
    actor = SYSTEM if user is None else actor_of(user)
    for trigger in Trigger.objects.select_related("template", "user").filter(template=stored):
        record("trigger.deleted", actor=actor, subject=trigger, details=told_of_trigger(trigger))
    record(
        "template.deleted",
        actor=actor,
        subject=stored,
        plan_hash=stored.published_plan_id,
        details={"slug": stored.slug, "revision": stored.revision},
    )
    stored.delete()


def replace_draft(
    template: ProcessTemplate, *, bindings: Mapping[str, JSON], extends: Sequence[ProcessTemplate]
) -> None:
    """Write the rows of a draft's bindings and extensions anew."""
    template.bindings.all().delete()
    Binding.objects.bulk_create(
        Binding(template=template, reference=reference, target=target) for reference, target in bindings.items()
    )
    template.extensions.all().delete()
    Extension.objects.bulk_create(
        Extension(template=template, base=base, position=position) for position, base in enumerate(extends)
    )


def draft_of(template: ProcessTemplate) -> Source:
    """Return what a template would be derived from if it were published now."""
    return Source(
        slug=template.slug,
        definition=template.definition,
        abstract=template.abstract,
        extends=tuple(extension.base.slug for extension in template.extensions.all()),
        bindings={binding.reference: binding.target for binding in template.bindings.all()},
    )


def differs_from_published(template: ProcessTemplate) -> bool:
    """Tell whether the draft is something else than what was published last."""
    return template.published_source is None or draft_of(template).to_json() != template.published_source


def _save(template: ProcessTemplate, stored: ProcessTemplate | None) -> None:
    if stored is not None:
        # `template` was read before the lock was held: what was published since must stay in force.
        for name in _PUBLISHED:
            setattr(template, name, getattr(stored, name))
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as error:
        if not ProcessTemplate.objects.filter(slug=template.slug).exclude(pk=template.pk).exists():
            raise
        raise SlugTakenError(
            f'There is a template "{template.slug}" already: somebody else may just have made it.',
            fields={"slug": template.slug},
        ) from error


def _set_groups(template: ProcessTemplate, name: str, chosen: Iterable[Group] | None) -> list[str]:
    """Set a template's groups, if any were chosen; return the name if that changed them."""
    if chosen is None:
        return []
    groups = getattr(template, name)
    wanted = {group.pk for group in chosen}
    if wanted == set(groups.values_list("pk", flat=True)):
        return []
    groups.set(wanted)
    return [name]
