"""What a site offers to clients, as the writers of generated clients take it."""

from collections.abc import Collection

from pydantic import TypeAdapter

from tasks.domain.client_code import Offered, Surface, Verb
from tasks.domain.jsonvalue import JSONObject
from tasks.domain.meta import meta_schema
from tasks.registry import Function, Offer, functions

__all__ = ["read_surface"]

#: Whatever is given to a job that names no arguments is stored, and its function may look at it.
_ANY_ARGUMENTS: JSONObject = {"type": "object", "additionalProperties": True}


def read_surface(*, without: Collection[str] = (), code_only: bool = False) -> Surface:
    """Return the functions and jobs that clients may call, whoever may, and what apps offer besides.

    Names in `without` are left out. With `code_only` only what is declared in code counts, and no database is read.
    """
    declared = [_declared(function) for name, function in functions.declared().items() if name not in without]
    listed = [] if code_only else functions.offers()
    offers = [_offer(offer) for offer in listed if offer.name not in without]
    return Surface(offered=[*declared, *offers], meta=meta_schema())


def _declared(function: Function) -> Offered:
    given: JSONObject | None = function.signature.input_schema()
    if given is None and function.starts_job:
        given = _ANY_ARGUMENTS
    return Offered(
        name=function.name,
        verb=Verb.JOB if function.starts_job else Verb.CALL,
        description=function.description,
        input=given,
        output=function.signature.output_schema(),
        meta=None if function.meta_model is None else _schema_of(function.meta_model),
    )


def _offer(offer: Offer) -> Offered:
    return Offered(
        name=offer.name,
        verb=Verb.PROCESS,
        description=offer.description,
        input={"type": "object", "properties": {name: {} for name in offer.arguments}, "additionalProperties": True},
        steps=offer.steps,
    )


def _schema_of(model: type) -> JSONObject:
    return TypeAdapter(model).json_schema(mode="serialization")
