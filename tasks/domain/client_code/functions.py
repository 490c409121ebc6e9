"""The functions of a generated client: their names, and the types that they take and give."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.domain.client_code.model import (
    ClashingNames,
    Declared,
    LiteralOf,
    Named,
    Offered,
    Simple,
    Surface,
    Type,
    Verb,
)
from tasks.domain.client_code.naming import pascal
from tasks.domain.client_code.schemas import Schemas

__all__ = ["STARTED", "TypedFunction", "typed_functions"]

META = "Meta"
#: What is started and followed, and not called.
STARTED = frozenset({Verb.JOB, Verb.PROCESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFunction:
    """Be one function of the client."""

    name: str
    offered: Offered
    #: None where it takes no arguments.
    input: Declared | None
    output: Type
    meta: Type
    #: The names of a process's actions; None for whatever there may be.
    steps: Type | None = None


def typed_functions(surface: Surface, schemas: Schemas, *, name: Callable[[Offered], str]) -> list[TypedFunction]:
    """Return the functions by name, having declared their types; raises ClashingNames."""
    site_meta = _meta(META, surface.meta, schemas) if surface.meta else Simple.ANY
    named: dict[str, Offered] = {}
    for offered in sorted(surface.offered, key=lambda one: one.name):
        own = name(offered)
        if (other := named.get(own)) is not None:
            raise ClashingNames(
                f"{other.name!r} and {offered.name!r} would both be {own!r} in the client: give one of them another "
                "name, or leave one out (--except).",
                names=[other.name, offered.name],
            )
        named[own] = offered
    return [_typed(own, offered, schemas, site_meta) for own, offered in sorted(named.items())]


def _typed(name: str, offered: Offered, schemas: Schemas, site_meta: Type) -> TypedFunction:
    base = pascal(offered.name)
    given = None if offered.input is None else schemas.add(f"{base}Input", offered.input)
    steps = schemas.alias(f"{base}Step", LiteralOf(offered.steps)) if offered.steps else None
    return TypedFunction(
        name=name,
        offered=offered,
        input=given,
        output=Simple.ANY if offered.output is None else Named(schemas.add(f"{base}Output", offered.output).name),
        meta=site_meta if offered.meta is None else _meta(f"{base}Meta", offered.meta, schemas),
        steps=None if steps is None else Named(steps.name),
    )


def _meta(name: str, schema: object, schemas: Schemas) -> Type:
    assert isinstance(schema, dict)
    return Named(schemas.add(name, schema).name)
