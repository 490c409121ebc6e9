"""Django middleware: a request that bears an API token comes from the token's user."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from tasks.api.addresses import api_area
from tasks.api.errors import problem_response
from tasks.domain.scopes import allows_address
from tasks.errors import InsufficientScope, TasksError
from tasks.live.problems import problem_of
from tasks.models import ApiToken
from tasks.services.api_rates import count_use
from tasks.services.api_tokens import find_api_token, token_in

__all__ = ["ApiTokenMiddleware"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Respond = Callable[[HttpRequest], HttpResponseBase]
RespondAsync = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class ApiTokenMiddleware:
    """Let `Authorization: Bearer stl_…` say who asks, at the addresses of the API.

    Put it behind the middleware that signs users in. Such a request needs no CSRF token: no page of another site can
    make a browser send the header. Its session, if it has one, says nothing.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Respond | RespondAsync) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request."""
        if self._is_async:
            return self._respond_async(request)
        secret = _token_of(request)
        if secret is not None and (refused := _enter(request, secret)) is not None:
            return refused
        return self.get_response(request)

    async def _respond_async(self, request: HttpRequest) -> HttpResponseBase:
        secret = _token_of(request)
        if secret is not None and (refused := await sync_to_async(_enter)(request, secret)) is not None:
            return refused
        answer = self.get_response(request)
        assert isinstance(answer, Awaitable)
        response: HttpResponseBase = await answer
        return response


def _token_of(request: HttpRequest) -> str | None:
    """Return the token that a request bears to the API; None where it bears none, or goes elsewhere."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    secret = token_in(header) if header else None
    return secret if secret is not None and api_area(request) is not None else None


def _enter(request: HttpRequest, secret: str) -> HttpResponseBase | None:
    """Make the token's user the one who asks; where it doesn't hold, or isn't good for this, return what is told."""
    try:
        token = find_api_token(secret)
        area = api_area(request)
        assert area is not None
        if not allows_address(token.scopes, area, is_safe=request.method in _SAFE_METHODS):
            raise InsufficientScope(_("The token isn't good for this: it lacks the scope."), area=area)
        count_use(token)
    except TasksError as error:
        return problem_response(problem_of(error, name="token"))
    _sign_in(request, token)
    return None


def _sign_in(request: HttpRequest, token: ApiToken) -> None:
    user = token.user

    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser
    request.api_token = token  # type: ignore[attr-defined]
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    request.session = _no_session()
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)


def _no_session() -> SessionBase:
    session: SessionBase = import_string(f"{settings.SESSION_ENGINE}.SessionStore")()
    return session
