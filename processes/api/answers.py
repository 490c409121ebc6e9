"""What the views of runs share: errors as JSON, and objects that were sent."""

import json
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from processes.domain.data_edit import DataEdit
from processes.domain.json_values import MAX_DEPTH, json_problems, nests_absurdly
from processes.errors import ProcessError
from processes.pages.errors import BAD_REQUEST, bad_request_error, status_of
from tasks.api.errors import problem_response
from tasks.errors import TasksError
from tasks.registry import Problem

__all__ = ["answers", "bad_request", "edit_from", "edit_of", "flag_of", "page_of", "sent_object"]

View: TypeAlias = Callable[..., HttpResponseBase]

_MAX_PAGE_DIGITS = 4


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

    It has no other keys than the `known` ones: a misspelt wish mustn't look like one that was heard. Nor does it hold
    what couldn't be stored, such as NUL.
    """
    body = request.body
    if not body.strip():
        return {}
    try:
        text = body.decode()
        value = None if nests_absurdly(text) else json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise bad_request("Send a JSON object.")
    if unknown := sorted(value.keys() - known):
        raise bad_request(f'There is no "{unknown[0]}" here; known are {", ".join(sorted(known))}.')
    # What lies below a key may be as deep as it may be anywhere else.
    if problems := json_problems(value, max_depth=MAX_DEPTH + 1, limit=1):
        raise bad_request(f"{problems[0].path}: {problems[0].message}")
    return value


def edit_of(sent: dict[str, Any], *, key: str = "edit") -> DataEdit | None:
    """Return the edit of data below a key of what was sent, None without one; raises ProcessError `bad_request`."""
    value = sent.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise bad_request(f'"{key}" is an object: set, remove and seen.')
    return edit_from(value)


def flag_of(sent: dict[str, Any], key: str) -> bool:
    """Return whether what was sent says yes to `key`, without it no; raises ProcessError `bad_request`."""
    value = sent.get(key, False)
    if not isinstance(value, bool):
        raise bad_request(f'"{key}" is true or false.')
    return value


def edit_from(value: dict[str, Any]) -> DataEdit:
    """Return an edit of data; raises ProcessError `bad_request`."""
    try:
        return DataEdit.from_json(value)
    except ValueError as error:
        raise bad_request(str(error)) from None


def page_of(request: HttpRequest) -> int:
    """Return which page of a list is asked for, from 1 on; raises ProcessError `bad_request`."""
    text = request.GET.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_PAGE_DIGITS and int(text)):
        raise bad_request('"page" is a number from 1 on.')
    return int(text)


def bad_request(message: str) -> ProcessError:
    """Return the error of a request that can't be understood."""
    return ProcessError(message, code="bad_request")
