"""Many followers of one task on one server: whatever becomes of connections, each gets every update once, in order."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any

import pytest
from django.test import Client

from benchmarks.follower_wire import EVENTS, SOCKET, ConnectionEnd, EventsWire, SocketWire
from tests.live_servers import HOST
from tests.tasks.live.serving import server_of

FOLLOWERS = 100
ROUNDS, CUT_EACH_ROUND, UPDATES_EACH_ROUND = 10, 40, 3
#: Those of the server's own, and a few that end: what followers hold is none of them.
MOST_THREADS = 30
#: More than anybody is cut.
MOST_ENDS = 2 * ROUNDS + 1
#: Some fifteen on a machine that does nothing else.
LIMIT_SECONDS = 120

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="threads are counted in /proc")


class Follower:
    """Come back whenever the connection ends, and go on behind the last update."""

    def __init__(self, way: str, *, port: int, task_id: str, cookie: str, is_up: asyncio.Event) -> None:
        self._wire = EventsWire if way == EVENTS else SocketWire
        self._is_up = is_up
        self._port, self._task_id, self._cookie = port, task_id, cookie
        self._writer: asyncio.StreamWriter | None = None
        self.seqs: list[int] = []
        self.ends = 0

    async def follow(self, last: int) -> None:
        """Return once update `last` has come."""
        while not self.seqs or self.seqs[-1] != last:
            await self._is_up.wait()
            try:
                await self._follow(last)
            except (OSError, ConnectionEnd):
                self.ends += 1
                # Who is cut now and then gets in again; who never gets in is told why.
                if self.ends > MOST_ENDS:
                    raise

    def cut(self) -> None:
        """End the connection as a broken network does; what is under way is lost."""
        if self._writer is not None:
            self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            self._writer.transport.abort()

    async def _follow(self, last: int) -> None:
        wire = self._wire(place=f"{HOST}:{self._port}", task_id=self._task_id, cookie=self._cookie)
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            writer.write(wire.hello(since=self.seqs[-1] if self.seqs else 0))
            self._writer = writer
            while not self.seqs or self.seqs[-1] != last:
                data = await reader.read(65_536)
                if not data:
                    raise ConnectionEnd("the connection was cut")
                # One by one: what came before the end of a stream counts.
                for seq in wire.take(data):
                    self.seqs.append(seq)
                writer.write(wire.answers())
        finally:
            self._writer = None
            writer.close()


def threads_of(pid: int) -> int:
    """Return how many threads a process has."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("Threads:")[2].split()[0])


async def test_each_gets_every_update_once_though_connections_are_cut_and_the_server_dies(log: Any, owner: Any) -> None:
    def sign_in() -> str:
        client = Client()
        client.force_login(owner)
        return f"sessionid={client.cookies['sessionid'].value}"

    cookie = await log.run(sign_in)
    server = await server_of(log, "uvicorn")
    choice = random.Random(7)
    last = 1 + ROUNDS * UPDATES_EACH_ROUND
    is_up = asyncio.Event()
    followers = [
        Follower(way, port=server.port, task_id=str(log.root_id), cookie=cookie, is_up=is_up)
        for way in (EVENTS, SOCKET)
        for _ in range(FOLLOWERS)
    ]
    await log.write(1)
    server.begin()
    following: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(server.wait)
        is_up.set()
        following = [asyncio.create_task(follower.follow(last)) for follower in followers]
        async with asyncio.timeout(LIMIT_SECONDS):
            for number in range(1, ROUNDS + 1):
                seq = 1 + (number - 1) * UPDATES_EACH_ROUND
                await _when(lambda seq=seq: _have(followers, following, seq))
                # What requests had while they began ends a moment later.
                await _when(lambda pid=server.pid: threads_of(pid) < MOST_THREADS)
                if number == ROUNDS // 2:
                    is_up.clear()
                    server.kill()
                    server.begin()
                    await asyncio.to_thread(server.wait)
                    is_up.set()
                # Some before the updates are there, some while they are on their way.
                for follower in choice.sample(followers, CUT_EACH_ROUND // 2):
                    follower.cut()
                await log.write_and_tell(UPDATES_EACH_ROUND, ends=number == ROUNDS)
                for follower in choice.sample(followers, CUT_EACH_ROUND // 2):
                    follower.cut()
            await asyncio.gather(*following)
    finally:
        for task in following:
            task.cancel()
        server.kill()

    assert [follower.seqs for follower in followers] == [list(range(1, last + 1))] * len(followers)
    # All by the server's death, and those that were cut.
    assert min(follower.ends for follower in followers) >= 1
    assert sum(follower.ends for follower in followers) >= len(followers) + (ROUNDS - 2) * CUT_EACH_ROUND // 2


async def _when(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def _have(followers: list[Follower], following: "list[asyncio.Task[None]]", seq: int) -> bool:
    for task in following:
        if task.done():
            task.result()
    return all(follower.seqs[-1:] >= [seq] for follower in followers)
