"""The history of a template: list it, and compare any two moments of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from django.db.models import QuerySet

from processes.domain.authoring.diff_words import in_one_line
from processes.domain.authoring.language import ENGLISH, Language
from processes.domain.authoring.plan_diff import Effective, PlanDiff, diff
from processes.domain.bindings import parse_bindings
from processes.domain.definition_text import parse_text
from processes.domain.json_values import JSON
from processes.domain.merge import Layer
from processes.errors import ProcessError
from processes.models import Plan, ProcessTemplate, TemplateVersion
from processes.services.derivation import derive_source
from processes.services.errors import NotPublishedError, VersionNotFoundError
from processes.services.library import Source, read_library

__all__ = [
    "Comparison",
    "Moment",
    "State",
    "compare",
    "compare_states",
    "find_version",
    "latest_number",
    "list_versions",
    "summarise",
]

#: What can be compared: a version's number, the draft, or what is in force.
Moment: TypeAlias = int | Literal["draft", "published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Hold how a template differs between two moments.

    `own_only`: an abstract template has no plan, so its own definition and bindings were compared, without what it
    extends. `same_source`: its own text, bindings and extends are the same; what differs comes from the templates that
    it builds on, or from newer scripts.
    """

    difference: PlanDiff
    own_only: bool
    same_source: bool

    @property
    def is_rewritten(self) -> bool:
        """Tell whether only its writing differs, and not what it does."""
        return not self.difference and not self.same_source


def list_versions(template: ProcessTemplate) -> QuerySet[TemplateVersion]:
    """Return the versions, latest first, with who published them."""
    return template.versions.select_related("published_by").order_by("-number")


def latest_number(template: ProcessTemplate) -> int | None:
    """Return the number of the version that is in force; None if nothing was ever published."""
    return template.versions.order_by("-number").values_list("number", flat=True).first()


def find_version(template: ProcessTemplate, number: int) -> TemplateVersion:
    """Return one version; raises VersionNotFoundError."""
    version = list_versions(template).filter(number=number).first()
    if version is None:
        raise VersionNotFoundError(f'"{template.slug}" has no version {number}.', fields={"number": number})
    return version


def compare(*, template: ProcessTemplate, old: Moment, new: Moment) -> Comparison:
    """Compare the template at two moments.

    Raises VersionNotFoundError, NotPublishedError, and DefinitionError where the draft can't be derived now.
    """
    return compare_states(State.at(template, old), State.at(template, new))


def summarise(
    template: ProcessTemplate, versions: Sequence[TemplateVersion], *, language: Language = ENGLISH
) -> dict[int, str]:
    """Say in a line what each version changed in the one before it, by number; two queries for all of them."""
    earlier = template.versions.filter(number__in=[version.number - 1 for version in versions])
    known = {version.number: version for version in (*earlier, *versions)}
    plans = _read_plans(version.plan_id for version in known.values())
    states = {number: State.of_version(template.slug, version, plans) for number, version in known.items()}
    return {
        version.number: _summary(states.get(version.number - 1), states[version.number], language)
        for version in versions
    }


@dataclass(frozen=True, slots=True)
class State:
    """Hold a template at one moment: its source, and its plan as JSON unless it was abstract."""

    source: Source
    plan: JSON

    @classmethod
    def at(cls, template: ProcessTemplate, moment: Moment) -> "State":
        if moment == "draft":
            library = read_library()
            source = library.drafts[template.slug]
            plan = derive_source(library, source).plan
            return cls(source, None if plan is None else plan.to_json())
        if moment == "published":
            if template.published_source is None:
                raise NotPublishedError(f'"{template.slug}" isn\'t published yet.')
            plans = _read_plans([template.published_plan_id])
            source = Source.from_json(template.slug, template.published_source)
            return cls(source, plans.get(template.published_plan_id or ""))
        version = find_version(template, moment)
        return cls.of_version(template.slug, version, _read_plans([version.plan_id]))

    @classmethod
    def of_version(cls, slug: str, version: TemplateVersion, plans: Mapping[str, JSON]) -> "State":
        return cls(Source.from_json(slug, version.source), plans.get(version.plan_id or ""))

    def effective(self, *, own_only: bool) -> Effective:
        source = self.source
        if not own_only:
            return Effective.of_plan(self.plan, extends=source.extends)
        layer = Layer(
            name=source.slug,
            definition=parse_text(source.definition, abstract=True),
            bindings=parse_bindings(dict(source.bindings), path="/bindings"),
        )
        return Effective.of_layer(layer, abstract=source.abstract, extends=source.extends)


def compare_states(old: State, new: State) -> Comparison:
    """Compare two states of one template; as its own parts only, where it is abstract in either."""
    own_only = old.plan is None or new.plan is None
    return Comparison(
        difference=diff(old.effective(own_only=own_only), new.effective(own_only=own_only)),
        own_only=own_only,
        same_source=old.source.to_json() == new.source.to_json(),
    )


def _summary(old: State | None, new: State, language: Language) -> str:
    if old is None:
        return language.gettext("first version")
    try:
        comparison = compare_states(old, new)
    except ProcessError as error:
        # A version of long ago that this release can't read any more must not hide the others.
        return language.gettext("can't be compared: %(error)s") % {"error": error.message}
    told = in_one_line(comparison.difference, language=language)
    if told:
        return told
    return language.gettext("only its writing") if comparison.is_rewritten else language.gettext("nothing")


def _read_plans(hashes: Iterable[str | None]) -> dict[str, JSON]:
    wanted = {plan_hash for plan_hash in hashes if plan_hash is not None}
    rows = Plan.objects.filter(hash__in=wanted).values_list("hash", "content")
    return {plan_hash: json.loads(content) for plan_hash, content in rows}
