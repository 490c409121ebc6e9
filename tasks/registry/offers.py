"""What apps start by name without having declared it in code, as far as that is known beforehand."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["ListOffers", "Offer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Describe work that clients start by name, such as a published process."""

    name: str
    description: str = ""
    #: Arguments that it is known to read; it may be given others too, and all may be left out.
    arguments: tuple[str, ...] = ()
    #: The names of its steps.
    steps: tuple[str, ...] = ()


#: Return all that a source offers, whoever may start it; it may read the database.
ListOffers = Callable[[], Iterable[Offer]]
