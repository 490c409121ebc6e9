"""What can go wrong for a client: one root, a class per failure, safe to pickle."""

from functools import partial
from typing import Any

from tasks.errors import TasksError

__all__ = [
    "BadAnswer",
    "ClientError",
    "Conflict",
    "ConnectionLost",
    "Forbidden",
    "InvalidArguments",
    "InvalidToken",
    "NotConfigured",
    "NotFound",
    "Refused",
    "ServerFault",
    "SignInRequired",
    "TaskAborted",
    "TaskFailed",
    "TooBusy",
]


class ClientError(TasksError):
    """Be the root of every error that `tasks.client` raises.

    Of what the site has told there are `status`, the HTTP status, `problem`, its own stable code, such as
    `unknown_function`, and `fields`.
    """

    code = "client_error"

    def __init__(self, message: str = "", *, status: int | None = None, problem: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.status = status
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild = partial(type(self), status=self.status, problem=self.problem, **self.fields)
        return (rebuild, (self.message,))


class NotConfigured(ClientError):
    """The client doesn't know the site: give its URL, or set STEPLINE_URL."""

    code = "not_configured"


class Refused(ClientError):
    """The site doesn't do what was asked of it."""

    code = "refused"


class SignInRequired(Refused):
    """This is for users who have signed in: give a token, or set STEPLINE_TOKEN."""

    code = "sign_in_required"


class InvalidToken(SignInRequired):
    """The API token doesn't hold: it is unknown, revoked or over."""

    code = "invalid_token"


class Forbidden(Refused):
    """The token's user may not do this, or the token isn't good for it."""

    code = "forbidden"


class NotFound(Refused):
    """There is no such task, function or process, or it isn't yours."""

    code = "not_found"


class InvalidArguments(Refused):
    """What was sent isn't what is taken; `fields` says which parts."""

    code = "invalid_arguments"


class Conflict(Refused):
    """It doesn't go together with how things are: a task that has ended, a key that was used for something else."""

    code = "conflict"


class TooBusy(Refused):
    """The site takes no more at the moment, and hasn't for as long as the client was to try."""

    code = "too_busy"


class ServerFault(ClientError):
    """The site has failed; its logs tell why."""

    code = "server_fault"


class BadAnswer(ClientError):
    """The answer isn't one of Stepline's: is this the right address?"""

    code = "bad_answer"


class ConnectionLost(ClientError):
    """The site couldn't be reached for as long as the client was to try."""

    code = "connection_lost"


class TaskFailed(ClientError):
    """The task has failed; the message is its reason."""

    code = "task_failed"

    @property
    def reason(self) -> str:
        """Why it has failed, in the words of its log."""
        return self.message


class TaskAborted(ClientError):
    """The task was cancelled; the message is its reason."""

    code = "task_aborted"

    @property
    def reason(self) -> str:
        """Why it was cancelled, in the words of its log."""
        return self.message
