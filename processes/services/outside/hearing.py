"""Hear what other systems answer, without standing in the way."""

from collections.abc import Callable
from typing import Final, TypeAlias

from django.conf import settings

from processes.domain.json_values import JSON
from processes.domain.outside import Answer, Mail, OutboundRequest, Outside
from processes.errors import ProcessError

__all__ = ["ANSWER_CHARS", "Heard", "HeardOutside", "answer_json"]

#: Longer answers aren't kept.
ANSWER_CHARS: Final = 65_536
#: Headers that say what an answer is; others may be anybody's business.
_KEPT_HEADERS: Final = frozenset({"content-type", "location", "retry-after", "etag", "last-modified"})

#: Takes a request, and its answer or why there is none.
Heard: TypeAlias = Callable[[OutboundRequest, Answer | ProcessError], None]


class HeardOutside:
    """Pass everything on, and tell `heard` what came back."""

    def __init__(self, outside: Outside, heard: Heard) -> None:
        self._outside, self._heard = outside, heard

    def request(self, request: OutboundRequest) -> Answer:
        """Send an HTTP request; raises what the way outside raises."""
        try:
            answer = self._outside.request(request)
        except ProcessError as error:
            self._heard(request, error)
            raise
        self._heard(request, answer)
        return answer

    def send(self, mail: Mail) -> None:
        """Hand a mail over; nothing comes back that a run could depend on."""
        self._outside.send(mail)


def answer_json(answer: Answer | ProcessError) -> dict[str, JSON]:
    """Return what is kept of an answer as JSON; with STEPLINE_KEEP_ANSWERS off, only that there was one."""
    if not getattr(settings, "STEPLINE_KEEP_ANSWERS", True):
        return {"not_kept": True}
    if isinstance(answer, ProcessError):
        return {"error": answer.to_json()}
    if len(answer.text) > ANSWER_CHARS:
        return {"too_long": len(answer.text)}
    headers = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT_HEADERS}
    return {"status": answer.status, "headers": headers, "text": answer.text, "json": answer.json}
