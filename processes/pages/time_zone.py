"""Show times in the visitor's own time zone.

A page's script writes the browser's zone into a cookie (static/processes/page.js); without the script, times are shown
in the zone of the settings.
"""

import zoneinfo
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

#: The cookie: the name of a zone of the IANA database, as `Intl.DateTimeFormat().resolvedOptions().timeZone` gives it.
COOKIE = "timezone"
_LONGEST = 64

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def zone_of(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    """Return the zone that the visitor's browser has told; None where it told none, or one that isn't known here."""
    name = request.COOKIES.get(COOKIE, "")
    if not name or len(name) > _LONGEST:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A cookie is whatever its sender made of it: names with dots and slashes, folders, a NUL.
        return None


@sync_and_async_middleware
def user_time_zone(get_response: Respond | RespondAsync) -> Respond | RespondAsync:
    """Activate the visitor's time zone for the length of a request."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            with timezone.override(zone_of(request)):
                return await get_response(request)

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request)):
            response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return response

    return respond
