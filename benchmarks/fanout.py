"""What one delivery costs when many clients follow one task that reports as fast as it can.

The other side of `push`: there an update has the server to itself, here the server has all it can do. Each way in turn,
200 clients get 100 updates each, and the time from the first report to the last arrival is shared by the deliveries.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from benchmarks.fanout_writer import COMMITTED, TITLE, USUAL, last_text
from benchmarks.figures import Figure, beside_peer
from benchmarks.programs import Programs
from benchmarks.push_clients import open_sockets
from benchmarks.stack import HOST
from benchmarks.stamps import read_stamps
from tasks.services.roots import Owner, create_root

GOAL = 1 / 3
CLIENTS, QUICK_CLIENTS = 200, 50
UPDATES, QUICK_UPDATES = 100, 30
#: Ours for clients that take several updates in one message, and for those that don't.
BATCHED, SINGLE = "batched", "single"
_RUN_SECONDS = 60.0
_WAYS = {BATCHED: COMMITTED, SINGLE: COMMITTED, USUAL: USUAL}
_PEER = "async_to_sync(group_send) to AsyncWebsocketConsumer, same server and layer"


def measure(programs: Programs, *, port: int, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure against the running server."""
    clients, updates = (QUICK_CLIENTS, QUICK_UPDATES) if quick else (CLIENTS, UPDATES)
    # Shared, since the clients are nobody.
    root_id: uuid.UUID = create_root(title=TITLE, owner=Owner(session_key="bench"), shared=True).pk
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="stepline-fanout-") as folder:
        server = Server(programs, port, Path(folder), root_id)
        seconds = asyncio.run(_measure(server, clients=clients, updates=updates, runs=runs))
    deliveries = clients * updates
    for way, values in seconds.items():
        rates = sorted(deliveries / value for value in values)
        print(f"  {clients} clients, {way}: {rates[len(rates) // 2]:,.0f} deliveries a second", file=sys.stderr)
    for way, what in ((BATCHED, "several updates in a message"), (SINGLE, "an update in a message")):
        pairs = [
            (ours / deliveries * 1e6, theirs / deliveries * 1e6)
            for ours, theirs in zip(seconds[way], seconds[USUAL], strict=True)
        ]
        yield beside_peer(
            f"push: a delivery to {clients} clients at full speed, {what}",
            pairs,
            unit="µs",
            peer=_PEER,
            goal=GOAL if way == BATCHED else None,
        )


@dataclass(frozen=True, slots=True)
class Server:
    """The running server, and where its writer is told what to do."""

    programs: Programs
    port: int
    folder: Path
    root_id: uuid.UUID


async def _measure(server: Server, *, clients: int, updates: int, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run, by way; what is sent before it counts is left out."""
    command = [sys.executable, "-m", "benchmarks.child", "benchmarks.fanout_writer", str(server.folder), str(updates)]
    writer = server.programs.start("fanout-writer", [*command, str(server.root_id)])
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    number = 0
    for run in range(runs + 1):
        # Each goes first every other time; only one side's clients are there at a time.
        for way in list(_WAYS)[:: -1 if run % 2 else 1]:
            number += 1
            async with _readers(way, server, clients=clients) as readers:
                (server.folder / f"go-{_WAYS[way]}-{number}").touch()
                async with asyncio.timeout(_RUN_SECONDS):
                    ended = await asyncio.gather(*(reader.read(number, updates) for reader in readers))
            sent = read_stamps(server.folder / "sent")[f"{_WAYS[way]}-{number}"]
            if run:
                seconds[way].append(max(ended) - sent)
    (server.folder / "stop").touch()
    await asyncio.to_thread(writer.wait_for_end, timeout_seconds=_RUN_SECONDS)
    return seconds


class _Reader:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def read(self, run: int, updates: int) -> float:
        """Read until the last update of a run, and return when that came. Raises ValueError where one is missing."""
        texts: list[str] = []
        last = last_text(run)
        while not texts or last not in texts[-1]:
            texts.append(str(await self._socket.recv()))
        moment = time.monotonic()
        messages = [message for text in texts for message in _several(json.loads(text))]
        count = sum(message["type"] == "nodeProgress" for message in messages)
        if count != updates:
            raise ValueError(f"{count} of {updates} updates have arrived")
        return moment


@asynccontextmanager
async def _readers(way: str, server: Server, *, clients: int) -> AsyncIterator[list[_Reader]]:
    path, first = "usual/", None
    if way != USUAL:
        path = "ws/"
        # Past the log, so that a snapshot comes and then nothing but the updates of this run.
        subscription = {"type": "subscribe", "taskId": str(server.root_id), "snapshot": True, "batch": way == BATCHED}
        first = json.dumps(subscription)
    async with AsyncExitStack() as stack:
        url, origin = f"ws://{HOST}:{server.port}/{path}", f"http://{HOST}:{server.port}"
        sockets = await open_sockets(stack, url, origin=origin, first=first, count=clients)
        if way != USUAL:
            # What is reported before would be in it.
            for socket in sockets:
                assert json.loads(await socket.recv())["type"] == "snapshot"
        yield [_Reader(socket) for socket in sockets]


def _several(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]
