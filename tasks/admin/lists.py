"""Lists of many rows: pages without a count of everything, ids found by their beginning."""

import uuid
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import smart_split

from tasks.services.inspecting import ids_that_begin

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["MOST_COUNTED", "BoundedPaginator", "ListAdmin"]

#: Rows that a list counts, and pages through. Who has more of them searches.
MOST_COUNTED = 5_000
#: Words of a search that are looked for.
MOST_WORDS = 20


class BoundedPaginator(Paginator):
    """Count no further than anybody would page: counting a large table takes longer than reading a page of it."""

    @cached_property
    def _counted(self) -> int:
        rows: QuerySet[Model] = self.object_list  # type: ignore[assignment]
        return rows.order_by().values("pk")[: MOST_COUNTED + 1].count()

    @cached_property
    def count(self) -> int:
        """The number of rows, as far as it was counted."""
        return min(self._counted, MOST_COUNTED)

    @property
    def has_more(self) -> bool:
        """Whether there are more than were counted."""
        return self._counted > MOST_COUNTED


class _Page(ChangeList):
    """Read what one page shows, with what belongs to its rows in a query for all of them."""

    model_admin: "ListAdmin"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> "QuerySet[Any]":
        """Leave out the columns that a list doesn't show and that may be long."""
        rows = super().get_queryset(request, exclude_parameters).defer(*self.model_admin.list_defer)
        return rows if self.query else self.model_admin.without_parts(rows)

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.complete_rows(self.result_list)

    def url_for_result(self, result: Model) -> str:
        """Lead to the page that shows the row."""
        return self.model_admin.address_of(result.pk)


class ListAdmin(admin.ModelAdmin):
    """Show many rows that only workers write: nobody adds, changes or deletes them by hand."""

    paginator = BoundedPaginator
    show_full_result_count = False
    # Counting what each choice of each filter would find reads the whole table for each.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    change_list_template = "tasks/admin/change_list.html"
    #: In the order of their ids, which is that of their creation, and has an index.
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    #: Columns that a list doesn't read.
    list_defer: Sequence[str] = ()
    #: The name of the page that shows a row.
    page = ""
    #: What the list is called.
    heading: "_StrPromise | str" = ""

    class Media:
        css = {"all": ("tasks/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let nobody add rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let nobody change rows by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let nobody delete rows by hand: what is over is purged when its time has come."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Take nothing from the address but what the filters offer: other columns are no business of whoever asks."""
        offered = {getattr(kind, "parameter_name", None) for kind in self.list_filter}
        return lookup in offered

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return how a page of the list is read."""
        return _Page

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Call the list by its name."""
        return super().changelist_view(request, {"title": self.heading, **(extra_context or {})})

    def without_parts(self, rows: "QuerySet[Any]") -> "QuerySet[Any]":
        """Leave out what the page of its parent leads to; what is searched for is found all the same."""
        return rows

    def complete_rows(self, rows: list[Any]) -> None:
        """Add to a page's rows what their columns show and one query finds for all of them."""

    def address_of(self, pk: uuid.UUID) -> str:
        """Return where a row is shown."""
        return reverse(f"admin:{self.page}", args=(pk,), current_app=self.admin_site.name)

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """Find an id, or the beginning of one, by the index; search the texts where there is none like that.

        Of many words the first ones: each is a condition on every text, and SQLite takes no thousand of them.
        """
        ids = ids_that_begin(search_term)
        if ids is not None:
            found = queryset.filter(pk__gte=ids[0], pk__lte=ids[1])
            if found.order_by().exists():
                return found, False
        words = " ".join(islice(smart_split(search_term), MOST_WORDS))
        return super().get_search_results(request, queryset, words)
