"""Name what the services refuse. Each error has a code of its own; processes.pages.errors maps codes to HTTP."""

from processes.errors import NotFoundError, PermanentError, ProcessError

__all__ = [
    "AuthorityError",
    "ConflictError",
    "DataNodeNotFoundError",
    "EntryRefusedError",
    "FileMissingError",
    "FormGoneError",
    "NotPublishedError",
    "PublishRefusedError",
    "SignInRequiredError",
    "StaleDraftError",
    "StorageError",
    "TemplateNotFoundError",
    "TooLargeError",
]


class TemplateNotFoundError(NotFoundError):
    """Report that there is no such process, or none that this user may execute: both look the same."""

    code = "template_not_found"


class SignInRequiredError(TemplateNotFoundError):
    """Report that somebody who isn't signed in may get further by signing in."""

    code = "sign_in_required"


class NotPublishedError(NotFoundError):
    """Report a template that has no published plan yet."""

    code = "not_published"


class DataNodeNotFoundError(NotFoundError):
    """Report a data reference that is forged, foreign, expired or malformed: all of them look the same."""

    code = "data_node_not_found"


class FileMissingError(NotFoundError):
    """Report a file that doesn't exist, or isn't there for this caller."""

    code = "file_not_found"


class AuthorityError(PermanentError):
    """Report that whoever's rights are asked for doesn't exist any more, or has taken them back."""

    code = "authority"


class ConflictError(PermanentError):
    """Report that the same step was submitted before.

    `fields`: `reference`, `step` (the action whose form shows how things stand now, or empty) and `continued_in` (the
    id of the background run that took the data over, or null).
    """

    code = "conflict"


class EntryRefusedError(PermanentError):
    """Report an action that a link can't enter, only a form."""

    code = "entry_refused"


class FormGoneError(PermanentError):
    """Report a posted form that the process, as it is published now, doesn't show."""

    code = "form_gone"


class TooLargeError(PermanentError):
    """Report a request that is larger than this server takes; `fields` hold `limit_bytes`."""

    code = "too_large"


class StaleDraftError(PermanentError):
    """Report that somebody else saved the template after this editor opened it; `fields` hold both revisions."""

    code = "stale_draft"


class PublishRefusedError(PermanentError):
    """Report what publishing would break.

    `fields["broken"]` lists `{template, path, message, suggestion, needed_by}`: the place of the problem, and the
    template that can't be derived because of it.
    """

    code = "publish_refused"


class StorageError(ProcessError):
    """Report that a file couldn't be stored."""

    code = "storage"
