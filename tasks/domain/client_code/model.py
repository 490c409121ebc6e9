"""What a generated client is made of, whatever language it is written in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.domain.jsonvalue import JSONObject
from tasks.errors import TasksError

__all__ = [
    "ArrayOf",
    "ClashingNames",
    "Declared",
    "Field",
    "LiteralOf",
    "MapOf",
    "Named",
    "Offered",
    "Simple",
    "Surface",
    "TupleOf",
    "Type",
    "UnionOf",
    "Verb",
]


class ClashingNames(TasksError):
    """Two names of the site become one in the client."""

    code = "clashing_names"


class Verb(StrEnum):
    """Say what is done with a name: its function is called, or its job or process is started and followed."""

    CALL = "call"
    JOB = "job"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Describe one name that clients call or start; types are JSON Schemas as pydantic writes them."""

    name: str
    verb: Verb
    description: str = ""
    #: None where it takes no arguments.
    input: JSONObject | None = None
    #: None where nothing is declared.
    output: JSONObject | None = None
    #: The meta of its tree, where it declares one.
    meta: JSONObject | None = None
    #: The actions of a process.
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Describe all that a site offers."""

    offered: Sequence[Offered]
    #: The meta that any tree may have, `anyOf` the site's classes; empty where there are none.
    meta: JSONObject = field(default_factory=dict)


class Simple(StrEnum):
    """Name a type that has no parts."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    NULL = "null"
    #: Any JSON.
    ANY = "any"
    #: No value at all.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Named:
    """Be a type that is declared elsewhere under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class LiteralOf:
    """Be one of these values."""

    values: tuple[str | int | float | bool | None, ...]


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """Be an array."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class TupleOf:
    """Be an array of a fixed length."""

    items: "tuple[Type, ...]"


@dataclass(frozen=True, slots=True)
class MapOf:
    """Be an object with any keys."""

    value: "Type"


@dataclass(frozen=True, slots=True)
class UnionOf:
    """Be one of these types."""

    options: "tuple[Type, ...]"


Type = Simple | Named | LiteralOf | ArrayOf | TupleOf | MapOf | UnionOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Be one key of an object."""

    name: str
    type: Type
    is_required: bool
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Declare a named type: an object with these fields, or another name for `type`."""

    name: str
    description: str = ""
    fields: tuple[Field, ...] = ()
    #: The object may have other keys too.
    is_open: bool = False
    type: Type | None = None

    @property
    def has_required(self) -> bool:
        """Whether an object must have some keys."""
        return any(part.is_required for part in self.fields)
