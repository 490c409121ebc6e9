"""Gather what the documentation of a template tells: every action in force, in words, and all that stands around it.

Whatever is wrong with a template, what can be told of it is told, with each problem at its place.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from django.utils import translation
from django.utils.translation import gettext as _

from processes.domain.authoring.config_text import Piece, config_pieces, json_text
from processes.domain.authoring.diagram import Diagram, DiagramAction, anchor_of, lay_out
from processes.domain.authoring.effects import EFFECT_WORDS
from processes.domain.authoring.flow import Order, order_of
from processes.domain.authoring.json_positions import pointer_parts
from processes.domain.authoring.kind_words import KIND_WORDS
from processes.domain.authoring.prose import (
    Sentence,
    entry_words,
    limit_words,
    next_words,
    undo_words,
)
from processes.domain.authoring.schema_words import ConfigTable, config_tables
from processes.domain.bindings import REF, Binding
from processes.domain.definition import Action
from processes.domain.entrances import UntoldEntrances, entrances_in
from processes.domain.json_values import JSON
from processes.domain.merge import Merged, MergedAction, MergedBinding
from processes.domain.scripts import Effect, ScriptSpec
from processes.errors import Problem
from processes.models import Access, EditAccess, ProcessTemplate
from processes.services.authoring.reading import Reading, read_source
from processes.services.catalogue import catalogue
from processes.services.errors import NotPublishedError
from processes.services.library import Source, read_library

__all__ = [
    "MAX_DRAWN", "MAX_TOLD", "ActionEntry", "BindingEntry", "Documentation", "Place", "Runs", "ScriptEntry",
    "describe_reading", "describe_template",
]  # fmt: skip

#: How many actions are drawn and told: a page of more would be of no use to anybody.
MAX_DRAWN, MAX_TOLD = 1_000, 2_000

#: Scripts that send the reader, or the work, to the action of this process that their config names.
_LEADING_ON = frozenset({"show_form", "redirect", "end_progress_with_execute"})
#: In a definition's problems: the action that they are about.
_ACTION_PATH = re.compile(r"(?:/actions)?/\d+(?=/|$)")
_OPENING, _CLOSING = ("@start", "@default"), ("@end", "@unknown", "@error")

Runner: TypeAlias = Literal["script", "process", "nothing", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Hold a template that is referred to; `pk` is None where there is none of that slug."""

    slug: str
    title: str
    pk: int | None = None
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Say what carries out an action.

    `name` is the script's canonical name or the process's; `reference` the binding that leads to it, if one does;
    `place` the template of a process, None for an inline one.
    """

    kind: Runner
    name: str = ""
    reference: str | None = None
    summary: str = ""
    effect: str = ""
    durable: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEntry:
    """Tell one action; `number` is its place in the sequence, None for a lifecycle action."""

    name: str
    anchor: str
    number: int | None
    caption: str
    comment: str
    origin: Place
    is_own: bool
    overrides: tuple[Place, ...]
    runs: Runs
    config: tuple[Piece, ...]
    next: Sentence
    #: Who may enter; limits; what takes it back: those that there are.
    more: tuple[Sentence, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingEntry:
    """Tell one binding: what it leads to, and who uses it."""

    reference: str
    kind: str
    text: str
    origin: Place
    is_own: bool
    overrides: tuple[Place, ...]
    place: Place | None
    used_by: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptEntry:
    """Tell one script that the template uses."""

    name: str
    aliases: tuple[str, ...]
    documentation: str
    effect: str
    tables: tuple[ConfigTable, ...]
    errors: tuple[tuple[str, str], ...]

    @property
    def paragraphs(self) -> list[str]:
        """Return the docstring's paragraphs, without its line breaks."""
        return [" ".join(part.split()) for part in re.split(r"\n\s*\n", self.documentation)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """Tell a template, as its draft or as it is published.

    `problems` are those without a place among the actions and bindings. `diagram` is None where there are too many
    actions to draw; `untold` counts those that aren't told.
    """

    of: Literal["draft", "published"]
    abstract: bool
    extends: tuple[Place, ...]
    actions: tuple[ActionEntry, ...]
    bindings: tuple[BindingEntry, ...]
    scripts: tuple[ScriptEntry, ...]
    executed_by: str
    edited_by: str
    diagram: Diagram | None
    untold: int
    plan_hash: str | None
    problems: tuple[Problem, ...]
    has_problems: bool


def describe_template(template: ProcessTemplate, *, published: bool = False) -> Documentation:
    """Return the documentation of the draft, or of what is published; raises NotPublishedError."""
    library = read_library()
    source = (library.published if published else library.drafts).get(template.slug)
    if source is None:
        raise NotPublishedError(_("This template isn't published yet."))
    reading = read_source(library, source)
    return _Teller(template, source, reading).tell("published" if published else "draft")


def describe_reading(template: ProcessTemplate, source: Source, reading: Reading) -> Documentation:
    """Return the documentation of a draft as it would be read from `source`, saved or not."""
    return _Teller(template, source, reading).tell("draft")


class _Teller:
    """Tell one reading of a template."""

    def __init__(self, template: ProcessTemplate, source: Source, reading: Reading) -> None:
        self._template, self._source, self._reading = template, source, reading
        self._merged: Merged = reading.merged
        self._catalogue = catalogue()
        self._order: Order = order_of(item.action.name for item in reading.merged.actions)
        self._bound = {reference: self._in_config(item.binding) for reference, item in self._merged.bindings.items()}
        self._places = _places(self._slugs())
        self._problems = _Problems(reading.problems, own=source.slug)

    def tell(self, of: Literal["draft", "published"]) -> Documentation:
        """Return everything."""
        listed = _in_order(self._merged.actions)
        runs = {item.action.name: self._runs(item.action.reference) for item in listed}
        told = listed[:MAX_TOLD]
        numbers = {name: number for number, name in enumerate(self._order.ordinary, start=1)}
        actions = tuple(self._action(item, runs[item.action.name], numbers.get(item.action.name)) for item in told)
        users = self._users(listed)
        bindings = tuple(
            self._binding(reference, self._merged.bindings[reference], users.get(reference, {}))
            for reference in sorted(self._merged.bindings)
        )
        drawn = len(listed) <= MAX_DRAWN
        return Documentation(
            of=of,
            abstract=self._source.abstract,
            extends=tuple(self._place(slug) for slug in self._source.extends),
            actions=actions,
            bindings=bindings,
            scripts=tuple(self._scripts(run.name for run in runs.values() if run.kind == "script")),
            executed_by=_executed_by(self._template),
            edited_by=_edited_by(self._template),
            diagram=lay_out((self._drawn(item, runs[item.action.name]) for item in listed), language=translation)
            if drawn
            else None,
            untold=len(listed) - len(told),
            plan_hash=self._reading.plan_hash,
            problems=self._problems.rest(),
            has_problems=bool(self._reading.problems),
        )

    # -- actions -----------------------------------------------------------------------------------------------------

    def _action(self, item: MergedAction, runs: Runs, number: int | None) -> ActionEntry:
        action, order = item.action, self._order
        config = config_pieces(action.config, self._bound) if action.config is not None else []
        sentences = (
            entry_words(action.name, order, entry=action.entry, safe=action.safe, language=translation),
            limit_words(retry=action.retry, timeout_seconds=action.timeout_seconds, language=translation),
            undo_words(action.compensate, order, language=translation),
        )
        return ActionEntry(
            name=action.name,
            anchor=anchor_of(action.name),
            number=number,
            caption=action.caption or "",
            comment=action.comment or "",
            origin=self._place(item.layer.name),
            is_own=item.layer.name == self._source.slug,
            overrides=tuple(self._place(slug) for slug in item.overrides),
            runs=runs,
            config=tuple(config),
            next=next_words(action, order, language=translation),
            more=tuple(sentence for sentence in sentences if sentence),
            problems=self._problems.of_action(item),
        )

    def _drawn(self, item: MergedAction, runs: Runs) -> DiagramAction:
        action = item.action
        leads_on = action.config.get("action") if isinstance(action.config, dict) else None
        is_leading = runs.kind == "script" and runs.name in _LEADING_ON and leads_on in self._order.declared
        return DiagramAction(
            name=action.name,
            next=action.next,
            kind=runs.kind,
            detail=runs.name or (_("runs nothing") if runs.kind == "nothing" else ""),
            safe=action.safe,
            entry=action.entry,
            compensate=action.compensate,
            later=leads_on if is_leading else None,
            parts=self._parts(action, runs),
        )

    def _parts(self, action: Action, runs: Runs) -> tuple[str, ...]:
        """Return the actions at which the branches or items of an action begin, as far as its config says so."""
        spec = self._catalogue.find(runs.name) if runs.kind == "script" else None
        try:
            found = [] if spec is None else entrances_in(action.config, spec.parts)
        except UntoldEntrances:  # Publishing tells of it.
            return ()
        names = dict.fromkeys(part.action for part in found)
        return tuple(name for name in names if name in self._order.declared)

    def _runs(self, reference: str | None) -> Runs:
        if reference is None:
            return Runs(kind="nothing")
        bound = self._merged.bindings.get(reference)
        if bound is None:
            return self._script_runs(reference, None)
        binding = bound.binding
        if binding.kind == "script":
            return self._script_runs(str(binding.target), reference)
        if binding.kind != "process":
            return Runs(kind="unknown", name=reference, reference=reference)
        if not isinstance(binding.target, str):
            return Runs(kind="process", name=_("%(name)s (inline)") % {"name": reference}, reference=reference)
        place = self._place(binding.target)
        return Runs(kind="process", name=binding.target, reference=reference, place=place)

    def _script_runs(self, name: str, reference: str | None) -> Runs:
        spec = self._catalogue.find(name)
        if spec is None:
            return Runs(kind="unknown", name=name, reference=reference)
        return Runs(
            kind="script",
            name=spec.name,
            reference=reference if reference != spec.name else None,
            summary=_summary(spec),
            effect=spec.effect,
            durable=spec.durable,
        )

    # -- bindings and scripts ----------------------------------------------------------------------------------------

    def _binding(self, reference: str, item: MergedBinding, users: Iterable[str]) -> BindingEntry:
        binding = item.binding
        named = isinstance(binding.target, str)
        return BindingEntry(
            reference=reference,
            kind=_(KIND_WORDS[binding.kind]),
            text=binding.target if named and binding.kind != "value" else json_text(binding.target),
            origin=self._place(item.layer.name),
            is_own=item.layer.name == self._source.slug,
            overrides=tuple(self._place(slug) for slug in item.overrides),
            place=self._place(binding.target) if named and binding.kind == "process" else None,
            used_by=tuple(users),
            problems=self._problems.of_binding(reference, item),
        )

    def _users(self, listed: Iterable[MergedAction]) -> dict[str, dict[str, None]]:
        """Return the actions that name each binding, as their script or in their config."""
        found: dict[str, dict[str, None]] = {}
        for item in listed:
            action = item.action
            if action.reference in self._merged.bindings:
                found.setdefault(str(action.reference), {})[action.name] = None
            for piece in config_pieces(action.config, self._bound):
                if piece.reference is not None:
                    found.setdefault(piece.reference, {})[action.name] = None
        return found

    def _scripts(self, names: Iterable[str]) -> Iterable[ScriptEntry]:
        for name in sorted(set(names)):
            spec = self._catalogue.find(name)
            if spec is not None:
                yield ScriptEntry(
                    name=spec.name,
                    aliases=spec.aliases,
                    documentation=spec.documentation,
                    effect=_effect(spec.effect),
                    tables=() if spec.config is None else tuple(config_tables(spec.config)),
                    errors=tuple(spec.errors.items()),
                )

    def _in_config(self, binding: Binding) -> JSON:
        """Return what a reference becomes, as far as an editor cares: a process by name, without hashes."""
        if binding.kind == "process" and not isinstance(binding.target, str):
            return {REF: "process", "name": f"{self._source.slug} (inline)"}
        return binding.in_config()

    # -- other templates ---------------------------------------------------------------------------------------------

    def _slugs(self) -> set[str]:
        targets = [item.binding for item in self._merged.bindings.values()]
        called = {item.target for item in targets if item.kind == "process" and isinstance(item.target, str)}
        return {self._source.slug, *self._source.extends, *called, *(layer.name for layer in self._reading.layers)}

    def _place(self, slug: str) -> Place:
        return self._places.get(slug) or Place(slug=slug, title=slug)


class _Problems:
    """Lead each problem to the action or binding that it is about; what is told is taken from the rest."""

    def __init__(self, problems: Iterable[Problem], *, own: str) -> None:
        self._rest: list[Problem] = []
        self._placed: dict[tuple[str, str], list[Problem]] = {}
        for problem in problems:
            if (place := _place_of(problem)) is None:
                self._rest.append(problem)
            else:
                self._placed.setdefault((problem.source or own, place), []).append(problem)

    def of_action(self, item: MergedAction) -> tuple[Problem, ...]:
        """Take the problems of an action."""
        return tuple(self._placed.pop((item.layer.name, item.layer.definition_path + item.action.path), ()))

    def of_binding(self, reference: str, item: MergedBinding) -> tuple[Problem, ...]:
        """Take the problems of a binding."""
        return tuple(self._placed.pop((item.layer.name, f"binding {reference}"), ()))

    def rest(self) -> tuple[Problem, ...]:
        """Return the problems that nothing has taken."""
        return (*self._rest, *(problem for problems in self._placed.values() for problem in problems))


def _place_of(problem: Problem) -> str | None:
    found = _ACTION_PATH.match(problem.path)
    if found is not None:
        return found[0]
    parts = pointer_parts(problem.path)
    return f"binding {parts[1]}" if len(parts) > 1 and parts[0] == "bindings" else None


def _in_order(actions: Iterable[MergedAction]) -> list[MergedAction]:
    """Return the actions as the diagram shows them: lifecycle actions where they run, the last ones below all."""
    by_name = {item.action.name: item for item in actions}
    ordinary = [item for item in by_name.values() if not item.action.is_lifecycle]
    opening, closing = ([by_name[name] for name in names if name in by_name] for names in (_OPENING, _CLOSING))
    return [*opening, *ordinary, *closing]


def _places(slugs: Iterable[str]) -> Mapping[str, Place]:
    rows = ProcessTemplate.objects.filter(slug__in=slugs).values_list("slug", "title", "pk", "published_at")
    return {row[0]: Place(slug=row[0], title=row[1], pk=row[2], published=row[3] is not None) for row in rows}


def _summary(spec: ScriptSpec) -> str:
    return spec.documentation.partition("\n")[0]


def _effect(effect: Effect) -> str:
    words = _(EFFECT_WORDS[effect])
    return f"{words[0].upper()}{words[1:]}."


def _executed_by(template: ProcessTemplate) -> str:
    if template.access != Access.GROUPS:
        return str(Access(template.access).label)
    return _members(group.name for group in template.groups.all())


def _edited_by(template: ProcessTemplate) -> str:
    if template.edit_access != EditAccess.GROUPS:
        return str(EditAccess(template.edit_access).label)
    members = _members(group.name for group in template.edit_groups.all())
    if template.owner_id is None:
        return _("editors who are %(members)s") % {"members": members}
    return _("its owner, and editors who are %(members)s") % {"members": members}


def _members(groups: Iterable[str]) -> str:
    names = sorted(groups)
    if not names:
        return _("nobody: no group is chosen")
    return _("members of %(groups)s") % {"groups": ", ".join(names)}
