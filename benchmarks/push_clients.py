"""WebSocket clients that note when each update reaches them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

_OPEN_SECONDS = 30.0


class Clients:
    """Any number of connections that follow the same thing."""

    def __init__(self, *, count: int) -> None:
        self.count = count
        self._messages: list[tuple[float, str]] = []

    @asynccontextmanager
    async def following(self, url: str, *, origin: str, first: str | None) -> AsyncIterator[None]:
        """Keep the connections to `url` open; each has sent `first` and has been told that it follows."""
        async with AsyncExitStack() as stack:
            sockets = await open_sockets(stack, url, origin=origin, first=first, count=self.count)
            readers = [asyncio.create_task(self._read(socket)) for socket in sockets]
            try:
                yield
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)

    def arrivals(self) -> dict[int, list[float]]:
        """Return the moments at which progress update n arrived, once for each client, by n."""
        moments: dict[int, list[float]] = {}
        for moment, text in self._messages:
            message = json.loads(text)
            if message["type"] == "nodeProgress":
                moments.setdefault(message["current"], []).append(moment)
        return moments

    def have_all(self, number: int) -> bool:
        """Tell whether the progress update `number` has reached every client."""
        return len(self.arrivals().get(number, ())) == self.count

    async def _read(self, socket: ClientConnection) -> None:
        async for message in socket:
            self._messages.append((time.monotonic(), str(message)))


async def open_sockets(
    stack: AsyncExitStack, url: str, *, origin: str, first: str | None, count: int
) -> list[ClientConnection]:
    """Open `count` connections that `stack` closes; each has sent `first` and has been told that it follows."""
    sockets: list[ClientConnection] = []
    for _ in range(count):
        # Straight to the server: a proxy that the shell names has no business here.
        connection = connect(url, origin=Origin(origin), compression=None, proxy=None, open_timeout=_OPEN_SECONDS)
        sockets.append(await stack.enter_async_context(connection))
    for socket in sockets:
        if first is not None:
            await socket.send(first)
        await asyncio.wait_for(_told(socket), _OPEN_SECONDS)
    return sockets


async def _told(socket: ClientConnection) -> None:
    while json.loads(await socket.recv())["type"] != "subscribed":
        pass


def latencies_ms(sent: dict[int, float], arrived: dict[int, list[float]], *, clients: int) -> list[list[float]]:
    """Return, for each update in order, how long it took to each client.

    Reports that come in quick succession become one update: a client knows number 7 when it gets 7 or what follows it.
    Raises ValueError where an update has reached some clients only, or the last one none.
    """
    result: list[list[float]] = []
    moments: list[float] = []
    for number, moment in sorted(sent.items(), reverse=True):
        moments = arrived.get(number, moments)
        if len(moments) != clients:
            raise ValueError(f"update {number} reached {len(moments)} of {clients} clients")
        result.append([(arrival - moment) * 1e3 for arrival in moments])
    return result[::-1]
