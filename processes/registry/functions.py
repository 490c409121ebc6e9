"""What registries ask of the functions that they keep."""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeGuard

from processes.errors import RegistrationError

__all__ = ["check_arguments", "check_one_argument", "is_async", "place_of"]


def is_async(function: Callable[..., object]) -> TypeGuard[Callable[..., Coroutine[Any, Any, object]]]:
    """Tell whether a call gives a coroutine, also that of an object with an `async def __call__`."""
    return inspect.iscoroutinefunction(function) or (
        callable(function) and inspect.iscoroutinefunction(type(function).__call__)
    )


def check_one_argument(function: Callable[..., object], *, what: str, argument: str) -> None:
    """Refuse a function that can't be called with one argument: RegistrationError, in which both are named."""
    check_arguments(function, what=what, arguments=(argument,))


def check_arguments(function: Callable[..., object], *, what: str, arguments: Sequence[str]) -> None:
    """Refuse a function that can't be called with these arguments: RegistrationError, in which all are named."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # a function written in C may not tell
    try:
        signature.bind(*(None for _ in arguments))
    except TypeError:
        count = "one argument" if len(arguments) == 1 else f"{len(arguments)} arguments"
        raise RegistrationError(
            f"{what} must be callable with {count}, {' and '.join(arguments)}: {place_of(function)}{signature}"
        ) from None


def place_of(function: Callable[..., object]) -> str:
    """Name a function by its module and its own name."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{name}"
