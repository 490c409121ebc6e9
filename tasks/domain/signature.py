"""What a function takes and gives, read from its signature: checked going in, JSON coming out."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError, create_model

from tasks.domain.jsonvalue import JSON
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
        return dict(self._checked(values).model_dump(mode="json"))

    def from_json(self, arguments: Mapping[str, JSON]) -> dict[str, Any]:
        """Return stored arguments as the function takes them; raises InvalidArguments."""
        if self.input is None:
            return {}
        checked = self._checked(arguments)
        return {name: getattr(checked, name) for name in self.input.model_fields}

    def result_to_json(self, value: object) -> JSON:
        """Return what the function returned as JSON; raises InvalidResult where it isn't what was declared."""
        try:
            if self.output is None:
                return _any.dump_python(value, mode="json")  # type: ignore[no-any-return]
            checked = self.output.validate_python(value)
            return self.output.dump_python(checked, mode="json")  # type: ignore[no-any-return]
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
            return self.input.model_validate(dict(values))
        except ValidationError as error:
            names = sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]})
            raise InvalidArguments(_describe(error), arguments=names) from error


def read_signature(function: Callable[..., object]) -> Signature:
    """Return the signature of a job's function, whose first parameter is its context.

    Raises TypeError where it takes no context, or takes what can't be named: `*args` and `**kwargs`.
    """
    # Not typing.get_type_hints, which follows JSON into itself without end.
    signature = inspect.signature(function, eval_str=True)
    parameters = list(signature.parameters.values())
    if not parameters or parameters[0].kind in (parameters[0].KEYWORD_ONLY, parameters[0].VAR_KEYWORD):
        raise TypeError(f"{function.__qualname__} must take the job's context as its first parameter.")
    fields: dict[str, Any] = {}
    positional: list[str] = []
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__qualname__} must name its arguments: *{parameter.name} can't be stored.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (_input(parameter.annotation), default)
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(parameter.name)
    model = None
    if fields:
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
        model = create_model(function.__name__, __config__=config, **fields)
    return Signature(model, _output(signature.return_annotation), tuple(positional))


def _input(hint: Any) -> Any:
    return Any if hint is inspect.Parameter.empty else _without_json(hint)


def _output(hint: Any) -> TypeAdapter[Any] | None:
    # A function that decides its own outcome, or returns any JSON, declares nothing that could be checked.
    if hint is None or hint is Any or hint is inspect.Signature.empty:
        return None
    known = _without_json(hint)
    parts = get_args(known) or (known,)
    if known is JsonValue or any(part in _OUTCOMES for part in parts):
        return None
    return TypeAdapter(known)


def _without_json(hint: Any) -> Any:
    """Return a type with pydantic's name for JSON instead of ours, which it would follow into itself without end."""
    if hint is JSON:
        return JsonValue
    parts = get_args(hint)
    if any(isinstance(part, str | ForwardRef) for part in parts) and get_origin(hint) is not Literal:
        # One of the containers that JSON is made of.
        return JsonValue
    known = tuple(map(_without_json, parts)) if get_origin(hint) is not Literal else parts
    if all(new is old for new, old in zip(known, parts, strict=True)):
        return hint
    if get_origin(hint) in (Union, UnionType):
        return Union[known]  # noqa: UP007 - of a tuple
    return get_origin(hint)[known]


_any: TypeAdapter[Any] = TypeAdapter(Any)


def _plain(values: Mapping[str, object]) -> dict[str, JSON]:
    try:
        return dict(_any.dump_python(dict(values), mode="json"))
    except (ValueError, TypeError) as error:
        raise InvalidArguments(f"The arguments aren't JSON: {error}") from error


def _describe(error: ValidationError) -> str:
    parts = [f"{'.'.join(map(str, part['loc'])) or 'value'}: {part['msg']}" for part in error.errors()]
    more = f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return "; ".join(parts[:_NAMED]) + more
