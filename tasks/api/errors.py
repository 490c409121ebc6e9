"""Which HTTP status an error of `tasks` has: decided here and nowhere else."""

from django.http import JsonResponse

from tasks.errors import IllegalTransition, NotAllowed, NotWatchable, StaleFence, TaskNotFound, TasksError
from tasks.live.protocol import BadRequest, TooMany, Unavailable

__all__ = ["error_response", "status_of"]

_STATUSES: dict[type[TasksError], int] = {
    TaskNotFound: 404,
    BadRequest: 400,
    IllegalTransition: 409,
    StaleFence: 409,
    NotWatchable: 409,
    NotAllowed: 403,
    TooMany: 429,
    Unavailable: 503,
}


def status_of(error: TasksError) -> int:
    """Return the HTTP status of `error`; 500 for what no client can cause."""
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)


def error_response(error: TasksError) -> JsonResponse:
    """Return `error` as JSON: its stable code and its message."""
    return JsonResponse({"code": error.code, "message": error.message}, status=status_of(error))
