"""Read server-sent events as a browser does."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so: what a stream leaves behind is cleared away by the loop, a moment later."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


class EventStream:
    """Hand out the events of a response one by one, and remember the last id."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.last_id = ""
        self._parts = response.__aiter__()  # type: ignore[attr-defined]
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._reading: asyncio.Future[bytes] | None = None

    async def next(self) -> dict[str, Any]:
        """Return the next event; fails where none comes within ten seconds."""
        async with asyncio.timeout(10):
            while not self._events:
                self._take(await anext(self._parts))
        event_id, event = self._events.pop(0)
        self.last_id = event_id
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next event of a type, skipping others."""
        while True:
            event = await self.next()
            if event["type"] == kind:
                return event

    async def rest(self) -> list[dict[str, Any]]:
        """Return all that comes until the stream ends."""
        found = []
        async with asyncio.timeout(10):
            while True:
                try:
                    found.append(await self.next())
                except StopAsyncIteration:
                    return found

    async def close(self) -> None:
        """Go, as a browser does whose page is closed."""
        await self._parts.aclose()

    def _take(self, part: bytes) -> None:
        for block in part.decode().split("\n\n"):
            lines = [line for line in block.splitlines() if line and not line.startswith(":")]
            fields = {name: value.lstrip() for name, _, value in (line.partition(":") for line in lines)}
            if "data" in fields:
                self._events.append((fields.get("id", self.last_id), json.loads(fields["data"])))
