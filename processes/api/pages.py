"""Lists that aren't one plain query: narrowed and leafed through by a cursor as all others (docs/api.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from processes.api.bodies import bad_request
from tasks.api.paging import PAGE_SIZE, page_size_of, read_cursor

__all__ = ["NARROWED", "PAGED", "Wanted", "moment_in", "place_in", "search_of"]

P = TypeVar("P")

PAGED: Final = (
    OpenApiParameter("cursor", str, description="Where the page begins: part of the address in `next`."),
    OpenApiParameter("page_size", PAGE_SIZE, description="How many rows a page has."),
)
NARROWED: Final = (OpenApiParameter("search", str, description="Words that the title holds."), *PAGED)
_MOST_SEARCHED: Final = 200


@dataclass(frozen=True, slots=True)
class Wanted(Generic[P]):
    """Say which page is wanted: how many rows, and behind which place, None for the first ones."""

    size: int
    behind: P | None


def place_in(request: Request, *, kind: str, read: Callable[[list[str]], P]) -> Wanted[P]:
    """Return which page is asked for; raises ProcessError or BadRequest for a cursor that isn't of this list."""
    cursor = request.query_params.get("cursor")
    behind: P | None = None
    if cursor is not None:
        values = read_cursor(cursor, kind=kind, count=2)
        try:
            behind = read(values)
        except (ValueError, OverflowError):
            raise bad_request("This cursor is none of this list: begin without one.") from None
    return Wanted(page_size_of(request), behind)


def search_of(request: Request) -> str:
    """Return the words that are looked for; raises ProcessError `bad_request`."""
    text: Any = request.query_params.get("search", "")
    if "\0" in text or len(text) > _MOST_SEARCHED:
        raise bad_request(f'"search" holds up to {_MOST_SEARCHED} characters, those of texts.')
    return str(text)


def moment_in(text: object, *, name: str) -> datetime:
    """Return the moment that a text names; raises ProcessError `bad_request`."""
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise bad_request(f'"{name}" is a moment in ISO 8601 with its zone: "2026-12-01T09:00:00+01:00".')
    return moment
