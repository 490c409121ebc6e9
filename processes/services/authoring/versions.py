"""Go back to an earlier version of a template, and tell beforehand what that would do."""

from dataclasses import dataclass

from django.db import transaction

from processes.errors import DefinitionError
from processes.models import ProcessTemplate, TemplateVersion, VersionCause
from processes.services.audit import SYSTEM, actor_of, record
from processes.services.authoring.history import Comparison, State, compare, compare_states, find_version, latest_number
from processes.services.authoring.impact import Impact, impact_of
from processes.services.authoring.publishing import (
    Published,
    check_revision,
    lock_templates,
    plan_publication,
    put_in_force,
    stored_template,
)
from processes.services.authoring.templates import replace_draft
from processes.services.bound_connections import check_connections
from processes.services.errors import DraftInTheWayError, StaleDraftError
from processes.services.library import Library, Source, read_library

__all__ = ["RollBackPreview", "preview_roll_back", "roll_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackPreview:
    """Hold what going back to a version would do now.

    `comparison` leads from what is in force to what would come into force; None where that can't be derived any more,
    which `impact.broken` explains. `lost` leads from what is published to the draft that would be overwritten; None if
    the draft is what is published, or can't be derived. `is_exact`: the same plan as then would come into force.
    """

    version: TemplateVersion
    comparison: Comparison | None
    impact: Impact
    overwrites_draft: bool
    lost: Comparison | None
    is_exact: bool

    @property
    def does_nothing(self) -> bool:
        """Tell whether neither what is in force nor the draft would change."""
        is_same = self.comparison is not None and not self.comparison.difference and self.comparison.same_source
        return is_same and not self.impact.followers and not self.overwrites_draft


def preview_roll_back(*, template: ProcessTemplate, number: int) -> RollBackPreview:
    """Tell what going back to a version would do now; raises VersionNotFoundError."""
    version = find_version(template, number)
    library = read_library()
    source = Source.from_json(template.slug, version.source)
    publication = plan_publication(library, source)
    comparison = None
    if publication.own is not None:
        plan = publication.own.plan
        then = State(source, None if plan is None else plan.to_json())
        comparison = compare_states(State.at(template, "published"), then)
    overwrites = _is_draft_lost(library, source)
    return RollBackPreview(
        version=version,
        comparison=comparison,
        impact=impact_of(library, publication),
        overwrites_draft=overwrites,
        lost=_draft_changes(template) if overwrites else None,
        is_exact=publication.own is not None and publication.plan_hashes.get(template.slug) == version.plan_id,
    )


@transaction.atomic
def roll_back(
    *,
    template: ProcessTemplate,
    number: int,
    user: object = None,
    expected_revision: int | None = None,
    expected_version: int | None = None,
    discard_draft: bool = False,
) -> Published:
    """Put a version's source back as the draft, and publish it over what is published of other templates now.

    All or nothing. Raises VersionNotFoundError; PublishRefusedError where the source can't be derived any more, or
    would break another template; StaleDraftError where the draft or the version in force isn't the expected one any
    more; BindingRefusedError where `user` may not bind a connection of it; and DraftInTheWayError where a draft that
    was never published would be lost without `discard_draft`.
    """
    lock_templates()
    stored = stored_template(template)
    check_revision(stored, expected_revision)
    latest = latest_number(stored)
    if expected_version is not None and latest != expected_version:
        raise StaleDraftError(
            f"Meanwhile version {latest} came into force. Look at what going back would change now, and decide again.",
            fields={"expected_version": expected_version, "version": latest},
        )
    version = find_version(stored, number)
    source = Source.from_json(stored.slug, version.source)
    library = read_library()
    if not discard_draft and _is_draft_lost(library, source):
        raise DraftInTheWayError(
            "The draft has changes that were never published; going back would discard them. Confirm that, or publish "
            "the draft first: then it is a version of its own."
        )
    check_connections(library, source, user=user)
    # Publishing checks first, so that every base is known to exist when its rows are written.
    result = put_in_force(library, source, user=user, cause=VersionCause.ROLLED_BACK, origin=str(number))
    if result.version is None and not result.changed:
        # What is in force stays, but the draft is given up for it.
        record(
            "template.rolled_back",
            actor=SYSTEM if user is None else actor_of(user),
            subject=stored,
            plan_hash=result.plan_hash,
            details={"version": None, "followed": [], "to": number},
        )
    bases = {base.slug: base for base in ProcessTemplate.objects.filter(slug__in=source.extends)}
    stored.refresh_from_db()
    stored.definition, stored.abstract, stored.revision = source.definition, source.abstract, stored.revision + 1
    stored.save(update_fields=["definition", "abstract", "revision", "updated_at"])
    replace_draft(stored, bindings=source.bindings, extends=[bases[slug] for slug in source.extends])
    template.refresh_from_db()
    return result


def _is_draft_lost(library: Library, source: Source) -> bool:
    """Tell whether the draft holds something that is neither in force nor in `source`."""
    draft, published = library.drafts[source.slug], library.published.get(source.slug)
    kept = [source.to_json(), *([] if published is None else [published.to_json()])]
    return draft.to_json() not in kept


def _draft_changes(template: ProcessTemplate) -> Comparison | None:
    try:
        return compare(template=template, old="published", new="draft")
    except DefinitionError:
        return None
