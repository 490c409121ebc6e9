"""What views outside the framework share, those of a team's own URLs: errors as JSON, and objects that were sent."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from processes.api.bodies import check_known, read_object
from processes.errors import ProcessError
from processes.pages.errors import BAD_REQUEST, bad_request_error, status_of
from tasks.api.errors import problem_response
from tasks.errors import TasksError
from tasks.registry import Problem

__all__ = ["answers", "sent_object"]

View: TypeAlias = Callable[..., HttpResponseBase]


def answers(view: View) -> View:
    """Answer with JSON where a view raises an error of ours: its code, message and fields. Nothing is cached."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, **address: uuid.UUID | int | str) -> HttpResponseBase:
        try:
            return view(request, **address)
        except (ProcessError, TasksError) as error:
            return _told(error)
        except BAD_REQUEST as error:
            return _told(bad_request_error(error))

    return guarded


def _told(error: ProcessError | TasksError) -> HttpResponse:
    return problem_response(Problem(error.code, error.message, status_of(error), dict(error.fields)))


def sent_object(request: HttpRequest, *, known: set[str]) -> dict[str, Any]:
    """Return the JSON object that was sent, {} for an empty body; raises ProcessError `bad_request`.

    It has no other keys than the `known` ones.
    """
    value = read_object(request.body)
    check_known(value, known)
    return value
