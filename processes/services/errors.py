"""Name what the services refuse. Each error has a code of its own; processes.pages.errors maps codes to HTTP."""

from processes.errors import NotFoundError, PermanentError, ProcessError

__all__ = [
    "AuthorityError",
    "BindingRefusedError",
    "CallbackFileError",
    "CallbackNotFoundError",
    "ConflictError",
    "ConnectionInUseError",
    "ConnectionMissingError",
    "DataNodeNotFoundError",
    "DraftInTheWayError",
    "DrivenProcessError",
    "EntryRefusedError",
    "FileMissingError",
    "FormClosedError",
    "FormGoneError",
    "FormInvalidError",
    "FormNotFoundError",
    "HookBusyError",
    "HookIdleError",
    "HookNotFoundError",
    "InstanceNotFoundError",
    "LendingRefusedError",
    "MailError",
    "MailRefusedError",
    "MessageConflictError",
    "MessageKeyError",
    "NoCredentialsError",
    "NoOwnerError",
    "NotAssignableError",
    "NotControllableError",
    "NotOfferedError",
    "NotPublishedError",
    "OutboundError",
    "OutboundRefusedError",
    "OutboundStatusError",
    "OutboundTimeoutError",
    "OutboundTooLargeError",
    "PieceFailedError",
    "PublishRefusedError",
    "SecretUnreadableError",
    "SignInRequiredError",
    "SlugTakenError",
    "StaleDataError",
    "StaleDraftError",
    "StatusRulesInUseError",
    "StorageError",
    "TemplateInUseError",
    "TemplateNotFoundError",
    "TooLargeError",
    "TriggerRefusedError",
    "VersionNotFoundError",
    "WrongStatusError",
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


class CallbackFileError(PermanentError):
    """Refuse a report that names a file which isn't there for whoever reports, or too many of them."""

    code = "callback_file"


class CallbackNotFoundError(NotFoundError):
    """Report a callback that doesn't exist (any more), or a token that is forged: all of them look the same."""

    code = "callback_not_found"


class FileMissingError(NotFoundError):
    """Report a file that doesn't exist, or isn't there for this caller."""

    code = "file_not_found"


class InstanceNotFoundError(NotFoundError):
    """Report that there is no such instance, or none that this user may execute: both look the same."""

    code = "instance_not_found"


class DrivenProcessError(PermanentError):
    """Report that the process, or the status rules, that a team's model names as its default aren't there."""

    code = "driven_process"


class AuthorityError(PermanentError):
    """Report that whoever's rights are asked for doesn't exist any more, or has taken them back."""

    code = "authority"


class NoOwnerError(PermanentError):
    """Report that what is executed has no owner whose rights could be lent."""

    code = "no_owner"


class NoCredentialsError(PermanentError):
    """Report that no credentials of the caller are stored, or that nobody is signed in who could lend theirs."""

    code = "no_credentials"


class ConflictError(PermanentError):
    """Report that the same step was submitted before.

    `fields`: `reference`, `step` (the action whose form shows how things stand now, or empty), `at` (when that was, in
    ISO 8601), `drafted` (it was only saved as a draft), and `continued_in` (the id of what took the data over, or null:
    a background run, or the instance that it became, which `instance` then names too).
    """

    code = "conflict"


class EntryRefusedError(PermanentError):
    """Report an action that a link can't enter, only a form."""

    code = "entry_refused"


class FormClosedError(PermanentError):
    """Report a form to which nobody waits for an answer any more.

    `fields` hold `outcome` (answered, timeout, cancelled, over) and `run`, and where it is known `at` and `by`.
    """

    code = "form_closed"


class FormInvalidError(PermanentError):
    """Refuse an answer to a form; `fields` hold `errors`, the messages by field (`__all__` for the form as a whole)."""

    code = "form_invalid"


class FormNotFoundError(NotFoundError):
    """Report a form of a run that doesn't exist, or that this visitor may not answer: both look the same."""

    code = "form_not_found"


class FormGoneError(PermanentError):
    """Report a posted form that the process, as it is published now, doesn't show."""

    code = "form_gone"


class TooLargeError(PermanentError):
    """Report a request that is larger than this server takes; `fields` hold `limit_bytes`."""

    code = "too_large"


class SlugTakenError(PermanentError):
    """Report that another template, or other status rules, have this slug."""

    code = "slug_taken"


class StaleDataError(PermanentError):
    """Report that an instance's Data was saved by somebody else after it was loaded.

    `fields`: `expected` (the revision that was loaded) and `revision` (the present one).
    """

    code = "stale_data"


class StaleDraftError(PermanentError):
    """Report that somebody else changed the template, or the status rules, after this editor opened them.

    `fields`: `expected` and `revision` of the draft, or `expected_version` and `version` of what is in force.
    """

    code = "stale_draft"


class PublishRefusedError(PermanentError):
    """Report what publishing would break.

    `fields["broken"]` lists `{template, path, message, suggestion, needed_by}`: the place of the problem, and the
    template that can't be derived because of it.
    """

    code = "publish_refused"


class LendingRefusedError(PublishRefusedError):
    """Refuse an editor who would change what runs with somebody else's rights; `fields` as of PublishRefusedError."""

    code = "lending_refused"


class DraftInTheWayError(PermanentError):
    """Report that a roll back would overwrite a draft that was never published, and nobody has agreed to that."""

    code = "draft_in_the_way"


class TemplateInUseError(PermanentError):
    """Report that a template can't be deleted.

    `fields`: `uses` lists `{template, how}` ("extends" or "calls"), `instances` counts those that are alive.
    """

    code = "template_in_use"


class StatusRulesInUseError(PermanentError):
    """Report that status rules can't be deleted; `fields`: `types` lists slugs, `instances` counts those alive."""

    code = "status_rules_in_use"


class VersionNotFoundError(NotFoundError):
    """Report that a template has no version of that number."""

    code = "version_not_found"


class StorageError(ProcessError):
    """Report that a file couldn't be stored."""

    code = "storage"


class SecretUnreadableError(PermanentError):
    """Report a secret that none of the keys decrypts; `fields` hold the name of its connection, or of its trigger."""

    code = "secret_unreadable"


class ConnectionMissingError(NotFoundError):
    """Report a connection that doesn't exist (any more), or isn't of the kind that is needed."""

    code = "connection_missing"


class ConnectionInUseError(PermanentError):
    """Refuse to delete a connection that templates bind; `fields["templates"]` lists their slugs."""

    code = "connection_in_use"


class BindingRefusedError(PermanentError):
    """Refuse an editor who may not bind a connection; `fields["connections"]` lists which."""

    code = "binding_refused"


class OutboundError(ProcessError):
    """Report a request that got no answer; another try may."""

    code = "outbound_failed"


class OutboundTimeoutError(OutboundError):
    """Report a request whose answer wasn't complete in time."""

    code = "outbound_timeout"


class OutboundRefusedError(PermanentError):
    """Refuse a request before it leaves: where it goes, what it carries."""

    code = "outbound_refused"


class OutboundTooLargeError(PermanentError):
    """Report an answer that is larger than the request takes; `fields` hold `limit_bytes`."""

    code = "outbound_too_large"


class OutboundStatusError(ProcessError):
    """Report an answer with a status that wasn't expected; `fields` hold `status`, and a part of its text."""

    code = "outbound_status"


class MailError(ProcessError):
    """Report a mail that wasn't taken; another try may succeed."""

    code = "mail_failed"


class MailRefusedError(PermanentError):
    """Report a mail that can't be sent: addresses, size, or what the mail server says for good."""

    code = "mail_refused"


class NotControllableError(PermanentError):
    """Refuse to retry, rewind, pause, resume, edit or move a run; the message says why, to whoever asked.

    `fields["reason"]` is a stable code (docs/control.md lists them), and `fields["names"]` the actions or keys that it
    is about, where it is about any; `fields["next"]` is the execution that goes on already.
    """

    code = "not_controllable"


class PieceFailedError(ProcessError):
    """Report that work which an action has spread over child runs has failed."""

    code = "piece_failed"


class NotRepeatableError(PermanentError):
    """Refuse to repeat a run; the message says why, to whoever asked."""

    code = "not_repeatable"


class TriggerRefusedError(PermanentError):
    """Refuse an editor who may not change a trigger that runs in somebody else's name."""

    code = "trigger_refused"


class MessageConflictError(PermanentError):
    """Refuse a message whose key another message on its topic has already; `fields` hold its `id`."""

    code = "message_conflict"


class MessageKeyError(PermanentError):
    """Refuse a key that no message can have: too long, or no text that can be stored."""

    code = "message_key"


class HookNotFoundError(NotFoundError):
    """Report a webhook that isn't there, is disabled, or whose delivery isn't authentic: all of them look the same."""

    code = "hook_not_found"


class HookBusyError(ProcessError):
    """Report a webhook that has started as much as it may for now; `fields` hold `retry_after_seconds`."""

    code = "hook_busy"


class HookIdleError(ProcessError):
    """Report an authentic delivery whose process can't be started now; sent again later it may be."""

    code = "hook_idle"


class NotAssignableError(PermanentError):
    """Refuse to give, take or return an instance: somebody else has it, or it isn't theirs to give.

    `fields`: `assignee`, the name of whoever has it, where that is why.
    """

    code = "not_assignable"


class NotOfferedError(PermanentError):
    """Refuse an action that the status rules don't offer to this user at this moment.

    `fields`: `action`, `status`.
    """

    code = "not_offered"


class WrongStatusError(PermanentError):
    """Refuse to change a status that isn't any more what it has to be. `fields`: `status`, `expected`."""

    code = "wrong_status"
