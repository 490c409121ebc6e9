"""What narrows and orders a list: by fields, by text, by order; a wish that isn't understood is refused."""

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.request import Request

from tasks.errors import BadRequest
from tasks.live.queries import check_names

__all__ = [
    "ChoicesFilter",
    "FieldsFilter",
    "Ordering",
    "Search",
    "TextFilter",
    "YesNoFilter",
    "check_parameters",
]


class FieldsFilter(filters.DjangoFilterBackend):
    """Narrow by the view's `filterset_class`; a parameter that nobody knows is refused."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return what is left."""
        offered = [name for name, lookups in (("ordering", view.orderings), ("search", view.search_fields)) if lookups]
        check_parameters(request, known={*view.filterset_class.base_filters, *offered})
        return super().filter_queryset(request, queryset, view)


class Search(SearchFilter):
    """Find words in the view's `search_fields`: `search`."""

    def get_search_terms(self, request: Request) -> Any:
        """Return the words; raises BadRequest for what no database can look for."""
        if "\0" in request.query_params.get(self.search_param, ""):
            raise BadRequest(_('"search" holds a character that no text has.'))
        return super().get_search_terms(request)


class Ordering(OrderingFilter):
    """Order by one of the names in the view's `orderings`, a mapping to lookups; `-` before it turns it round."""

    ordering_param = "ordering"

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return the lookup by which to order."""
        asked = request.query_params.get(self.ordering_param)
        if asked is None:
            return self.get_default_ordering(view)
        lookup = view.orderings.get(asked.removeprefix("-"))
        if lookup is None:
            raise BadRequest(_('"ordering" is one of %(names)s.') % {"names": ", ".join(view.orderings)})
        return (f"-{lookup}" if asked.startswith("-") else lookup,)

    def get_schema_operation_parameters(self, view: Any) -> Any:
        """Describe the parameter."""
        names = [sign + name for name in view.orderings for sign in ("", "-")]
        described = {"name": "ordering", "in": "query", "required": False, "schema": {"type": "string", "enum": names}}
        return [{**described, "description": "By what the list is ordered; with - the other way round."}]


class TextFilter(filters.CharFilter):
    """Compare a text as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, strip=False, **kwargs)


class YesNoFilter(filters.TypedChoiceFilter):
    """Take true or false, and nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        choices = (("true", "true"), ("false", "false"))
        super().__init__(*args, choices=choices, coerce="true".__eq__, **kwargs)


class ChoicesFilter(filters.BaseInFilter, filters.ChoiceFilter):
    """Take one or several values, with commas between them."""


def check_parameters(request: Request, *, known: Collection[str]) -> None:
    """Raise BadRequest for a parameter of a list that isn't known; those that leaf through one are known always."""
    check_names((name for name in request.query_params if name != "format"), known={*known, "cursor", "page_size"})
