"""Real servers for tests of the feed: processes of their own over the test's database and channel layer."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from config.supervisor.ports import claim_port
from tests.child import database_url

HOST = "127.0.0.1"
#: Longer than a server may take to start on a machine that is busy with other tests.
PATIENCE_SECONDS = 60

Ports = dict[str, int]


@asynccontextmanager
async def serving(log: Any, *names: str) -> AsyncIterator[Ports]:
    """Have these servers up for the block, and give their ports."""
    found = {name: claim_port(HOST, 0) for name in names}
    environment = await server_environment(log)
    processes = [start_server(name, port, environment) for name, port in found.items()]
    try:
        for port in found.values():
            await accepts(port)
        yield found
    finally:
        for process in processes:
            kill(process)


async def server_environment(log: Any) -> dict[str, str]:
    """Return the variables with which a server uses what the test uses."""
    return {
        **os.environ,
        "DATABASE_URL": await log.run(database_url),
        "DJANGO_SETTINGS_MODULE": "tests.tasks.live.called.settings",
        "LOG_LEVEL": "CRITICAL",
    }


def start_server(name: str, port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start Daphne or uvicorn."""
    return subprocess.Popen(
        [sys.executable, *_command(name, str(port))],
        cwd=Path(__file__).parents[3],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a server without a word."""
    process.kill()
    process.wait()


def _command(name: str, port: str) -> list[str]:
    if name == "daphne":
        return ["-m", "daphne", "-b", HOST, "-p", port, "-v", "0", "config.asgi:application"]
    quiet = ("--lifespan", "off", "--log-level", "warning")
    # As the supervisor has them.
    sockets = ("--ws", "websockets-sansio", "--ws-per-message-deflate", "false")
    return ["-m", "uvicorn", "--host", HOST, "--port", port, *quiet, *sockets, "config.asgi:application"]


async def accepts(port: int) -> None:
    """Wait until a server takes connections."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
