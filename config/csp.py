"""A strict Content-Security-Policy on every page, the admin included.

Django 5.2 has none built in. Django's admin loads all its scripts from files, so it lives with `script-src 'self'`; the
one inline style of its change list is cosmetic, and blocked.
"""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.views import debug

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

# Its other pages are shown as Django means them too, under DEBUG only: just the style of their own is let in. They are
# no pages of ours, which keep the whole policy with the same statuses.
_DEBUG_PAGES = {403: "csrf_403.html", 404: "technical_404.html"}
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def policy(*, for_error_page: bool = False, debug_status: int | None = None) -> str:
    """Return the header's value; with the status of one of Django's pages under DEBUG, with the styles of that."""
    directives = dict(_ERROR_PAGE_DIRECTIVES if for_error_page else _DIRECTIVES)
    if debug_status in _DEBUG_PAGES:
        directives["style-src"] += "".join(f" {source}" for source in _styles_of(_DEBUG_PAGES[debug_status]))
    # Browsers hold the redirect that answers a form to it too, so where a process may lead, its forms may.
    for host in getattr(settings, "STEPLINE_REDIRECT_HOSTS", ()):
        directives["form-action"] += f" {host}"
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


@cache
def _styles_of(page: str) -> tuple[str, ...]:
    """Return what lets in the inline styles of one of Django's own pages: their hashes."""
    text = (Path(debug.__file__).parent / "templates" / page).read_text("utf-8")
    hashes = (sha256(style.encode()).digest() for style in _STYLE.findall(text))
    return tuple(f"'sha256-{b64encode(each).decode()}'" for each in hashes)


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
        status = response.status_code if settings.DEBUG else None
        response.headers[HEADER] = policy(for_error_page=status == 500, debug_status=status)
    return response
