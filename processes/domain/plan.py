"""Hold compiled plans: immutable, named by the hash of their content, and what runs.

The JSON form is stored; `PLAN_FORMAT` numbers it, and `UPCASTERS` leads on from earlier numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from processes.domain.bindings import restore_references
from processes.domain.definition import JUMPABLE, LIFECYCLE
from processes.domain.formats import Upcaster, upcast
from processes.domain.json_values import JSON, canonical, content_hash, copy_json
from processes.domain.next_clause import Destination, NextClause, parse_next
from processes.domain.placeholders import Filler, compile_fillers
from processes.domain.retry_policy import RetryPolicy, parse_retry
from processes.domain.targets import ActionTarget, BoundTarget, ProcessTarget, ScriptTarget, target_from_json
from processes.errors import CursorError, Problem

__all__ = ["EXIT", "ONWARD", "PLAN_FORMAT", "Plan", "PlanAction"]

PLAN_FORMAT = 1
UPCASTERS: Mapping[int, Upcaster] = {}

#: Keys that stand in a plan as they do in a definition.
_ALIKE = ("retry", "timeout_seconds", "compensate", "safe", "entry")

#: Where an action leads when not to another one: out of its phase, or (from `@start`) on to the entry action.
EXIT, ONWARD = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAction:
    """Hold one action, ready to run.

    `after` is the index of the action that follows (or EXIT, ONWARD), `routes` those for particular states;
    `references` tells, by JSON Pointer, which parts of the config a binding has given.
    """

    index: int
    name: str
    target: ActionTarget = None
    reference: str | None = None
    caption: str | None = None
    comment: str | None = None
    config: JSON = None
    fillers: tuple[Filler, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    next: NextClause
    after: int
    routes: Mapping[str, int] | None = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    compensate: str | None = None
    safe: bool = False
    entry: bool = True

    @property
    def script(self) -> str | None:
        """Give the canonical name of the script, or the name of the process, that runs the action."""
        return None if self.target is None else self.target.name

    @property
    def is_lifecycle(self) -> bool:
        """Tell whether the action stands outside the sequence."""
        return self.name in LIFECYCLE

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form; defaults are left out."""
        result: dict[str, JSON] = {
            "name": self.name,
            "target": None if self.target is None else self.target.to_json(),
            "next": self.next.to_json(),
        }
        optional: dict[str, JSON] = {
            "reference": self.reference,
            "caption": self.caption,
            "comment": self.comment,
            "config": self.config,
            "retry": None if self.retry is None else self.retry.to_json(),
            "timeout_seconds": self.timeout_seconds,
            "compensate": self.compensate,
        }
        result.update((key, value) for key, value in optional.items() if value is not None)
        if self.fillers:
            result["placeholders"] = [filler.pointer for filler in self.fillers]
        if self.references:
            result["references"] = dict(self.references)
        if self.safe:
            result["safe"] = True
        if not self.entry:
            result["entry"] = False
        return result

    def to_definition(self) -> dict[str, JSON]:
        """Give the action as a definition would have it, in its shortest form: what is the default is left out."""
        result: dict[str, JSON] = {"name": self.name}
        if self.reference != self.name:
            result["script"] = self.reference
        if self.caption is not None:
            result["caption"] = self.caption
        if self.comment is not None:
            result["comment"] = self.comment
        if self.next.to_json() is not True:
            result["next"] = self.next.to_json()
        if (config := restore_references(self.config, self.references)) is not None:
            result["config"] = config
        written = self.to_json()
        result.update((key, written[key]) for key in _ALIKE if key in written)
        return result


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Hold a process that can run: its actions in order, lifecycle actions among them, and its bindings."""

    name: str
    actions: tuple[PlanAction, ...]
    bindings: Mapping[str, BoundTarget] = field(default_factory=dict)
    #: Known when the plan comes from storage; computed on first use otherwise.
    stored_hash: str | None = field(default=None, compare=False, repr=False)

    @cached_property
    def hash(self) -> str:
        """Give the SHA-256 of the canonical JSON: the plan's address."""
        return self.stored_hash or content_hash(self.to_json())

    @cached_property
    def by_name(self) -> Mapping[str, PlanAction]:
        """Give all actions by name, lifecycle actions included."""
        return {action.name: action for action in self.actions}

    @cached_property
    def ordinary(self) -> Mapping[str, PlanAction]:
        """Give the actions of the sequence by name."""
        return {action.name: action for action in self.actions if action.name not in LIFECYCLE}

    @cached_property
    def lifecycle(self) -> Mapping[str, PlanAction]:
        """Give the lifecycle actions that are declared, by name."""
        return {action.name: action for action in self.actions if action.name in LIFECYCLE}

    @cached_property
    def first(self) -> PlanAction | None:
        """Give the first action of the sequence."""
        return next(iter(self.ordinary.values()), None)

    @cached_property
    def scripts(self) -> tuple[ScriptTarget, ...]:
        """Give the scripts that the plan needs, by name."""
        found = {target.name: target for target in self._targets if isinstance(target, ScriptTarget)}
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def processes(self) -> tuple[ProcessTarget, ...]:
        """Give the processes that the plan may call."""
        found = {canonical(target.to_json()): target for target in self._targets if isinstance(target, ProcessTarget)}
        return tuple(found[key] for key in sorted(found))

    @property
    def _targets(self) -> list[ActionTarget | BoundTarget]:
        return [*(action.target for action in self.actions), *self.bindings.values()]

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form that is stored and hashed."""
        return {
            "format": PLAN_FORMAT,
            "name": self.name,
            "actions": [action.to_json() for action in self.actions],
            "bindings": {reference: target.to_json() for reference, target in self.bindings.items()},
        }

    def to_definition(self) -> list[dict[str, JSON]]:
        """Give the effective definition as a document: what all layers together have come to, `${…}` as written.

        Derived again under the same name, over `to_bindings()`, it gives this plan.
        """
        return [action.to_definition() for action in self.actions]

    def to_bindings(self) -> dict[str, JSON]:
        """Give the effective bindings as a document."""
        return {reference: _written(target) for reference, target in self.bindings.items()}

    @classmethod
    def from_json(cls, value: object, *, plan_hash: str | None = None) -> "Plan":
        """Rebuild a plan; `plan_hash` is the address it was stored under (a database may reorder keys).

        Raises CursorError for what isn't a plan of a known format.
        """
        document = upcast(value, current=PLAN_FORMAT, chain=UPCASTERS, what="plan")
        try:
            actions = document["actions"]
            places = Places([str(action["name"]) for action in actions])
            compiled = tuple(_action_from_json(action, index, places) for index, action in enumerate(actions))
            bindings = {
                reference: target
                for reference, written in document["bindings"].items()
                if (target := target_from_json(written)) is not None
            }
            return cls(name=str(document["name"]), actions=compiled, bindings=bindings, stored_hash=plan_hash)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CursorError(f"A stored plan is damaged: {type(error).__name__}: {error}") from error


def _written(target: BoundTarget) -> JSON:
    if isinstance(target, ScriptTarget):
        return {"script": target.name}
    if isinstance(target, ProcessTarget):
        return {"process": target.name if target.reference is None else copy_json(target.reference)}
    return target.to_json()


class Places:
    """Know where each action of a sequence stands, and turn next clauses into indexes."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._index = {name: index for index, name in enumerate(names)}
        self._following: list[int] = [EXIT] * len(names)
        following = EXIT
        for index in range(len(names) - 1, -1, -1):
            if names[index] not in LIFECYCLE:
                self._following[index], following = following, index

    def compile(self, clause: NextClause, index: int) -> tuple[int, Mapping[str, int] | None]:
        """Give `after` and `routes` of the action at an index; raises KeyError for an undeclared name."""
        after = self._place(clause.default, index)
        if clause.states is None:
            return after, None
        return after, {state: self._place(destination, index) for state, destination in clause.states.items()}

    def _place(self, destination: Destination, index: int) -> int:
        if destination is True:
            return ONWARD if self.names[index] == "@start" else self._following[index]
        # `@end` follows the main phase wherever it ends, so that naming it is a way to exit.
        if destination is False or destination == "@end":
            return EXIT
        if destination in LIFECYCLE and destination not in JUMPABLE:
            raise KeyError(destination)
        return self._index[destination]


def _action_from_json(value: dict[str, JSON], index: int, places: Places) -> PlanAction:
    problems: list[Problem] = []
    clause = parse_next(value["next"], "/next", problems)
    retry = None if value.get("retry") is None else parse_retry(value["retry"], "/retry", problems)
    if problems:
        raise ValueError(str(problems[0]))
    after, routes = places.compile(clause, index)
    target = target_from_json(value["target"])
    if not (target is None or isinstance(target, ScriptTarget | ProcessTarget)):
        raise ValueError(f"{places.names[index]} leads to something that can't run")
    return PlanAction(
        index=index, name=places.names[index], target=target, reference=value.get("reference"),
        caption=value.get("caption"), comment=value.get("comment"), config=value.get("config"),
        fillers=compile_fillers(value.get("config"), value.get("placeholders", ())),
        references={str(place): str(reference) for place, reference in value.get("references", {}).items()},
        next=clause, after=after, routes=routes, retry=retry, timeout_seconds=value.get("timeout_seconds"),
        compensate=value.get("compensate"), safe=value.get("safe", False), entry=value.get("entry", True),
    )  # fmt: skip
