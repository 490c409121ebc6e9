"""What a function takes and gives, read from its signature: checked going in, JSON coming out."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.warnings import UnsupportedFieldAttributeWarning

from tasks.domain.annotations import evaluated, holds_secret, known_parts, namespace_of
from tasks.domain.jsonvalue import JSON, dumps, storable_dumps
from tasks.domain.outcomes import Cancelled, Completed, Failed, Parked, Yielded
from tasks.errors import InvalidArguments, InvalidResult

__all__ = ["Signature", "read_signature"]

_OUTCOMES = (Completed, Failed, Cancelled, Parked, Yielded)
#: Arguments that a message names at most.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Signature:
    """Hold the types of what a job's function takes after its context, and of what it returns.

    `input` is None for a function that takes its context only: it reads the arguments there, unchecked. `output` is
    None where nothing, or just JSON, is declared.
    """

    input: type[BaseModel] | None = None
    output: TypeAdapter[Any] | None = None
    #: The names of the arguments that may be given by position.
    positional: tuple[str, ...] = field(default=())

    @property
    def required(self) -> list[str]:
        """The names of the arguments that have no default."""
        return [] if self.input is None else [k for k, part in self.input.model_fields.items() if part.is_required()]

    def to_json(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, JSON]:
        """Return arguments as the JSON object that is stored; raises InvalidArguments, which names what is wrong."""
        values: dict[str, object] = dict(kwargs)
        if len(args) > len(self.positional):
            raise InvalidArguments(f"It takes {len(self.positional)} arguments by position, and {len(args)} are given.")
        for name, value in zip(self.positional, args, strict=False):
            if name in values:
                raise InvalidArguments(f"{name!r} is given twice.", arguments=[name])
            values[name] = value
        if self.input is None:
            return _plain(values)
        return self._dumped(self._checked(values))

    def from_json(self, arguments: Mapping[str, JSON]) -> dict[str, Any]:
        """Return arguments that are JSON, stored or sent, as the function takes them; raises InvalidArguments."""
        if self.input is None:
            return {}
        # As they are: what no database stores is for the function's own rules to refuse.
        checked = self._read(dumps(arguments))
        return {name: getattr(checked, name) for name in self.input.model_fields}

    def as_stored(self, arguments: Mapping[str, JSON]) -> dict[str, JSON]:
        """Return what somebody gives as JSON as it is stored; raises InvalidArguments."""
        if self.input is None:
            return self.to_json((), arguments)
        return self._dumped(self._read(dumps(arguments)))

    def result_to_json(self, value: object) -> JSON:
        """Return what the function returned as JSON; raises InvalidResult where it isn't what was declared."""
        try:
            if self.output is None:
                return _any.dump_python(value, mode="json")  # type: ignore[no-any-return]
            checked = self.output.validate_python(value)
            # By the names that the schema of the result has, which clients are generated from.
            given: JSON = self.output.dump_python(checked, mode="json", by_alias=True)
            # What no JSON can express, such as NaN, is the function's mistake, and found out here.
            dumps(given)
            return given
        except ValidationError as error:
            raise InvalidResult(f"It returned something else than it declares: {_describe(error)}") from error
        except (ValueError, TypeError) as error:
            raise InvalidResult(f"It returned something that isn't JSON: {error}") from error

    def input_schema(self) -> dict[str, JSON] | None:
        """Return the JSON Schema (2020-12) of the arguments; None where they are unchecked."""
        return None if self.input is None else dict(self.input.model_json_schema())

    def output_schema(self) -> dict[str, JSON] | None:
        """Return the JSON Schema (2020-12) of the result; None where nothing is declared."""
        return None if self.output is None else dict(self.output.json_schema(mode="serialization"))

    def _checked(self, values: Mapping[str, object]) -> BaseModel:
        assert self.input is not None
        try:
            return self.input.model_validate(dict(values), by_alias=True, by_name=True)
        except ValidationError as error:
            raise _refusal(error) from error

    def _read(self, arguments: str) -> BaseModel:
        """Return a JSON text as what it stands for: where a class is strict, a text may still stand for a date."""
        assert self.input is not None
        try:
            return self.input.model_validate_json(arguments, by_alias=True, by_name=True)
        except ValidationError as error:
            raise _refusal(error) from error
        except UnicodeEncodeError as error:
            raise InvalidArguments("It holds half a surrogate pair, which is no text.") from error

    def _dumped(self, checked: BaseModel) -> dict[str, JSON]:
        assert self.input is not None
        # By names, which are read whatever a class calls its fields outside, and without what is computed of them. Not
        # by a method of the object, in whose place an argument of that name would be found.
        dumped: dict[str, JSON] = {}
        for name in self.input.model_fields:
            try:
                dumped |= BaseModel.model_dump(checked, include={name}, mode="json", round_trip=True)
                dumps(dumped[name])
            except (ValueError, TypeError) as error:
                raise InvalidArguments(f"{name}: It can't be stored as JSON: {error}", arguments=[name]) from error
        try:
            # What the worker couldn't read is refused here, where somebody can do something about it.
            self._read(storable_dumps(dumped))
        except InvalidArguments as error:
            raise InvalidArguments(f"Stored as JSON, it couldn't be read again: {error}", **error.fields) from error
        return dumped


def read_signature(function: Callable[..., object]) -> Signature:
    """Return the signature of a job's function, whose first parameter is its context.

    Raises TypeError where it takes no context, takes what can't be named (`*args` and `**kwargs`) or stored, has a
    default that it wouldn't take itself, or is a generator.
    """
    name = getattr(function, "__qualname__", None) or repr(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{name} yields: nobody would take what it gives. Let it return its result, and report on the way."
        )
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind in (parameters[0].KEYWORD_ONLY, parameters[0].VAR_KEYWORD):
        raise TypeError(f"{name} must take the job's context as its first parameter.")
    namespace = namespace_of(function)
    fields: dict[str, Any] = {}
    positional: list[str] = []
    # The context is no argument: whatever it is annotated with may be there for type checkers only.
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{name} must name its arguments: *{parameter.name} can't be stored.")
        if parameter.name.startswith("_") or parameter.name == "model_config":
            raise TypeError(f"{name} can't have an argument called {parameter.name!r}: give it another name.")
        default = ... if parameter.default is parameter.empty else parameter.default
        where = f"{name}: its argument {parameter.name!r}"
        fields[parameter.name] = (_input(parameter.annotation, namespace, where=where), default)
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(parameter.name)
    returned = inspect.signature(function).return_annotation
    output = _output(
        evaluated(returned, namespace, where=f"{name}: its result"), namespace, where=f"{name}: its result"
    )
    return Signature(_model(name, fields) if fields else None, output, tuple(positional))


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=False,
        protected_namespaces=(),
        validate_default=True,
        ser_json_inf_nan="constants",
    )
    with warnings.catch_warnings():
        # An argument may be called like a method of pydantic's models, which are never asked for it.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
        model: type[BaseModel] = create_model(name.rpartition(".")[2], __config__=config, **fields)
    try:
        model.model_validate({})
    except ValidationError as error:
        for part in error.errors():
            # What is missing has no default, and is given.
            if part["type"] != "missing" and part["loc"]:
                argument = part["loc"][0]
                raise TypeError(
                    f"{name}: the default of {argument!r}, {fields[str(argument)][1]!r}, isn't what it declares: "
                    f"{part['msg']}. Where it may be None, say so: `{argument}: … | None = None`."
                ) from error
    return model


def _input(annotation: Any, namespace: Mapping[str, Any], *, where: str) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    hint = known_parts(evaluated(annotation, namespace, where=where), namespace, where=where)
    if holds_secret(hint):
        raise TypeError(f"{where} is a secret, of which stars would be stored: give the key of what holds it instead.")
    _adapter(hint, where=where)
    return hint


def _output(hint: Any, namespace: Mapping[str, Any], *, where: str) -> TypeAdapter[Any] | None:
    # A function that decides its own outcome, or returns any JSON, declares nothing that could be checked.
    if hint is None or hint is Any or hint is inspect.Signature.empty:
        return None
    known = known_parts(hint, namespace, where=where)
    parts = get_args(known) or (known,)
    if known is JsonValue or any(part in _OUTCOMES for part in parts):
        return None
    return _adapter(known, where=where)


def _adapter(hint: Any, *, where: str) -> TypeAdapter[Any]:
    try:
        with warnings.catch_warnings():
            # What a field's annotation says beside its type is for the field alone: here it has no effect.
            warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
            return TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        told = getattr(hint, "__name__", None) or str(hint)
        raise TypeError(
            f"{where} is a {told}, which can't be stored as JSON: take a key, a pydantic model, a dataclass or any "
            "other type that pydantic knows."
        ) from error


def _refusal(error: ValidationError) -> InvalidArguments:
    names = sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]})
    return InvalidArguments(_describe(error), arguments=names)


_any: TypeAdapter[Any] = TypeAdapter(Any)
#: Leaves NaN as it is, so that it is found: an argument mustn't become another one.
_exact: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))


def _plain(values: Mapping[str, object]) -> dict[str, JSON]:
    try:
        given = dict(_exact.dump_python(dict(values), mode="json"))
        dumps(given)
    except (ValueError, TypeError) as error:
        raise InvalidArguments(f"The arguments aren't JSON: {error}") from error
    return given


def _describe(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, part['loc'])) or 'value'}: {part['msg']}" for part in error.errors()]
    more = f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return "; ".join(parts[:_NAMED]) + more
