"""What the views of the REST API have in common: who asks, what is told of errors, what is never kept.

Everything is said here rather than in a site's `REST_FRAMEWORK`, so that the API is the same beside a team's own.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django_filters import FilterSet
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from tasks.api.errors import problem_response
from tasks.api.filtering import FieldsFilter, Ordering, Search
from tasks.api.paging import CursorPages
from tasks.api.schema import ApiSchema
from tasks.errors import SignInRequired
from tasks.live.problems import problem_of
from tasks.registry import Problem, problems

__all__ = ["ApiList", "ApiView", "JsonRenderer", "RequestAuthentication", "signed_in"]


class RequestAuthentication(BaseAuthentication):
    """Take the user whom the middleware has found, by session or by API token, and with a token its row."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the user and their token; None where nobody has signed in."""
        user = request._request.user
        return (user, getattr(request._request, "api_token", None)) if user.is_authenticated else None

    def authenticate_header(self, request: Request) -> str:
        """Return how to come in (RFC 6750, 3)."""
        return 'Bearer realm="api"'


class JsonRenderer(JSONRenderer):
    """Write JSON, whatever of it is asked for."""

    charset = None


class _OfApi(APIView):
    """Hold what views and lists share.

    CSRF is the middleware's, as for pages: a token's request is known there, and anybody else must send theirs, also
    who hasn't signed in, since their session may own something.
    """

    authentication_classes: ClassVar = [RequestAuthentication]
    permission_classes: ClassVar = [AllowAny]
    renderer_classes: ClassVar[Any] = [JsonRenderer]
    parser_classes: ClassVar = [JSONParser]
    # A token's requests are counted where it is read.
    throttle_classes: ClassVar[list[Any]] = []
    # OPTIONS would tell of itself what the API's description tells better.
    metadata_class = None
    schema = ApiSchema()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view, guarded against other sites."""
        view: Any = never_cache(super().as_view(**initkwargs))
        view.csrf_exempt = False
        return view

    def get_exception_handler(self) -> Callable[[Exception, Any], HttpResponseBase]:
        """Return what answers with a problem."""
        return _answer


class ApiView(_OfApi):
    """Be a view of the API: JSON in and out, errors as problems (RFC 9457), nothing kept by anybody on the way."""


class ApiList(_OfApi, GenericAPIView):
    """Be a list of rows: filtered, searched, ordered, and leafed through by a cursor (docs/api.md).

    Name `filterset_class`, `search_fields`, and `orderings`, the words of `ordering` with their lookups.
    """

    filter_backends: ClassVar = (FieldsFilter, Search, Ordering)
    pagination_class: ClassVar = CursorPages
    filterset_class: ClassVar[type[FilterSet]]
    search_fields: ClassVar[tuple[str, ...]] = ()
    orderings: ClassVar[Mapping[str, str]]
    ordering: ClassVar[tuple[str, ...]] = ("-created_at",)


def signed_in(request: Request) -> Any:
    """Return who asks; raises SignInRequired for somebody who hasn't signed in."""
    if not request.user.is_authenticated:
        raise SignInRequired
    return request.user


def _answer(error: Exception, context: dict[str, Any]) -> HttpResponseBase:
    request: HttpRequest | None = context.get("request")
    response = problem_response(problem_of(error, name=request.path if request is not None else "api"))
    if isinstance(error, exceptions.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def _of_framework(error: exceptions.APIException) -> Problem:
    """Return what is told of an error of the framework's; of what was sent, each complaint with its place."""
    if isinstance(error, exceptions.ValidationError):
        places = list(_complaints(error.get_full_details(), ""))
        told = " ".join(
            f"{place['path']}: {place['message']}" if place["path"] else place["message"] for place in places
        )
        return Problem("invalid", told, error.status_code, {"problems": places})
    if isinstance(error, exceptions.NotFound):
        return Problem("not_found", str(error.detail) or _("There is nothing here for you."), error.status_code)
    code = _CODES.get(type(error), error.default_code)
    return Problem(code, str(error.detail), error.status_code)


_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "bad_request",
    exceptions.NotAuthenticated: "sign_in_required",
    exceptions.PermissionDenied: "forbidden",
}


def _complaints(details: Any, path: str) -> Any:
    """Yield each complaint with its JSON pointer (RFC 6901); empty where it is about the whole."""
    if isinstance(details, dict) and isinstance(details.get("code"), str) and "message" in details:
        yield {"path": path, "message": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            step = "" if name == "non_field_errors" else f"/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _complaints(inner, path + step)
    else:
        for number, inner in enumerate(details):
            is_list = isinstance(inner, dict) and not (isinstance(inner.get("code"), str) and "message" in inner)
            yield from _complaints(inner, f"{path}/{number}" if is_list and inner else path)


problems.add(exceptions.APIException, _of_framework)
