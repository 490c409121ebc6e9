"""Real servers for tests of the feed, which are coroutines themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.child import database_url
from tests.live_servers import LiveServer, live_servers

__all__ = ["SETTINGS", "Ports", "server_of", "serving"]

SETTINGS = "tests.tasks.live.called.settings"

Ports = dict[str, int]


@asynccontextmanager
async def serving(log: Any, *names: str) -> AsyncIterator[Ports]:
    """Have these servers up for the block, and give their ports."""
    up = live_servers(names, database_url=await log.run(database_url), settings=SETTINGS)
    servers = await asyncio.to_thread(up.__enter__)
    try:
        yield {name: server.port for name, server in servers.items()}
    finally:
        await asyncio.to_thread(up.__exit__, None, None, None)


async def server_of(log: Any, name: str) -> LiveServer:
    """Return a server on what the test uses, which is yet to begin."""
    return LiveServer(name, database_url=await log.run(database_url), settings=SETTINGS)
