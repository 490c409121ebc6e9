"""What the annotations of a function say, as classes: names in quotes are looked up, and JSON is known as such."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import UnionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, SecretBytes, SecretStr

from tasks.domain.jsonvalue import JSON

__all__ = ["evaluated", "holds_secret", "known_parts", "namespace_of"]


def namespace_of(function: Callable[..., object]) -> Mapping[str, Any]:
    """Return the names that a function's module has."""
    while isinstance(function, partial):
        function = function.func
    inner = inspect.unwrap(function)
    names: Mapping[str, Any] | None = getattr(inner, "__globals__", None)
    # An object that can be called has them at its method.
    return getattr(type(inner).__call__, "__globals__", {}) if names is None else names


def evaluated(annotation: Any, namespace: Mapping[str, Any], *, where: str) -> Any:
    """Return what an annotation stands for: itself, unless it is a text; raises TypeError where that can't be found."""
    text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
    if not isinstance(text, str):
        return annotation
    # Not typing.get_type_hints, which follows JSON into itself without end.
    holder = type("Holder", (), {"__annotations__": {"it": text}})
    try:
        return inspect.get_annotations(holder, globals=dict(namespace), eval_str=True)["it"]
    except NameError as error:
        raise TypeError(
            f"{where} is declared as {text}, but {error}. Import or define it in the same module, above the function, "
            "and not under TYPE_CHECKING: it is needed to check what is given."
        ) from error
    except (SyntaxError, AttributeError, TypeError) as error:
        raise TypeError(f"{where} is declared as {text}, which can't be read: {error}") from error


def known_parts(hint: Any, namespace: Mapping[str, Any], *, where: str, within: frozenset[str] = frozenset()) -> Any:
    """Return a type whose parts are all known to pydantic.

    JSON gets pydantic's name instead of ours, which it would follow into itself without end. Parts in quotes, as in
    `list["Row"]`, are looked up; a type that is part of itself is taken as JSON there.
    """
    if hint is JSON:
        return JsonValue
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return hint
    if any(_is_ours(part, namespace) for part in parts):
        # One of the containers that JSON is made of.
        return JsonValue
    # What else an `Annotated` holds isn't a type, even where it is a text.
    types, rest = (parts[:1], parts[1:]) if origin is Annotated else (parts, ())
    known = tuple(_known_part(part, namespace, where=where, within=within) for part in types)
    if all(new is old for new, old in zip(known, types, strict=True)):
        return hint
    if origin in (Union, UnionType):
        return Union[known]  # noqa: UP007 - of a tuple
    return origin[(*known, *rest)]


def _known_part(part: Any, namespace: Mapping[str, Any], *, where: str, within: frozenset[str]) -> Any:
    name = part.__forward_arg__ if isinstance(part, ForwardRef) else part
    if not isinstance(name, str):
        return known_parts(part, namespace, where=where, within=within)
    if name in within:
        return JsonValue
    return known_parts(evaluated(name, namespace, where=where), namespace, where=where, within=within | {name})


def _is_ours(part: Any, namespace: Mapping[str, Any]) -> bool:
    name = part.__forward_arg__ if isinstance(part, ForwardRef) else part
    return name == "JSON" and namespace.get("JSON", JSON) is JSON


def holds_secret(hint: Any) -> bool:
    """Tell whether a type has one of pydantic's secrets in it, which show themselves as stars."""
    return _holds_secret(hint, set())


def _holds_secret(hint: Any, seen: set[type]) -> bool:
    if isinstance(hint, type):
        if issubclass(hint, SecretStr | SecretBytes):
            return True
        if issubclass(hint, BaseModel) and hint not in seen:
            seen.add(hint)
            return any(_holds_secret(part.annotation, seen) for part in hint.model_fields.values())
    return any(_holds_secret(part, seen) for part in get_args(hint))
