"""What is asked of a site, and what an answer means; without a word to the network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from tasks.client.errors import (
    BadAnswer,
    ClientError,
    Conflict,
    Forbidden,
    InvalidArguments,
    InvalidToken,
    NotFound,
    Refused,
    ServerFault,
    SignInRequired,
    TooBusy,
)

__all__ = ["Answer", "Request", "error_of", "error_told", "retry_after_seconds"]

EVENTS_TYPE = "text/event-stream"
_BY_STATUS: Mapping[int, type[ClientError]] = {
    400: InvalidArguments,
    401: SignInRequired,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: InvalidArguments,
    429: TooBusy,
}
#: What a stream or a batch tells has no status of its own.
_BY_CODE: Mapping[str, type[ClientError]] = {
    "bad_request": InvalidArguments,
    "forbidden": Forbidden,
    "insufficient_scope": Forbidden,
    "internal": ServerFault,
    "invalid": InvalidArguments,
    "invalid_arguments": InvalidArguments,
    "invalid_token": InvalidToken,
    "key_reused": Conflict,
    "not_found": NotFound,
    "sign_in_required": SignInRequired,
    "too_many": TooBusy,
    "unavailable": TooBusy,
    "unknown_function": NotFound,
}
_SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Say what is asked: a path below the site's address."""

    method: str
    path: str
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: object = None
    #: Under its key, what is sent twice is done once.
    key: str = ""
    #: Asking twice is asking once, without a key too.
    asks_once: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it again does no harm where the answer was lost."""
        return self.method == "GET" or self.asks_once or bool(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a site has answered; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_events(self) -> bool:
        """Whether a stream of events follows."""
        return self.status == 200 and self.content_type == EVENTS_TYPE

    @property
    def content_type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the JSON that it bears; raises BadAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadAnswer(
                f"The answer is {self.content_type or 'something'} and no JSON: is this a Stepline site?",
                status=self.status,
            ) from None


def error_of(answer: Answer) -> ClientError:
    """Return the error that an answer tells."""
    if 300 <= answer.status < 400:
        return BadAnswer(
            f"The site is elsewhere: use {_bare(answer.headers.get('location', ''))}", status=answer.status
        )
    told = _problem(answer)
    code = told.get("code")
    kind = ServerFault if answer.status >= 500 else _BY_STATUS.get(answer.status, Refused)
    if answer.status == 401 and code == InvalidToken.code:
        kind = InvalidToken
    if code == "csrf_failed":
        # Said to browsers: a program that bears no token is one.
        return SignInRequired(status=answer.status, problem=code)
    if answer.status < 400 or not told:
        return (BadAnswer if answer.status < 400 else kind)(
            f"The site answered {answer.status} ({answer.content_type or 'nothing'}).", status=answer.status
        )
    return _told(kind, told, status=answer.status)


def error_told(told: object) -> ClientError:
    """Return the error that a message bears: of one call of a batch, or of a stream."""
    if not isinstance(told, Mapping):
        return BadAnswer(f"This is no error as the site tells one: {str(told)[:_SHOWN_CHARS]}")
    return _told(_BY_CODE.get(str(told.get("code")), Refused), told)


def retry_after_seconds(answer: Answer, *, now: datetime) -> float:
    """Return how long a site wants to be left alone, 0 where it says nothing that can be understood."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _told(kind: type[ClientError], told: Mapping[str, Any], *, status: int | None = None) -> ClientError:
    fields = told.get("fields")
    named = {str(name): value for name, value in fields.items()} if isinstance(fields, Mapping) else {}
    message = str(told.get("message") or told.get("detail") or "")
    # What an app tells may be named as our own parameters are.
    given = {name: value for name, value in named.items() if name not in ("message", "status", "problem", "self")}
    return kind(message, status=status, problem=str(told.get("code") or ""), **given)


def _problem(answer: Answer) -> Mapping[str, Any]:
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and "code" in told else {}


def _bare(location: str) -> str:
    """Return an address without what may be secret in it."""
    parts = urlsplit(location)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()[:_SHOWN_CHARS]
