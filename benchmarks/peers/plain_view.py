"""A plain Django view that renders the page which the process answers with."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.cache import never_cache

from benchmarks.rows import TEMPLATE, TITLE, amounts


@never_cache
def rows(request: HttpRequest) -> HttpResponse:
    """Answer with the rows."""
    data = {"rows": amounts(), "total": len(amounts())}
    return render(request, "processes/page.html", {"title": TITLE, "data": data, "fragment": TEMPLATE})


urlpatterns = [path("plain/", rows), path("", include("config.urls"))]
