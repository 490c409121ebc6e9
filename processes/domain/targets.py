"""Name what an action or a binding leads to, as a plan records it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from processes.domain.bindings import KINDS, REF, Binding
from processes.domain.json_values import JSON, copy_json
from processes.domain.scripts import Effect, ScriptSpec

__all__ = [
    "ActionTarget",
    "BoundTarget",
    "CredentialCheck",
    "ProcessResolver",
    "ProcessTarget",
    "QuerysetCheck",
    "ScriptTarget",
    "target_from_json",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTarget:
    """Record a script by its canonical name, with what it declared when the plan was derived."""

    name: str
    version: int = 1
    effect: Effect = "idempotent"
    durable: bool = False
    schema_hash: str | None = None

    @classmethod
    def of(cls, spec: ScriptSpec) -> "ScriptTarget":
        """Record a script as it is now."""
        return cls(
            name=spec.name,
            version=spec.version,
            effect=spec.effect,
            durable=spec.durable,
            schema_hash=spec.schema_hash,
        )

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form, `{"script": {…}}`."""
        result: dict[str, JSON] = {"name": self.name, "version": self.version, "effect": self.effect}
        if self.durable:
            result["durable"] = True
        if self.schema_hash is not None:
            result["schema_hash"] = self.schema_hash
        return {"script": result}

    def in_config(self) -> JSON:
        """Give the typed reference that a `${reference}` becomes."""
        return {REF: "script", "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTarget:
    """Record a process: its name, the hash of its plan, and the reference it was bound by.

    Without a hash (a process that leads back to itself) the reference is resolved when it is called.
    """

    name: str
    plan_hash: str | None = None
    reference: JSON = None

    def to_json(self) -> dict[str, JSON]:
        """Give the JSON form, `{"process": {…}}`."""
        return {"process": self._fields()}

    def in_config(self) -> JSON:
        """Give the typed reference that a `${reference}` becomes."""
        return {REF: "process", **self._fields()}

    @classmethod
    def from_fields(cls, value: Mapping[str, Any]) -> "ProcessTarget":
        """Rebuild a target from its fields in JSON, or from a typed reference."""
        return cls(name=str(value["name"]), plan_hash=value.get("plan_hash"), reference=value.get("reference"))

    def _fields(self) -> dict[str, JSON]:
        result: dict[str, JSON] = {"name": self.name}
        if self.plan_hash is not None:
            result["plan_hash"] = self.plan_hash
        if self.reference is not None:
            result["reference"] = copy_json(self.reference)
        return result


#: What runs an action; None runs nothing.
ActionTarget: TypeAlias = ScriptTarget | ProcessTarget | None
BoundTarget: TypeAlias = ScriptTarget | ProcessTarget | Binding

#: Finds a process by what a binding says (a name, or an inline document); raises ProcessError.
ProcessResolver: TypeAlias = Callable[[JSON], ProcessTarget]
#: Raises NotFoundError for a name that no connection has; its `fields` may hold a suggestion.
CredentialCheck: TypeAlias = Callable[[str], None]
#: The same for a name under which no queryset is registered.
QuerysetCheck: TypeAlias = Callable[[str], None]


def target_from_json(value: Mapping[str, Any] | None) -> BoundTarget | None:
    """Rebuild a target from its JSON form; raises ValueError for what isn't one."""
    if value is None:
        return None
    if len(value) != 1:
        raise ValueError("A target has one kind")
    kind, target = next(iter(value.items()))
    if kind == "script":
        return ScriptTarget(**target)
    if kind == "process":
        return ProcessTarget.from_fields(target)
    if kind not in KINDS:
        raise ValueError(f"Unknown kind of target {kind!r}")
    return Binding(kind, target)
