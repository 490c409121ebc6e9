"""Say what a run asks of other systems, and what they answer; how it is carried is the host's matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from processes.domain.json_values import JSON

__all__ = ["Answer", "Attachment", "Mail", "OutboundRequest", "Outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """Hold an HTTP request. `connection` names the stored connection that completes it (address, secret)."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, JSON] = field(default_factory=dict)
    #: The body: at most one of these.
    json: JSON = None
    form: Mapping[str, JSON] | None = None
    body: str | None = None
    connection: str | None = None
    timeout_seconds: float = 30.0
    max_bytes: int = 5_000_000
    #: How many redirects are followed; each is checked like a request of its own.
    redirects: int = 0
    #: Lends the caller's own credentials: the reference of a grant (`store_credentials`).
    grant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold an HTTP answer; `text` is the decoded body, `json` its value where it is JSON."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    json: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Hold one attached file: a stored file's info."""

    file: Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Hold a mail. `connection` names the stored connection that sends it; without one the site's own does."""

    to: Sequence[str]
    subject: str
    text: str
    html: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    sender: str | None = None
    attachments: Sequence[Attachment] = ()
    connection: str | None = None
    #: The same in every attempt at the same step, so that receivers can drop a repetition.
    message_id: str | None = None


class Outside(Protocol):
    """Reach other systems."""

    def request(self, request: OutboundRequest) -> Answer:
        """Send an HTTP request; raises ProcessError where no answer came."""
        ...

    def send(self, mail: Mail) -> None:
        """Hand a mail over for delivery; raises ProcessError where it was refused."""
        ...
