"""Lists that are leafed through by a cursor: what comes and goes meanwhile is neither skipped nor told twice.

The framework's own cursor knows one field only, and leaves rows out where more than a thousand have the same value of
it, as with priorities or titles. This one is the whole place of a row in the order.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from tasks.errors import BadRequest

__all__ = ["PAGE_SIZE", "CursorPages", "page_address", "page_size_of", "read_cursor"]

PAGE_ROWS: Final = 50
MOST_ROWS: Final = 200
_MOST_CHARS: Final = 2_000

#: How many rows may be asked for, as the API's description has it.
PAGE_SIZE: Final = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": PAGE_ROWS}
_SIZE: Final = {
    "name": "page_size",
    "in": "query",
    "required": False,
    "description": "How many rows a page has.",
    "schema": PAGE_SIZE,
}
_CURSOR: Final = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "description": "Where the page begins: part of the address in `next`.",
    "schema": {"type": "string"},
}


class CursorPages(BasePagination):
    """Answer with `results`, and in `next` the address of the page that follows, or null.

    The order is what the request asks for in `ordering`, or the view's; rows that are equal in it go by primary key.
    """

    def paginate_queryset(self, queryset: "QuerySet[Any]", request: Request, view: Any = None) -> list[Any]:
        """Return the rows of a page; raises BadRequest for a cursor that isn't of this list."""
        size = page_size_of(request)
        order = _whole_order(queryset)
        if (cursor := request.query_params.get("cursor")) is not None:
            values = read_cursor(cursor, kind=",".join(order), count=len(order))
            queryset = queryset.filter(_behind(queryset.model, order, values))
        rows = list(queryset.order_by(*order)[: size + 1])
        self._next = None
        if len(rows) > size:
            last = [_text_in(rows[size - 1], name) for name in order]
            self._next = page_address(request, last, kind=",".join(order))
        return rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page."""
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: Any) -> Any:
        """Describe a page."""
        return page_schema(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the parameters."""
        return [_CURSOR, _SIZE]


def page_schema(schema: Any) -> dict[str, Any]:
    """Return the description of a page, whose rows are described by `schema`, an array."""
    following = {"type": ["string", "null"], "format": "uri", "description": "The page that follows."}
    return {
        "type": "object",
        "required": ["results", "next"],
        "properties": {"results": schema, "next": following},
    }


def page_size_of(request: Request) -> int:
    """Return how many rows are wanted; raises BadRequest for what is no such number."""
    text = request.query_params.get("page_size", str(PAGE_ROWS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_ROWS):
        raise BadRequest(_('"page_size" is a number from 1 to %(most)s.') % {"most": MOST_ROWS})
    return int(text)


def page_address(request: Request, values: Sequence[str], *, kind: str) -> str:
    """Return the address of the page behind a place; `kind` says of which list, and in which order."""
    text = json.dumps([kind, *values], ensure_ascii=False, separators=(",", ":"))
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))


def read_cursor(cursor: str, *, kind: str, count: int) -> list[str]:
    """Return the place behind a text; raises BadRequest where it isn't one of this list."""
    try:
        padded = cursor[:_MOST_CHARS] + "=" * (-len(cursor[:_MOST_CHARS]) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    fits = isinstance(found, list) and len(found) == count + 1 and all(isinstance(item, str) for item in found)
    if not fits or found[0] != kind or any("\0" in item for item in found):
        raise BadRequest(_("This cursor is none of this list in this order: begin without one."))
    return list(found[1:])


def _whole_order(queryset: "QuerySet[Any]") -> tuple[str, ...]:
    asked = tuple(map(str, queryset.query.order_by or queryset.model._meta.ordering))
    key = queryset.model._meta.pk.name
    if any(name.removeprefix("-") in ("pk", key) for name in asked):
        return asked
    return (*asked, f"-{key}" if asked and asked[0].startswith("-") else key)


def _behind(model: type[Model], order: Sequence[str], values: Sequence[str]) -> Q:
    """Return the filter for what comes behind a place; its first part is one that an index can begin at."""
    condition, same, bound = Q(pk__in=()), Q(), Q()
    for name, text in zip(order, values, strict=True):
        lookup = name.removeprefix("-")
        try:
            value = _field_of(model, lookup).to_python(text)
        except (ValidationError, ValueError, OverflowError):
            raise BadRequest(_("This cursor is none of this list in this order: begin without one.")) from None
        condition |= same & Q(**{f"{lookup}__{'lt' if name.startswith('-') else 'gt'}": value})
        same &= Q(**{lookup: value})
        if name == order[0]:
            bound = Q(**{f"{lookup}__{'lte' if name.startswith('-') else 'gte'}": value})
    return bound & condition


def _field_of(model: Any, lookup: str) -> "Field[Any, Any]":
    *way, last = lookup.split("__")
    for step in way:
        model = model._meta.get_field(step).related_model
    field: Field[Any, Any] = model._meta.get_field(last)
    return field


def _text_in(row: Any, name: str) -> str:
    *way, last = name.removeprefix("-").split("__")
    for step in way:
        row = getattr(row, step)
    return str(row._meta.get_field(last).value_to_string(row))
