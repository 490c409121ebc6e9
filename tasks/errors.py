"""The errors of the `tasks` app: one root, stable codes, safe to pickle."""

from typing import Any, ClassVar


class TasksError(Exception):
    """Be the root of every error that `tasks` raises.

    `code` is stable and meant for programs; `message` is meant for people and names the cure; `fields` are JSON values
    that a client may show. Instances survive pickling, because Celery and process pools move them between processes.
    """

    code: ClassVar[str] = "tasks_error"

    def __init__(self, message: str = "", **fields: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.fields = fields
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.fields))


def _rebuild(kind: type[TasksError], message: str, fields: dict[str, Any]) -> TasksError:
    return kind(message, **fields)


def text_of(exception: BaseException) -> str:
    """Return what an exception says; nothing where its own code fails at that, which must not hide the exception."""
    try:
        return str(exception)
    except Exception:  # noqa: BLE001 - whatever somebody's `__str__` raises
        return ""


class TaskNotFound(TasksError):
    """There is no such task, or you may not see it."""

    code = "not_found"


class NotAllowed(TasksError):
    """You may not do this."""

    code = "forbidden"


class BadRequest(TasksError):
    """What was sent can't be understood."""

    code = "bad_request"


class SignInRequired(TasksError):
    """This is for users who have signed in."""

    code = "sign_in_required"


class KeyReused(TasksError):
    """This idempotency key was used for something else: give each start a key of its own."""

    code = "key_reused"


class PreconditionRequired(TasksError):
    """Say which state you have seen: send its ETag in If-Match."""

    code = "precondition_required"


class PreconditionFailed(TasksError):
    """It was changed since you have read it."""

    code = "precondition_failed"


class Throttled(TasksError):
    """The API token is used too often; wait, as Retry-After says."""

    code = "throttled"


class InvalidToken(TasksError):
    """The API token doesn't hold: it is unknown, revoked or over."""

    code = "invalid_token"


class InsufficientScope(TasksError):
    """The API token isn't good for this."""

    code = "insufficient_scope"


class UnknownFunction(TasksError):
    """No function of this name can be called."""

    code = "unknown_function"


class UnknownJob(TasksError):
    """No function of this name is registered as a job."""

    code = "unknown_job"


class InvalidState(TasksError):
    """What a job saves isn't JSON, or is too long."""

    code = "invalid_state"


class NotConnected(TasksError):
    """Django isn't set up yet, or `tasks` isn't among its INSTALLED_APPS."""

    code = "not_connected"


class StaleFence(TasksError):
    """Another worker has taken this work over; nothing was written."""

    code = "stale_fence"


class IllegalTransition(TasksError):
    """The status can't change this way."""

    code = "illegal_transition"


class TaskCancelled(TasksError):
    """The work was cancelled."""

    code = "cancelled"


class JobTimeout(TasksError):
    """The attempt took longer than the job may take."""

    code = "timed_out"


class PermanentError(TasksError):
    """The job failed in a way that trying again can't mend."""

    code = "permanent"


class InvalidArguments(PermanentError):
    """The arguments aren't what the job takes."""

    code = "invalid_arguments"


class InvalidResult(PermanentError):
    """The job returned something else than it declares."""

    code = "invalid_result"


class OpenTransaction(TasksError):
    """It left a transaction open, which was rolled back: use `with transaction.atomic():`, which ends by itself."""

    code = "open_transaction"


class InvalidMeta(TasksError):
    """The meta isn't JSON, or not what the tree takes."""

    code = "invalid_meta"


class NotWatchable(TasksError):
    """Nobody can be told by mail here."""

    code = "not_watchable"


class MailNotTaken(TasksError):
    """The mail server took no mail; another try may succeed."""

    code = "mail_not_taken"


class InvalidUpdate(TasksError):
    """An update of the feed is malformed or out of order."""

    code = "invalid_update"


class WorkInterrupted(BaseException):
    """The work was broken into from outside. No Exception: work that catches everything is to end, too."""
