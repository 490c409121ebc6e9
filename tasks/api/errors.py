"""Errors as answers over HTTP."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from tasks.domain.jsonvalue import dumps
from tasks.errors import TasksError
from tasks.live.problems import problem_of, status_of
from tasks.registry import Problem

__all__ = ["error_response", "no_such_address", "problem_response", "status_of"]

#: RFC 9457: an error as JSON.
PROBLEM_TYPE = "application/problem+json"
_UNAUTHORIZED = 401


def error_response(error: TasksError) -> HttpResponse:
    """Return `error` as a problem."""
    return problem_response(problem_of(error, name="api"))


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer for what is asked for below the API and isn't there; the same with a slash at its end is pointed to."""
    address = request.path_info
    if request.method in ("GET", "HEAD") and not address.endswith("/") and _is_there(f"{address}/"):
        return HttpResponseRedirect(request.get_full_path(force_append_slash=True))
    return problem_response(Problem("not_found", _("There is no such address."), 404))


def problem_response(problem: Problem) -> HttpResponse:
    """Return a problem as RFC 9457 has it, with our `code`, and `fields` where there are some."""
    body = {"title": problem.title, "status": problem.status, "detail": problem.message, **problem.to_json()}
    response = HttpResponse(dumps(body), status=problem.status, content_type=PROBLEM_TYPE)
    if problem.status == _UNAUTHORIZED:
        # RFC 6750, 3: how to come in, and what was wrong with the token.
        told = f', error="{problem.code}"' if problem.code == "invalid_token" else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="api"{told}'
    if isinstance(wait := problem.fields.get("retry_after_seconds"), int):
        response.headers["Retry-After"] = str(wait)
    return response


def _is_there(address: str) -> bool:
    try:
        return resolve(address).func is not no_such_address
    except Resolver404:
        return False
