"""Probes: is a service ready to serve?"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_TRY_SECONDS = 0.5


class Probe(Protocol):
    """Something to ask again and again until it says yes."""

    async def is_ready(self) -> bool:
        """Tell whether the service serves now."""


@dataclass(frozen=True)
class SocketAnswers:
    """Ready when a Valkey or Redis answers PING on a unix socket; while it loads its data, it doesn't."""

    path: Path

    async def is_ready(self) -> bool:
        """Ask once."""
        return await _within(self._ask)

    async def _ask(self) -> bool:
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        finally:
            writer.close()


@dataclass(frozen=True)
class PortAccepts:
    """Ready when a TCP port accepts connections."""

    host: str
    port: int

    async def is_ready(self) -> bool:
        """Connect once."""
        return await _within(self._connect)

    async def _connect(self) -> bool:
        # Who listens on all addresses is reached on the local one.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        _, writer = await asyncio.open_connection(host, self.port)
        writer.close()
        return True


async def _within(ask: Callable[[], Coroutine[object, object, bool]]) -> bool:
    try:
        async with asyncio.timeout(_TRY_SECONDS):
            return await ask()
    except (OSError, TimeoutError):
        return False
