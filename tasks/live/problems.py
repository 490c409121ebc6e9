"""Which HTTP status an error has, and what clients are told of it: decided here and nowhere else."""

import logging

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig, ValidationError
from django.http import Http404
from django.utils.translation import gettext as _

from tasks.errors import (
    BadRequest,
    IllegalTransition,
    InsufficientScope,
    InvalidArguments,
    InvalidToken,
    KeyReused,
    NotAllowed,
    NotWatchable,
    PreconditionFailed,
    PreconditionRequired,
    SignInRequired,
    StaleFence,
    TaskCancelled,
    TaskNotFound,
    TasksError,
    Throttled,
    UnknownFunction,
)
from tasks.live.protocol import TooMany, Unavailable
from tasks.registry import Problem, problems

__all__ = ["problem_of", "status_of"]

logger = logging.getLogger(__name__)

_STATUSES: dict[type[TasksError], int] = {
    TaskNotFound: 404,
    UnknownFunction: 404,
    BadRequest: 400,
    InvalidArguments: 400,
    IllegalTransition: 409,
    StaleFence: 409,
    NotWatchable: 409,
    TaskCancelled: 409,
    KeyReused: 409,
    SignInRequired: 401,
    InvalidToken: 401,
    InsufficientScope: 403,
    NotAllowed: 403,
    PreconditionFailed: 412,
    PreconditionRequired: 428,
    Throttled: 429,
    TooMany: 429,
    Unavailable: 503,
}


def status_of(error: TasksError) -> int:
    """Return the HTTP status of `error`; 500 for what no client can cause."""
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)


def problem_of(error: BaseException, *, name: str) -> Problem:
    """Return what a client is told of an error that a function has raised; of our own faults, nothing but that.

    Those are logged, with the name of the function.
    """
    problem = problems.of(error)
    if problem is None or problem.status >= 500:
        logger.error("The call of %s failed.", name, exc_info=error)
        return problem or _internal()
    return problem


def _of_tasks(error: TasksError) -> Problem:
    status = status_of(error)
    if status == 500:
        return _internal()
    # Of what is missing and what is forbidden the same is told, wherever it was found out.
    fields = {} if isinstance(error, TaskNotFound) else error.fields
    return Problem(error.code, error.message, status, fields)


def _internal() -> Problem:
    return Problem("internal", _("The call failed. It is logged; try again later."), 500)


def _of_validation(error: ValidationError) -> Problem:
    fields = {"errors": error.message_dict} if hasattr(error, "error_dict") else {}
    return Problem("invalid", " ".join(error.messages), 400, fields)


problems.add(TasksError, _of_tasks)
problems.add(ValidationError, _of_validation)
problems.add(PermissionDenied, lambda error: Problem("forbidden", str(error) or _("You may not do this."), 403))
problems.add(Http404, lambda _error: Problem("not_found", _("There is nothing here for you."), 404))
problems.add(ObjectDoesNotExist, lambda _error: Problem("not_found", _("There is nothing here for you."), 404))
problems.add(RequestDataTooBig, lambda _error: Problem("too_large", _("More was sent than is taken here."), 413))
