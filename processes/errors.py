"""Name every error of processes: one root with a stable code that survives pickling and JSON.

The JSON form of an error is `{"code", "message"}` plus, where they are known, `"kind"` (the class, by its own code),
`"action"`, `"process"`, `"path"` (a JSON Pointer), `"fields"` (any JSON) and `"cause"` (an error again).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from tasks.errors import TaskCancelled, text_of

__all__ = [
    "CANCELLED",
    "ActionLimitError",
    "ActionTimeoutError",
    "CallbackConflictError",
    "ConditionError",
    "ConfigError",
    "ContentError",
    "CursorError",
    "DefinitionError",
    "DurableInCallError",
    "FailedError",
    "NotFoundError",
    "NotJsonError",
    "OutcomeUnknownError",
    "PermanentError",
    "PlaceholderError",
    "Problem",
    "ProcessError",
    "RegistrationError",
    "RunCancelled",
    "RunInterrupted",
    "ScriptError",
    "TopicError",
    "UnknownScriptError",
]

#: The code of the error with which a cancelled run ends.
CANCELLED = "cancelled"

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"

_MAX_CAUSES = 20
_MAX_MESSAGE = 4_000


def _json_safe(value: object, depth: int = 0) -> Any:
    """Turn anything into JSON, describing by its repr what isn't: an error must always be storable."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _storable_text(value)
    if isinstance(value, int):
        return value if value.bit_length() <= 4096 else "a very large number"
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if depth >= 20:
        return "…"
    if isinstance(value, Mapping):
        return {_storable_text(str(key)): _json_safe(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_safe(item, depth + 1) for item in value]
    return _storable_text(repr(value)[:200])


def _storable_text(text: str) -> str:
    """Replace what neither UTF-8 nor PostgreSQL's jsonb can hold: halves of surrogate pairs, and NUL."""
    text = text.replace("\0", _UNREADABLE)
    return text if text.isascii() else _SURROGATE.sub(_UNREADABLE, text)


class ProcessError(Exception):
    """Report what went wrong in a process, where, and under which stable code."""

    code: str = "process_error"
    #: The code that the class declares: names the class in JSON, whatever code an instance bears.
    kind: ClassVar[str] = "process_error"
    #: A permanent error isn't tried again, whatever a retry policy says.
    permanent: ClassVar[bool] = False

    _by_kind: ClassVar[dict[str, type["ProcessError"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            cls.kind = cls.code
            ProcessError._by_kind[cls.code] = cls

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        action: str | None = None,
        process: str | None = None,
        path: str | None = None,
        fields: Mapping[str, object] | None = None,
        cause: "ProcessError | None" = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.action = action
        self.process = process
        self.path = path
        self.fields: dict[str, Any] = dict(fields or {})
        self.cause: ProcessError | None = None
        if cause is not None:
            self.chain(cause)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments and the chain would be lost by the pickling that exceptions come with.
        return (_restore, (type(self), self.to_json()))

    def chain(self, first: "ProcessError") -> None:
        """Remember, behind this error and what caused it, the error that came before; a chain never loops."""
        known: list[ProcessError] = [self]
        while (cause := known[-1].cause) is not None:
            known.append(cause)
        link: ProcessError | None = first
        while link is not None:
            if link in known:
                return
            link = link.cause
        known[-1].cause = first
        if self.__cause__ is None:
            self.__cause__ = first

    def located(self, *, action: str | None, process: str | None) -> Self:
        """Fill in where the error happened, unless an inner place is already known."""
        if self.action is None and self.process is None:
            self.action, self.process = action, process
        return self

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form; absent values are left out."""
        return self._to_json(_MAX_CAUSES)

    def _to_json(self, causes_left: int) -> dict[str, Any]:
        result: dict[str, Any] = {"code": _storable_text(str(self.code)), "message": _storable_text(str(self.message))}
        if self.kind != ProcessError.kind:
            result["kind"] = self.kind
        for name in ("action", "process", "path"):
            if (value := getattr(self, name)) is not None:
                result[name] = _storable_text(str(value))
        if self.fields:
            result["fields"] = _json_safe(self.fields)
        if self.cause is not None and causes_left:
            result["cause"] = self.cause._to_json(causes_left - 1)
        return result

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "ProcessError":
        """Rebuild an error from its JSON form; an unknown kind gives the root class with the same code."""
        return _restore(ProcessError._by_kind.get(str(value.get("kind")), ProcessError), value)

    @staticmethod
    def wrap(exception: BaseException) -> "ProcessError":
        """Give a process error as it is, and any other exception as a ScriptError that keeps type and message."""
        return exception if isinstance(exception, ProcessError) else ScriptError.of(exception)


def _restore(kind: type[ProcessError], value: Mapping[str, Any]) -> ProcessError:
    # Subclasses may ask for other arguments in __init__, so the instance is filled without it.
    error = kind.__new__(kind)
    cause = value.get("cause")
    ProcessError.__init__(
        error,
        str(value.get("message", "")),
        code=str(value.get("code", kind.code)),
        action=value.get("action"),
        process=value.get("process"),
        path=value.get("path"),
        fields=value.get("fields"),
        cause=ProcessError.from_json(cause) if isinstance(cause, Mapping) else None,
    )
    return error


class PermanentError(ProcessError):
    """Fail for good: no retry can help."""

    code = "permanent"
    permanent = True


class ActionTimeoutError(ProcessError):
    """Report an action that took longer than its `timeout_seconds`."""

    code = "timeout"


class CallbackConflictError(PermanentError):
    """Refuse a report that comes too late; `fields` hold the callback's `status` and the reported `action`."""

    code = "callback_conflict"


class FailedError(PermanentError):
    """Report what a process says by the script `fail`: for the people who use it, under a code of its own."""

    code = "failed"


class NotFoundError(PermanentError):
    """Report that the thing named doesn't exist, or isn't there for this caller."""

    code = "not_found"


class UnknownScriptError(NotFoundError):
    """Report a task script that isn't registered here."""

    code = "unknown_script"


class RegistrationError(PermanentError):
    """Report a task script that can't be registered as asked."""

    code = "registration"


class ActionLimitError(PermanentError):
    """Stop a foreground run that has carried out too many actions."""

    code = "action_limit"


class DurableInCallError(PermanentError):
    """Refuse a durable script below a Python-level call: a Python stack can't be stored."""

    code = "durable_in_call"


class ConfigError(PermanentError):
    """Report a config that the script's model refuses once its placeholders are filled."""

    code = "config"


class ConditionError(PermanentError, ValueError):
    """Report a condition that can't be read, or that came to no answer; a ValueError, for config models.

    `fields` hold the `condition` and, where they are known, `line`, `column` and `suggestion`.
    """

    code = "condition"


class TopicError(PermanentError, ValueError):
    """Report what can't be a topic, or a pattern of topics; a ValueError, for config models.

    `fields` hold the `topic`.
    """

    code = "topic"


class ContentError(PermanentError, ValueError):
    """Report content of a page that can't be read, or can't be shown; a ValueError, for config models.

    `fields` hold `line` and `tag` where they are known, and `suggestion`.
    """

    code = "content"

    @property
    def suggestion(self) -> str | None:
        """Give the cure, where there is one to offer."""
        suggestion: str | None = self.fields.get("suggestion")
        return suggestion


class PlaceholderError(PermanentError):
    """Report a placeholder that can't be filled."""

    code = "placeholder"


class NotJsonError(PermanentError):
    """Report a value in a durable context that isn't JSON, naming its key."""

    code = "not_json"


class OutcomeUnknownError(PermanentError):
    """Report a `once` action that was interrupted: nobody knows whether it was done, and it mustn't run twice."""

    code = "outcome_unknown"


class CursorError(PermanentError):
    """Report a stored cursor or plan that this release can't read."""

    code = "bad_cursor"


class ScriptError(ProcessError):
    """Report an exception that escaped from a script; `fields` hold its type and message."""

    code = "script_error"

    @classmethod
    def of(cls, exception: BaseException) -> Self:
        """Wrap an exception, chained as `__cause__`."""
        name = type(exception).__name__
        text = text_of(exception)[:_MAX_MESSAGE]
        error = cls(f"{name}: {text}" if text else name, fields={"type": name, "message": text})
        error.__cause__ = exception
        return error


@dataclass(frozen=True, slots=True)
class Problem:
    """Describe one thing that is wrong in a document: where, what, the offending value and a cure.

    `path` is a JSON Pointer into the document; `source` names the template it belongs to, where that isn't the one
    at hand.
    """

    path: str
    message: str
    value: Any = None
    suggestion: str | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form; `suggestion` is null where there is none, `source` is left out."""
        result = {
            "path": self.path,
            "message": self.message,
            "value": _shortened(self.value),
            "suggestion": self.suggestion,
        }
        if self.source is not None:
            result["source"] = self.source
        return result

    def under(self, prefix: str) -> "Problem":
        """Move the problem into a larger document, below the JSON Pointer `prefix`."""
        return replace(self, path=prefix + self.path)

    def of(self, source: str) -> "Problem":
        """Say which template the path belongs to."""
        return replace(self, source=source)

    def __str__(self) -> str:
        place = self.path or "/"
        if self.source:
            place = f"{self.source} {place}"
        return f"{place}: {self.message}" + (f" ({self.suggestion})" if self.suggestion else "")


def _shortened(value: object) -> Any:
    """Keep what an editor needs to recognise the value, not a megabyte of it."""
    safe = _json_safe(value)
    if isinstance(safe, str):
        return safe if len(safe) <= 200 else safe[:199] + "…"
    if isinstance(safe, dict | list):
        text = repr(safe)
        return safe if len(text) <= 400 else text[:399] + "…"
    return safe


class DefinitionError(PermanentError):
    """Refuse a definition, with every problem that was found in it."""

    code = "definition"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0] if problems else Problem(path="", message="The definition is invalid")
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"{first}{more}", path=first.path, fields={"problems": [problem.to_json() for problem in problems]}
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Give the problems in document order."""
        return tuple(Problem(**fields) for fields in self.fields["problems"])

    def under(self, prefix: str) -> "DefinitionError":
        """Move every problem below the JSON Pointer `prefix`."""
        return DefinitionError([problem.under(prefix) for problem in self.problems])


class RunInterrupted(Exception):
    """Leave a run at once, past its `@error` rules: the run itself is being stopped, no script has failed."""


class RunCancelled(RunInterrupted, TaskCancelled):
    """Stop because somebody cancelled the run; a tracker of the work sees that too, and not a failure."""
