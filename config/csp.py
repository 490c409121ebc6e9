"""A strict Content-Security-Policy on every page, the admin included.

Django 5.2 has none built in. Django's admin loads all its scripts from files, so it lives with `script-src 'self'`; the
one inline style of its change list is cosmetic, and blocked.
"""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

HEADER = "Content-Security-Policy"

_DIRECTIVES = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}

# Django's own error page with a traceback, shown under DEBUG only, is one inline document.
_ERROR_PAGE_DIRECTIVES = _DIRECTIVES | {
    "script-src": "'self' 'unsafe-inline'",
    "style-src": "'self' 'unsafe-inline'",
}

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def policy(*, for_error_page: bool = False) -> str:
    """Return the header's value."""
    directives = dict(_ERROR_PAGE_DIRECTIVES if for_error_page else _DIRECTIVES)
    # Browsers hold the redirect that answers a form to it too, so where a process may lead, its forms may.
    for host in getattr(settings, "STEPLINE_REDIRECT_HOSTS", ()):
        directives["form-action"] += f" {host}"
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


@sync_and_async_middleware
def content_security_policy(get_response: Respond | RespondAsync) -> Respond | RespondAsync:
    """Add the policy to every response that doesn't bring one of its own.

    Works on both sides of Django's handler, so that it never forces an async view into a thread.
    """
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(await get_response(request))

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _with_policy(response)

    return respond


def _with_policy(response: HttpResponseBase) -> HttpResponseBase:
    if HEADER not in response.headers:
        response.headers[HEADER] = policy(for_error_page=settings.DEBUG and response.status_code == 500)
    return response
