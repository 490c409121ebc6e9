"""Derive plans: merge layers, resolve bindings, check configs, compile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from processes.domain.bindings import Binding, Kind, reference_of, replace_references
from processes.domain.config_check import config_problems
from processes.domain.definition import MAX_ACTIONS, MAX_GUESSES, undeclared
from processes.domain.entrances import UntoldEntrances, entrances_in
from processes.domain.json_values import JSON, Path, canonical, pointer
from processes.domain.merge import Layer, Merged, MergedAction, MergedBinding, merge
from processes.domain.placeholders import Filler, scan_texts
from processes.domain.plan import Places, Plan, PlanAction
from processes.domain.scripts import Catalogue
from processes.domain.suggestions import did_you_mean
from processes.domain.targets import (
    ActionTarget,
    BoundTarget,
    CredentialCheck,
    ProcessResolver,
    ProcessTarget,
    QuerysetCheck,
    ScriptTarget,
)
from processes.errors import DefinitionError, NotFoundError, Problem, ProcessError

__all__ = ["Derivation", "derive"]

MAX_PROBLEMS = 200
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """Hold what a derivation gives: the merged layers (who declared what) and the plan, None for an abstract one."""

    merged: Merged
    plan: Plan | None


def derive(
    layers: Sequence[Layer],
    *,
    name: str,
    catalogue: Catalogue,
    processes: ProcessResolver | None = None,
    credentials: CredentialCheck | None = None,
    querysets: QuerysetCheck | None = None,
    abstract: bool = False,
) -> Derivation:
    """Derive the plan of the last layer, which extends those before it.

    `processes` resolves process bindings, `credentials` refuses names of connections that don't exist, `querysets`
    those of querysets that aren't registered. An abstract template may leave actions undeclared and references
    unbound; everything else is checked, and no plan results.
    Raises DefinitionError with all problems: those in an extended layer bear its name as `source`.
    """
    merged = merge(layers)
    own = layers[-1].name if layers else name
    checks: dict[Kind, CredentialCheck | QuerysetCheck | None] = {"credential": credentials, "queryset": querysets}
    work = _Work(own=own, merged=merged, catalogue=catalogue, lenient=abstract, checks=checks)
    if len(merged.actions) > MAX_ACTIONS:
        raise DefinitionError([Problem(path="", message=f"More than {MAX_ACTIONS:,} actions")])
    for reference, bound in merged.bindings.items():
        work.resolve_binding(reference, bound, processes or _no_processes)
    resolved = [work.resolve_action(action) for action in merged.actions]
    for action, problem in merged.misdirected(lenient=abstract):
        work.add(action.layer, action.layer.definition_path, problem)
    if not abstract:
        for item in resolved:
            work.check_required(item)
            work.check_parts(item)
    if work.problems:
        raise DefinitionError(work.problems)
    return Derivation(merged=merged, plan=None if abstract else _compile(name, resolved, work.bindings))


@dataclass(frozen=True, slots=True)
class _Resolved:
    merged: MergedAction
    target: ActionTarget
    config: JSON
    fillers: tuple[Filler, ...]
    references: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Work:
    """Gather what a derivation finds on its way."""

    own: str
    merged: Merged
    catalogue: Catalogue
    lenient: bool
    #: By kind of binding: what refuses names that lead nowhere.
    checks: Mapping[Kind, CredentialCheck | QuerysetCheck | None]
    problems: list[Problem] = field(default_factory=list)
    bindings: dict[str, BoundTarget] = field(default_factory=dict)
    _scripts: dict[str, ScriptTarget] = field(default_factory=dict)
    _required: set[str] = field(default_factory=set)

    @property
    def _declared(self) -> set[str]:
        return {merged.action.name for merged in self.merged.actions}

    def resolve_binding(self, reference: str, bound: MergedBinding, processes: ProcessResolver) -> None:
        """Find the script or process behind a binding; other targets stay as they are."""
        binding, place = bound.binding, bound.layer.bindings_path + pointer(reference)
        if binding.kind == "script":
            if (script := self._script(binding.target)) is not None:
                self.bindings[reference] = script
            else:
                message = f'No script "{binding.target}" is registered'
                suggestion = did_you_mean(binding.target, self.catalogue.names())
                self.add(bound.layer, place, Problem("", message, binding.target, suggestion))
        elif binding.kind == "process":
            try:
                self.bindings[reference] = processes(binding.target)
            except DefinitionError as error:
                for problem in error.problems:
                    # A path inside an inline process goes on from here; another template's belongs to that template.
                    inner = isinstance(binding.target, dict | list) and problem.source is None
                    self.add(bound.layer, f"{place}/process" if inner else "", problem)
            except ProcessError as error:
                suggestion = error.fields.get("suggestion")
                self.add(bound.layer, place, Problem("", error.message, binding.to_json(), suggestion))
        else:
            check = self.checks.get(binding.kind)
            if check is not None:
                try:
                    check(str(binding.target))
                except ProcessError as error:
                    suggestion, where = error.fields.get("suggestion"), place + pointer(binding.kind)
                    self.add(bound.layer, where, Problem("", error.message, binding.target, suggestion))
            self.bindings[reference] = binding

    def resolve_action(self, merged: MergedAction) -> _Resolved:
        """Find what runs an action, and bring its config into its final form."""
        layer, action = merged.layer, merged.action
        target = self._target(merged)
        place = f"{layer.definition_path}{action.path}/config"
        config, fillers = action.config, tuple[Filler, ...]()
        unresolved: list[tuple[Path, str]] = []
        replaced: dict[Path, str] = {}
        passed_over: set[str] = set()
        if config is not None:
            config, texts = replace_references(
                config, self._replacement, lambda path, reference: unresolved.append((path, reference)), replaced
            )
            fillers, misspelt = scan_texts(texts)
            # What is meant as a placeholder satisfies any type.
            passed_over = {problem.path for problem in misspelt}
            for problem in misspelt:
                self.add(layer, place, problem)
        for path, reference in unresolved:
            # A binding that can't be resolved has been reported at its own place.
            if not self.lenient and reference not in self.merged.bindings:
                suggestion = did_you_mean(reference, self.merged.bindings)
                message = f'Nothing is bound to "{reference}"'
                self.add(layer, place, Problem(pointer(*path), message, f"${{{reference}}}", suggestion))
        if not unresolved:
            for problem in self._config_problems(target, config, fillers):
                if problem.path not in passed_over:
                    self.add(layer, place, problem)
        references = {pointer(*path): reference for path, reference in replaced.items()} if replaced else _NONE
        return _Resolved(merged, target, config, fillers, references)

    def check_required(self, resolved: _Resolved) -> None:
        """Refuse a script that needs an action which isn't declared, and offer it."""
        if not isinstance(resolved.target, ScriptTarget):
            return
        spec = self.catalogue.find(resolved.target.name)
        for needed, offered in ({} if spec is None else spec.requires).items():
            if needed in self._required or needed in self._declared:
                continue
            self._required.add(needed)
            merged = resolved.merged
            message = f'"{resolved.target.name}" needs an action "{needed}"'
            suggestion = f"Add {canonical({'name': needed, 'script': offered})}"
            place = merged.layer.definition_path + merged.action.reference_path
            self.add(merged.layer, place, Problem("", message, merged.action.reference, suggestion))

    def check_parts(self, resolved: _Resolved) -> None:
        """Refuse a config that lets a part begin at an action which isn't declared; what is bound or filled may be."""
        spec = self.catalogue.find(resolved.target.name) if isinstance(resolved.target, ScriptTarget) else None
        if spec is None or spec.parts is None:
            return
        place = f"{resolved.merged.layer.definition_path}{resolved.merged.action.path}/config"
        try:
            parts = entrances_in(resolved.config, spec.parts, unknown={filler.path for filler in resolved.fillers})
        except UntoldEntrances as error:
            message = f'At which actions "{spec.name}" lets its parts begin can\'t be told: {error}'
            self.add(resolved.merged.layer, place, Problem("", message))
            return
        declared = self._declared
        for part in parts:
            # What can't be resolved has been reported, and what is bound may be bound to something else below.
            places = (pointer(*part.path[:length]) for length in range(len(part.path) + 1))
            is_bound = reference_of(part.action) is not None or any(one in resolved.references for one in places)
            if part.action not in declared and not is_bound:
                guess = len(self.problems) < MAX_GUESSES
                self.add(
                    resolved.merged.layer, place, undeclared(pointer(*part.path), part.action, declared, guess=guess)
                )

    def add(self, layer: Layer, place: str, problem: Problem) -> None:
        """Keep a problem, its path below `place` in the layer's document."""
        if len(self.problems) < MAX_PROBLEMS:
            moved = problem.under(place)
            foreign = layer.name != self.own and problem.source is None
            self.problems.append(moved.of(layer.name) if foreign else moved)

    def _target(self, merged: MergedAction) -> ActionTarget:
        reference = merged.action.reference
        if reference is None:
            return None
        message, suggestion = f'No binding and no registered script is called "{reference}"', None
        if reference in self.merged.bindings:
            bound = self.bindings.get(reference)
            if not isinstance(bound, Binding):
                # None: it can't be resolved, which has been reported at its own place.
                return bound
            message = f'"{reference}" is bound to a {bound.kind}, which can\'t run'
        elif (script := self._script(reference)) is not None or self.lenient:
            return script
        else:
            suggestion = did_you_mean(reference, [*self.merged.bindings, *self.catalogue.names()])
        place = merged.layer.definition_path + merged.action.reference_path
        self.add(merged.layer, place, Problem("", message, reference, suggestion))
        return None

    def _config_problems(self, target: ActionTarget, config: JSON, fillers: Sequence[Filler]) -> list[Problem]:
        if isinstance(target, ProcessTarget):
            return _entry_problems(config, fillers)
        spec = None if target is None else self.catalogue.find(target.name)
        return [] if spec is None or spec.config is None else config_problems(spec.config, config, fillers)

    def _script(self, name: str) -> ScriptTarget | None:
        known = self._scripts.get(name)
        if known is None and (spec := self.catalogue.find(name)) is not None:
            known = self._scripts[name] = ScriptTarget.of(spec)
        return known

    def _replacement(self, reference: str) -> JSON:
        return self.bindings[reference].in_config()


def _entry_problems(config: JSON, fillers: Sequence[Filler]) -> list[Problem]:
    """Check the config of a sub process: an object whose `action`, if any, names where to enter."""
    if config is None or any(filler.path == () for filler in fillers):
        return []
    if not isinstance(config, dict):
        return [Problem("", "The config of a sub process must be an object", config)]
    action = config.get("action")
    if action is None or isinstance(action, str):
        return []
    return [Problem("/action", "Must be the name of an action of the sub process", action)]


def _compile(name: str, resolved: Sequence[_Resolved], bindings: dict[str, BoundTarget]) -> Plan:
    places = Places([item.merged.action.name for item in resolved])
    actions = []
    for index, item in enumerate(resolved):
        action = item.merged.action
        after, routes = places.compile(action.next, index)
        actions.append(
            PlanAction(
                index=index,
                name=action.name,
                target=item.target,
                reference=action.reference,
                caption=action.caption,
                comment=action.comment,
                config=item.config,
                fillers=item.fillers,
                references=item.references,
                next=action.next,
                after=after,
                routes=routes,
                retry=action.retry,
                timeout_seconds=action.timeout_seconds,
                compensate=action.compensate,
                safe=action.safe,
                entry=action.entry,
            )
        )
    return Plan(name=name, actions=tuple(actions), bindings=bindings)


def _no_processes(reference: JSON) -> ProcessTarget:
    raise NotFoundError(f"There is no process {reference!r}")
