"""Lists that aren't one plain query: narrowed and leafed through by a cursor as all others (docs/api.md)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from processes.api.bodies import bad_request
from tasks.api.paging import MOST_ROWS, PAGE_ROWS, page_size_of, read_cursor, write_cursor

__all__ = ["NARROWED", "PAGED", "Wanted", "moment_in", "next_page", "place_in", "search_of", "take_parameters"]

P = TypeVar("P")

_SIZE: Final = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": PAGE_ROWS}
PAGED: Final = (
    OpenApiParameter("cursor", str, description="Where the page begins: part of the address in `next`."),
    OpenApiParameter("page_size", _SIZE, description="How many rows a page has."),
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


def next_page(request: Request, last: Sequence[str] | None, *, kind: str) -> str | None:
    """Return the address of the page behind the last row that was shown; None where there is no more."""
    if last is None:
        return None
    return str(replace_query_param(request.build_absolute_uri(), "cursor", write_cursor(last, kind=kind)))


def take_parameters(request: Request, *, known: Collection[str]) -> None:
    """Raise ProcessError `bad_request` for a parameter that nobody knows."""
    names = {*known, "search", "cursor", "page_size"}
    for name in request.query_params:
        if name not in names and name != "format":
            raise bad_request(f'There is no parameter "{name[:50]}" here; known are {", ".join(sorted(names))}.')


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
