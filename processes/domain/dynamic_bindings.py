"""Where a thing finds what is bound for it: in itself, then upward from what surrounds it (its type, its tenant …)."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

__all__ = ["MOST_CONTEXTS", "chain_of", "first_bound"]

#: So many things are looked at for one: whoever has more above them has made a mistake.
MOST_CONTEXTS: Final = 50

T = TypeVar("T")
Value = TypeVar("Value")


def chain_of(
    thing: T, *, upward: Callable[[T], Iterable[T | None]], identity: Callable[[T], Hashable], most: int = MOST_CONTEXTS
) -> list[T]:
    """Return a thing and what surrounds it, the nearest first, each once: cycles end, and what is None is left out.

    `upward` gives what is directly above something, `identity` what two of them have in common that are the same.
    """
    found: dict[Hashable, T] = {}
    waiting: deque[T] = deque([thing])
    while waiting and len(found) < most:
        one = waiting.popleft()
        key = identity(one)
        if key in found:
            continue
        found[key] = one
        waiting.extend(above for above in upward(one) if above is not None)
    return list(found.values())


def first_bound(chain: Sequence[Hashable], bound: Mapping[Hashable, Value | None]) -> Value | None:
    """Return what the first in a chain of identities has bound; None where none of them has."""
    return next((value for one in chain if (value := bound.get(one)) is not None), None)
