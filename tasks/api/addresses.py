"""Which part of the API a request goes to."""

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

__all__ = ["api_area"]

#: The namespaces whose URLs are the API, and an address of each: a site puts them where it likes.
_KNOWN = {"tasks-api": ("tasks", "tasks/"), "processes-api": ("inbox", "inbox/")}


def api_area(request: HttpRequest) -> str | None:
    """Return the first part of an address behind the API's own; None for an address that isn't of the API."""
    try:
        match = resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return None
    for name, (view, tail) in _KNOWN.items():
        if name in match.app_names:
            front = reverse(f"{match.namespace}:{view}").removesuffix(tail)
            return request.path.removeprefix(front).partition("/")[0]
    return None
