"""Answer a run's requests as a test says, and keep what it sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from processes.domain.json_values import JSON, canonical, copy_json
from processes.domain.outside import Answer, Mail, OutboundRequest
from processes.errors import PermanentError, ProcessError
from processes.services.errors import MailRefusedError

__all__ = ["Answers", "UnexpectedRequestError"]

#: Works an answer out from the request.
Reply: TypeAlias = Callable[[OutboundRequest], Answer]


class UnexpectedRequestError(PermanentError):
    """Refuse a request that nobody told the test's answers about."""

    code = "unexpected_request"


@dataclass(slots=True)
class _Told:
    method: str
    url: str
    replies: list[Answer | ProcessError | Reply]
    asked: int = 0

    def fits(self, request: OutboundRequest) -> bool:
        if self.method not in ("*", request.method.upper()):
            return False
        if self.url.endswith("*"):
            return request.url.startswith(self.url[:-1])
        return request.url == self.url

    def next(self) -> Answer | ProcessError | Reply:
        self.asked += 1
        return self.replies[min(self.asked, len(self.replies)) - 1]


class Answers:
    """Stand in for the outside world of a run.

    `requests` and `mails` hold what was sent, in order. A request that no answer was told for fails its action, and
    then the test.
    """

    def __init__(self) -> None:
        self.requests: list[OutboundRequest] = []
        self.mails: list[Mail] = []
        #: What was asked for without being told.
        self.unexpected: list[OutboundRequest] = []
        self._told: list[_Told] = []
        self._mail_error: ProcessError | None = None

    def __repr__(self) -> str:
        return f"Answers({len(self.requests)} requests, {len(self.mails)} mails)"

    def on(
        self,
        method: str,
        url: str,
        *,
        status: int = 200,
        json: JSON = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        error: ProcessError | None = None,
        reply: Reply | None = None,
    ) -> "Answers":
        """Tell what comes back from a URL; one that ends with `*` stands for all that begin like it.

        `url` is what the script asks for, without `query`. Told more than once, the answers come in that order, and the
        last one again and again. Instead of an answer there is an `error`, as where nobody answers, or a `reply` that
        works it out from the request.
        """
        answer = Answer(
            status=status,
            headers=dict(headers or ({"content-type": "application/json"} if text is None else {})),
            text=canonical(json) if text is None and json is not None else text or "",
            json=copy_json(json),
        )
        method = method.upper()
        told = next((known for known in self._told if (known.method, known.url) == (method, url)), None)
        if told is None:
            told = _Told(method, url, [])
            self._told.append(told)
        told.replies.append(error or reply or answer)
        return self

    def refuse_mail(self, error: ProcessError | None = None) -> "Answers":
        """Let mail be refused from now on; without an error of your own it is `mail_refused`."""
        self._mail_error = error or MailRefusedError("The mail was refused.")
        return self

    @property
    def unused(self) -> list[str]:
        """Give the answers that nobody has asked for, as `METHOD URL`."""
        return [f"{told.method} {told.url}" for told in self._told if not told.asked]

    # -- the outside world of a run ----------------------------------------------------------------------------------

    def request(self, request: OutboundRequest) -> Answer:
        """Answer as told; raises UnexpectedRequestError."""
        self.requests.append(request)
        told = next((known for known in self._told if known.fits(request)), None)
        if told is None:
            self.unexpected.append(request)
            raise UnexpectedRequestError(self._complaint(request))
        reply = told.next()
        if isinstance(reply, ProcessError):
            # An error of its own each time: errors remember where they happened.
            raise ProcessError.from_json(reply.to_json())
        return reply if isinstance(reply, Answer) else reply(request)

    def send(self, mail: Mail) -> None:
        """Keep a mail; raises the error that mail is refused with."""
        if self._mail_error is not None:
            raise ProcessError.from_json(self._mail_error.to_json())
        self.mails.append(mail)

    def check(self) -> None:
        """Raise AssertionError if something was asked for that nobody told about."""
        if self.unexpected:
            raise AssertionError(self._complaint(self.unexpected[0]))

    def _complaint(self, request: OutboundRequest) -> str:
        method, url = request.method.upper(), request.url
        told = ", ".join(f"{known.method} {known.url}" for known in self._told) or "nothing"
        return (
            f"{method} {url} was asked for, and the test's answers know {told}. "
            f'Tell them: answers.on("{method}", "{url}", json=…)'
        )
