"""Describe a task script: what is called, with which config, to what effect."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal, Protocol, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from processes.domain.entrances import FindEntrances
from processes.domain.json_values import JSON, content_hash

__all__ = ["EFFECTS", "Catalogue", "Effect", "Example", "ScriptFunction", "ScriptSpec", "config_schema"]

#: `pure`, `idempotent` (may run again after a crash), `transactional` (its database writes commit with the
#: checkpoint) or `once` (an intent is committed first).
Effect: TypeAlias = Literal["pure", "idempotent", "transactional", "once"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)

#: Keywords of a JSON schema: texts for people, values as they are, and objects whose keys are names.
_TEXTS = frozenset({"title", "description", "examples"})
_VALUES = frozenset({"const", "default", "enum"})
_NAMED = frozenset({"$defs", "properties"})

#: Takes the application. (Its class isn't named: it stands on specs, and an import goes one way.)
ScriptFunction: TypeAlias = Callable[[Any], object]


@dataclass(frozen=True, kw_only=True)
class Example:
    """Show a script at work: a definition, the data to begin with, and what comes of it.

    `gives` holds any of `state`, `value`, `data`, `response` and `error` (a code), as a run reports them; a test runs
    the example and compares. Without `gives` the definition is only checked: its result hangs on files, mail, the time.
    """

    definition: JSON
    bindings: Mapping[str, JSON] = field(default_factory=dict)
    data: Mapping[str, JSON] = field(default_factory=dict)
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    gives: Mapping[str, JSON] | None = None


@dataclass(frozen=True, kw_only=True)
class ScriptSpec:
    """Hold a script and what it declares about itself.

    `durable` scripts need a stored run around them; `requires` maps the names of actions that a process with this
    script must declare to the script that is offered for them; `entrances` finds the actions that its config lets
    people enter, `parts` those of its process at which its config lets runs of their own begin. `example` and `errors`
    (a code, and when it comes) are for the reference page and the editor.
    """

    name: str
    function: ScriptFunction
    config: type[BaseModel] | None = None
    effect: Effect = "idempotent"
    aliases: tuple[str, ...] = ()
    durable: bool = False
    version: int = 1
    requires: Mapping[str, str] = field(default_factory=dict)
    entrances: FindEntrances | None = None
    parts: FindEntrances | None = None
    example: Example | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """Give the name of the module that holds the function."""
        return str(getattr(self.function, "__module__", None) or type(self.function).__module__)

    @property
    def documentation(self) -> str:
        """Give the function's docstring, without the indentation that it has in the code."""
        return inspect.cleandoc(self.function.__doc__ or "").strip()

    @cached_property
    def schema_hash(self) -> str | None:
        """Give the hash of what the config model accepts, None without a model.

        Titles and descriptions don't count: a better word must not make a plan another one.
        """
        if self.config is None:
            return None
        schema = config_schema(self.config)
        # What can't be described is known by its name.
        return content_hash(_structure(schema) if schema else f"{self.config.__module__}.{self.config.__qualname__}")


def config_schema(model: type[BaseModel]) -> dict[str, JSON]:
    """Give the JSON schema of a config model, a new copy each time.

    It is empty where the model holds what JSON schema can't describe: its script then goes without help for the config.
    """
    schema: dict[str, JSON] = json.loads(_schema_text(model))
    return schema


@lru_cache(maxsize=1_000)
def _schema_text(model: type[BaseModel]) -> str:
    try:
        return json.dumps(model.model_json_schema())
    except (PydanticUserError, TypeError, ValueError):
        return "{}"


def _structure(schema: JSON, *, by_name: bool = False) -> JSON:
    """Give a JSON schema without its texts for people; `by_name` says that the keys are names, not keywords."""
    if isinstance(schema, list):
        return [_structure(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: part if key in _VALUES and not by_name else _structure(part, by_name=not by_name and key in _NAMED)
        for key, part in schema.items()
        if by_name or key not in _TEXTS
    }


class Catalogue(Protocol):
    """Know scripts by name and alias."""

    def find(self, name: str) -> ScriptSpec | None:
        """Give the script of that name or alias, or None."""
        ...

    def names(self) -> Iterable[str]:
        """Give the canonical names and aliases, for suggestions."""
        ...
