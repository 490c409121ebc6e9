"""Stop receiving a request that is larger than this site takes, whichever ASGI server receives it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from processes.pages.uploads import upload_limit

_LENGTH = b"content-length"

Scope = dict[str, Any]
Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class LimitedBodies:
    """Pass requests on to an application; of one whose body is too large, only the headers.

    The application sees an empty body, and in `Content-Length` how large it is at least: its pages say what is wrong.
    Django would otherwise write all that comes to a temporary file before any code of ours can look at it.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = _Body(scope, receive, limit=upload_limit())
        await self._application(body.scope, body.receive, send)


class _Body:
    """The body of one request, as far as it is taken."""

    def __init__(self, scope: Scope, receive: Receive, *, limit: int) -> None:
        # Headers are looked at when the body is complete, so they may still change until then.
        self._headers = list(scope["headers"])
        self.scope: Scope = {**scope, "headers": self._headers}
        self._receive = receive
        self._limit = limit
        self._received = 0
        self._is_cut = _declared(self._headers) > limit
        self._is_told = False

    async def receive(self) -> Event:
        """Return the next part of the body; once it is too large, its end."""
        if self._is_cut and not self._is_told:
            self._is_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        event = await self._receive()
        while event["type"] == "http.request":
            self._received += len(event.get("body", b""))
            if not self._is_cut and self._received > self._limit:
                self._is_cut = self._is_told = True
                self._headers[:] = [header for header in self._headers if header[0].lower() != _LENGTH]
                self._headers.append((_LENGTH, str(self._received).encode()))
                return {"type": "http.request", "body": b"", "more_body": False}
            if not self._is_cut:
                return event
            # Nobody wants the rest. It is taken from the server until the client gives up or has sent it all: most
            # read no answer before they have.
            event = await self._receive()
        return event


def _declared(headers: list[tuple[bytes, bytes]]) -> int:
    values = [value for name, value in headers if name.lower() == _LENGTH and value.isdigit()]
    return max((int(value[:20]) for value in values), default=0)
