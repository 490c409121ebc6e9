"""Merge the layers of a template: what it extends, in order, then its own definition and bindings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from processes.domain.bindings import Binding
from processes.domain.definition import Action, Definition, name_problems
from processes.errors import Problem

__all__ = ["Layer", "Merged", "MergedAction", "MergedBinding", "merge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Hold one template's own definition and bindings.

    `definition_path` and `bindings_path` are the JSON Pointers of both in the template's document, for messages.
    """

    name: str
    definition: Definition
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    definition_path: str = ""
    bindings_path: str = "/bindings"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedAction:
    """Hold an action that is in force, the layer it comes from and the layers it overrides, oldest first."""

    action: Action
    layer: Layer
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedBinding:
    """Hold a binding that is in force and the layer it comes from."""

    binding: Binding
    layer: Layer
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Hold the effective actions in sequence and the effective bindings."""

    actions: tuple[MergedAction, ...]
    bindings: Mapping[str, MergedBinding]

    def misdirected(self, *, lenient: bool = False) -> Iterator[tuple[MergedAction, Problem]]:
        """List the next clauses and compensations that name an action which no layer declares, or that can't be named.

        Where that is `lenient` (in an abstract template) an action may be declared later.
        """
        declared = None if lenient else {merged.action.name for merged in self.actions}
        for merged in self.actions:
            for problem in name_problems([merged.action], declared):
                yield merged, problem


def merge(layers: Iterable[Layer]) -> Merged:
    """Apply layers in order: a like-named action or binding is overridden in place, a new one appended."""
    actions: dict[str, MergedAction] = {}
    bindings: dict[str, MergedBinding] = {}
    for layer in layers:
        for action in layer.definition.actions:
            before = actions.get(action.name)
            earlier = () if before is None else _earlier(before.overrides, before.layer, layer)
            actions[action.name] = MergedAction(action=action, layer=layer, overrides=earlier)
        for reference, binding in layer.bindings.items():
            bound = bindings.get(reference)
            earlier = () if bound is None else _earlier(bound.overrides, bound.layer, layer)
            bindings[reference] = MergedBinding(binding=binding, layer=layer, overrides=earlier)
    return Merged(actions=tuple(actions.values()), bindings=bindings)


def _earlier(overrides: tuple[str, ...], before: Layer, now: Layer) -> tuple[str, ...]:
    """Add a layer to those that are overridden; a layer that applies twice doesn't override itself."""
    return overrides if before.name == now.name else (*overrides, before.name)
