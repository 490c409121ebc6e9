"""Derive which process and which status rules an object has: bound in its context, else its model's defaults."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q
from django.utils.translation import gettext as _

from processes.domain.dynamic_bindings import chain_of, first_bound
from processes.models import DrivenFields, DynamicBinding, ProcessTemplate, StatusRules
from processes.services.errors import DrivenProcessError

__all__ = ["Derived", "check_derived", "derive", "reference_of"]

#: The key of a content type, the object's own as a text, and the reference.
_Place: TypeAlias = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Hold the keys of what an object has; None for nothing, `missing_*` the slug of a default that isn't there."""

    process_id: int | None = None
    status_rules_id: int | None = None
    missing_process: str = ""
    missing_status_rules: str = ""


def reference_of(thing: DrivenFields) -> str:
    """Return by which reference an object's context binds something for it."""
    return thing.process_reference or thing._meta.label_lower


def derive(things: Sequence[DrivenFields]) -> list[Derived]:
    """Return what each of these objects has by its context, in their order.

    However many there are, bindings are read by one query, defaults by one each; what the objects' own
    `process_context` reads is theirs.
    """
    chains = [_chain(thing) for thing in things]
    types = ContentType.objects.get_for_models(*{type(one) for chain in chains for one in chain})
    places: list[list[Hashable]] = [
        [(types[type(one)].pk, str(one.pk), reference_of(thing)) for one in chain if one.pk is not None]
        for thing, chain in zip(things, chains, strict=True)
    ]
    bound = _bindings(place for chain in places for place in chain)
    processes: dict[Hashable, int | None] = {place: row.process_id for place, row in bound.items()}
    rules: dict[Hashable, int | None] = {place: row.status_rules_id for place, row in bound.items()}
    found = [(first_bound(chain, processes), first_bound(chain, rules)) for chain in places]
    known = _defaults(
        ProcessTemplate, {one.default_process for one, has in zip(things, found, strict=True) if not has[0]}
    )
    known_rules = _defaults(
        StatusRules, {one.default_status_rules for one, has in zip(things, found, strict=True) if not has[1]}
    )
    return [
        Derived(
            process_id=process_id or known.get(thing.default_process),
            status_rules_id=rules_id or known_rules.get(thing.default_status_rules),
            missing_process="" if process_id or thing.default_process in known else thing.default_process,
            missing_status_rules=""
            if rules_id or thing.default_status_rules in known_rules
            else thing.default_status_rules,
        )
        for thing, (process_id, rules_id) in zip(things, found, strict=True)
    ]


def check_derived(thing: DrivenFields, derived: Derived) -> None:
    """Raise DrivenProcessError where a default that an object needs isn't there."""
    words = {"model": thing._meta.label, "reference": reference_of(thing)}
    if derived.missing_process:
        raise DrivenProcessError(
            _("%(model)s has the default process “%(slug)s”, which isn't there: load it, or bind “%(reference)s”.")
            % {**words, "slug": derived.missing_process},
            fields={"process": derived.missing_process},
        )
    if derived.missing_status_rules:
        raise DrivenProcessError(
            _("%(model)s has the default status rules “%(slug)s”, which aren't there: add them, or bind it.")
            % {**words, "slug": derived.missing_status_rules},
            fields={"status_rules": derived.missing_status_rules},
        )


def _chain(thing: Model) -> list[Model]:
    return chain_of(thing, upward=_above, identity=_identity)


def _above(thing: Model) -> Iterable[Model | None]:
    ask = getattr(thing, "process_context", None)
    return ask() if callable(ask) else ()


def _identity(thing: Model) -> Hashable:
    # What isn't stored yet has no key: it is only the same as itself.
    return (thing._meta.concrete_model, thing.pk if thing.pk is not None else id(thing))


def _bindings(places: Iterable[Hashable]) -> dict[Hashable, DynamicBinding]:
    wanted: defaultdict[int, set[str]] = defaultdict(set)
    references: set[str] = set()
    for type_id, key, reference in set(_as_places(places)):
        wanted[type_id].add(key)
        references.add(reference)
    if not wanted:
        return {}
    of_objects = Q()
    for type_id, keys in wanted.items():
        of_objects |= Q(content_type=type_id, object_id__in=sorted(keys))
    rows = DynamicBinding.objects.filter(of_objects, reference__in=sorted(references)).order_by()
    return {(row.content_type_id, row.object_id, row.reference): row for row in rows}


def _as_places(places: Iterable[Hashable]) -> Iterable[_Place]:
    return (place for place in places if isinstance(place, tuple))


def _defaults(model: type[ProcessTemplate] | type[StatusRules], slugs: set[str]) -> dict[str, int]:
    """Return the keys of rows by slug; no default has no row."""
    if not (named := sorted(slugs - {""})):
        return {}
    return dict(model._default_manager.filter(slug__in=named).values_list("slug", "pk"))
