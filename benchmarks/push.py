"""How long an update takes from its commit to WebSocket clients, beside `async_to_sync(group_send)` to a consumer each.

Both ways go through one server (ours, with the peer's consumer beside our own) and one channel layer; one writer sends
on each in turn. A client notes the time when its library hands it the text.
"""

import asyncio
import gc
import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from django.conf import settings

from benchmarks import fanout
from benchmarks.figures import Figure, beside_peer
from benchmarks.programs import Programs
from benchmarks.push_clients import Clients, latencies_ms
from benchmarks.push_writer import COMMITTED, REPORTED, TITLE, USUAL
from benchmarks.stack import HOST, running_base, start_web
from benchmarks.stamps import read_stamps
from config.supervisor.ports import claim_port
from tasks.services.roots import Owner, create_root

GOAL_ONE_CLIENT = 0.4
GOAL_MANY_CLIENTS = 0.5
MANY_CLIENTS, QUICK_MANY_CLIENTS = 100, 25
_PEER = "async_to_sync(group_send) to AsyncWebsocketConsumer, same server and layer"
_UPDATES, _QUICK_UPDATES = 30, 12
#: Sent before it counts: connections are made, code is loaded.
_WARM_UP = 5
_WRITER_SECONDS = 60.0
_ARRIVAL_SECONDS = 5.0

Pair = tuple[float, float]


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure one client, then many, then what a server can do when it has all it can do."""
    updates = _QUICK_UPDATES if quick else _UPDATES
    many = QUICK_MANY_CLIENTS if quick else MANY_CLIENTS
    with running_base() as programs:
        port = claim_port(HOST, 0)
        start_web(programs, port=port, application="benchmarks.asgi:application")
        session = Session(programs, port=port)
        one = session.measure(clients=1, runs=runs, updates=updates)
        yield beside_peer(
            "push: commit to client, p50, 1 client", one[COMMITTED], unit="ms", peer=_PEER, goal=GOAL_ONE_CLIENT
        )
        yield beside_peer("push: progress() to client, p50, 1 client", one[REPORTED], unit="ms", peer=_PEER)
        more = session.measure(clients=many, runs=runs, updates=updates)
        yield beside_peer(
            f"push: commit to client, p50, {many} clients",
            more[COMMITTED],
            unit="ms",
            peer=_PEER,
            goal=GOAL_MANY_CLIENTS,
        )
        yield from fanout.measure(programs, port=port, runs=runs, quick=quick)


class Session:
    """Measure against one running server."""

    def __init__(self, programs: Programs, *, port: int) -> None:
        self._programs = programs
        self._port = port
        self._data_folder = Path(settings.ENVIRONMENT.data_dir)

    def measure(self, *, clients: int, runs: int, updates: int) -> dict[str, list[Pair]]:
        """Return for each of our ways the p50 of each run beside the peer's, in milliseconds."""
        roots = {COMMITTED: _create_root()}
        if clients == 1:
            # `progress()` waits for the flusher first, which costs many clients what it costs one.
            roots[REPORTED] = _create_root()
        gc.collect()
        gc.freeze()
        by_way = asyncio.run(self._measure(roots, clients=clients, count=_WARM_UP + runs * updates))
        p50s: dict[str, list[float]] = {}
        for way, latencies in by_way.items():
            counted = latencies[_WARM_UP:]
            parts = [counted[start : start + updates] for start in range(0, len(counted), updates)]
            p50s[way] = [median(one for update in part for one in update) for part in parts]
            spread = sorted(one for update in counted for one in update)
            p95 = spread[len(spread) * 95 // 100]
            print(f"  {clients} clients, {way}: p50 {median(spread):.2f} ms, p95 {p95:.2f} ms", file=sys.stderr)
        return {way: list(zip(p50s[way], p50s[USUAL], strict=True)) for way in roots}

    async def _measure(self, roots: dict[str, uuid.UUID], *, clients: int, count: int) -> dict[str, list[list[float]]]:
        file = self._data_folder / f"stamps-{clients}"
        groups = {way: Clients(count=clients) for way in (*roots, USUAL)}
        async with AsyncExitStack() as stack:
            for way, group in groups.items():
                root_id = roots.get(way)
                path = "usual/" if root_id is None else "ws/"
                first = None if root_id is None else json.dumps({"type": "subscribe", "taskId": str(root_id)})
                url, origin = f"ws://{HOST}:{self._port}/{path}", f"http://{HOST}:{self._port}"
                await stack.enter_async_context(group.following(url, origin=origin, first=first))
            # In this thread: a program dies with the thread that started it.
            command = [sys.executable, "-m", "benchmarks.child", "benchmarks.push_writer", str(file), str(count)]
            writer = self._programs.start(f"writer-{clients}", [*command, *map(str, roots.values())])
            await asyncio.to_thread(writer.wait_for_end, timeout_seconds=_WRITER_SECONDS)
            async with asyncio.timeout(_ARRIVAL_SECONDS):
                while not all(group.have_all(count) for group in groups.values()):
                    await asyncio.sleep(0.02)
        result: dict[str, list[list[float]]] = {}
        stamps = read_stamps(file)
        for way, group in groups.items():
            sent = {number: stamps[f"{way}-{number}"] for number in range(1, count + 1)}
            result[way] = latencies_ms(sent, group.arrivals(), clients=clients)
        return result


def _create_root() -> uuid.UUID:
    # Shared, since the clients are nobody.
    root: uuid.UUID = create_root(title=TITLE, owner=Owner(session_key="bench"), shared=True).pk
    return root
