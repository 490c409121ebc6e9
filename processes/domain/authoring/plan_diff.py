"""Compare two templates as they act: their actions and bindings after extending and binding.

What is compared comes from plans. An abstract template has none: of it, its own definition and bindings are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from processes.domain.authoring.sequences import moved_names
from processes.domain.definition import Action
from processes.domain.formats import upcast
from processes.domain.json_changes import MISSING, ChangeKind, JsonChange, json_changes, whole_change
from processes.domain.json_values import JSON, copy_json
from processes.domain.merge import Layer
from processes.domain.plan import PLAN_FORMAT, UPCASTERS
from processes.errors import CursorError

__all__ = ["ActionDiff", "Effective", "PlanDiff", "diff"]

#: Keys of an action that are told as a whole: parts of them say little by themselves.
_WHOLE = frozenset({"next", "placeholders", "references"})

#: In which order an action's keys are told: stored plans have them sorted.
_ORDER = (
    "target", "reference", "config", "placeholders", "next", "caption", "comment", "retry", "timeout_seconds",
    "compensate",
)  # fmt: skip

ActionKind: TypeAlias = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """Hold a template as it acts: the JSON of its actions by name, in sequence, and of its bindings."""

    name: str
    actions: Mapping[str, Mapping[str, JSON]]
    bindings: Mapping[str, JSON]
    abstract: bool = False
    extends: tuple[str, ...] = ()

    @classmethod
    def of_plan(cls, document: JSON, *, extends: tuple[str, ...] = ()) -> "Effective":
        """Take a stored plan's JSON, of whatever format; raises CursorError for what isn't a plan."""
        plan = upcast(document, current=PLAN_FORMAT, chain=UPCASTERS, what="plan")
        try:
            return cls(
                name=plan["name"],
                actions={action["name"]: action for action in plan["actions"]},
                bindings=plan["bindings"],
                extends=extends,
            )
        except (KeyError, TypeError) as error:
            raise CursorError(f"A stored plan is damaged: {type(error).__name__}: {error}") from error

    @classmethod
    def of_layer(cls, layer: Layer, *, abstract: bool, extends: tuple[str, ...] = ()) -> "Effective":
        """Take a template's own definition and bindings, without what it extends."""
        return cls(
            name=layer.name,
            actions={action.name: _written(action) for action in layer.definition.actions},
            bindings={reference: binding.to_json() for reference, binding in layer.bindings.items()},
            abstract=abstract,
            extends=extends,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionDiff:
    """Hold what happened to one action.

    `changes` have paths that begin with the action's key; for one that was added or removed they are all of its keys
    but the name. Indexes count all actions of the sequence; `old_after` and `new_after` name the action before it.
    """

    name: str
    old_index: int | None
    new_index: int | None
    old_after: str | None = None
    new_after: str | None = None
    moved: bool = False
    changes: tuple[JsonChange, ...] = ()

    @property
    def kind(self) -> ActionKind:
        """Tell what happened; an action that was moved and changed counts as changed."""
        if self.old_index is None:
            return "added"
        if self.new_index is None:
            return "removed"
        return "changed" if self.changes else "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDiff:
    """Hold every difference: of the template itself (name, abstract, extends), its actions and its bindings."""

    template: tuple[JsonChange, ...] = ()
    actions: tuple[ActionDiff, ...] = ()
    #: Paths begin with the reference.
    bindings: tuple[JsonChange, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.template or self.actions or self.bindings)

    @property
    def binding_kinds(self) -> Mapping[str, ChangeKind]:
        """Give each reference whose binding differs, and how."""
        return {str(change.path[0]): change.kind if len(change.path) == 1 else "changed" for change in self.bindings}


def diff(old: Effective, new: Effective) -> PlanDiff:
    """Compare; nothing that differs is left out, and the other way round gives the same differences inverted."""
    own = [
        *whole_change(old.name, new.name, ("name",)),
        *whole_change(old.abstract, new.abstract, ("abstract",)),
        *whole_change(list(old.extends), list(new.extends), ("extends",)),
    ]
    bindings = [
        change
        for reference in dict.fromkeys((*old.bindings, *new.bindings))
        for change in _target_changes(
            old.bindings.get(reference, MISSING), new.bindings.get(reference, MISSING), reference
        )
    ]
    return PlanDiff(template=tuple(own), actions=tuple(_actions(old, new)), bindings=tuple(bindings))


def _actions(old: Effective, new: Effective) -> Iterator[ActionDiff]:
    """Give the actions that differ in the new order, each that is gone after the one that it followed."""
    old_names, new_names = list(old.actions), list(new.actions)
    old_index = {name: index for index, name in enumerate(old_names)}
    new_index = {name: index for index, name in enumerate(new_names)}
    moved = moved_names(
        [name for name in old_names if name in new_index], [name for name in new_names if name in old_index]
    )
    order: dict[str, tuple[int, int]] = {name: (index, -1) for name, index in new_index.items()}
    before = -1
    for index, name in enumerate(old_names):
        before = new_index.get(name, before)
        order.setdefault(name, (before, index))
    for name in sorted(order, key=order.__getitem__):
        was, now = old_index.get(name), new_index.get(name)
        changes = tuple(_action_changes(old.actions.get(name, {}), new.actions.get(name, {})))
        if changes or name in moved or was is None or now is None:
            yield ActionDiff(
                name=name,
                old_index=was,
                new_index=now,
                old_after=old_names[was - 1] if was else None,
                new_after=new_names[now - 1] if now else None,
                moved=name in moved,
                changes=changes,
            )


def _action_changes(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[JsonChange]:
    keys = dict.fromkeys((*old, *new))
    for key in dict.fromkeys((*(key for key in _ORDER if key in keys), *keys)):
        was, now = old.get(key, MISSING), new.get(key, MISSING)
        if key == "name":
            continue
        if key == "target":
            yield from _target_changes(was, now, key)
        elif key in _WHOLE or was is MISSING or now is MISSING:
            yield from whole_change(was, now, (key,))
        else:
            yield from json_changes(was, now, (key,))


def _target_changes(old: JSON, new: JSON, key: str) -> Iterator[JsonChange]:
    """Tell another target as a whole, and of the same one only what is different about it."""
    if isinstance(old, dict) and isinstance(new, dict) and _identity(old) == _identity(new):
        yield from json_changes(old, new, (key,))
    else:
        yield from whole_change(old, new, (key,))


def _identity(target: Mapping[str, JSON]) -> tuple[JSON, ...]:
    kind = next(iter(target), None)
    value = target.get(kind) if kind is not None else None
    if kind == "value":
        return (kind,)
    return (kind, value.get("name") if isinstance(value, dict) else None, isinstance(value, dict))


def _written(action: Action) -> Mapping[str, JSON]:
    """Give an action in the form in which plans hold it, as far as that is known without deriving it."""
    optional = {
        "reference": action.reference,
        "caption": action.caption,
        "comment": action.comment,
        "config": copy_json(action.config),
        "retry": None if action.retry is None else action.retry.to_json(),
        "timeout_seconds": action.timeout_seconds,
        "compensate": action.compensate,
        "safe": action.safe or None,
        "entry": None if action.entry else False,
    }
    written = {key: value for key, value in optional.items() if value is not None}
    return {"name": action.name, "next": action.next.to_json(), **written}
