"""Which methods an address takes, for views that are no classes of Django REST framework."""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from tasks.api.errors import problem_response
from tasks.registry import Problem

__all__ = ["takes"]

View = TypeVar("View", bound=Callable[..., HttpResponseBase | Awaitable[HttpResponseBase]])


def takes(*methods: str) -> Callable[[View], View]:
    """Let a view have requests of these methods only; others are answered by a problem, as everywhere in the API."""

    def around(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def asynchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
                if request.method in methods:
                    answer: HttpResponseBase = await view(request, *args, **kwargs)
                    return answer
                return _refusal(request, methods)

            return cast("View", asynchronous)

        @wraps(view)
        def synchronous(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in methods:
                return cast("HttpResponseBase", view(request, *args, **kwargs))
            return _refusal(request, methods)

        return cast("View", synchronous)

    return around


def _refusal(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse:
    allowed = ", ".join(methods)
    message = _("This address takes %(methods)s, and no %(method)s.") % {"methods": allowed, "method": request.method}
    response = problem_response(Problem("method_not_allowed", message, 405))
    response.headers["Allow"] = allowed
    return response
