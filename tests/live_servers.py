"""Daphne and uvicorn as processes of their own, on this test's database and broker, to be killed and begun again."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.supervisor.ports import claim_port
from tests.environment import surroundings

__all__ = ["HOST", "SERVERS", "LiveServer", "live_servers"]

HOST = "127.0.0.1"
SERVERS = ("daphne", "uvicorn")
#: Longer than a server may take to start on a machine that is busy with other tests.
PATIENCE_SECONDS = 60


class LiveServer:
    """One server, which keeps its port when it begins again."""

    def __init__(self, name: str, *, database_url: str, settings: str) -> None:
        self.name = name
        self.port = claim_port(HOST, 0)
        self._environment = {
            **surroundings(),
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": settings,
            "LOG_LEVEL": "CRITICAL",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id; raises AssertionError where there is none."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def begin(self) -> None:
        """Start the process; see `wait`."""
        self._process = subprocess.Popen(
            [sys.executable, *_command(self.name, str(self.port))],
            cwd=Path(__file__).parents[1],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Return once it takes connections."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} has ended by itself"
            assert time.monotonic() < until, f"{self.name} takes no connections"
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it as a power failure does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def live_servers(
    names: Sequence[str], *, database_url: str, settings: str = "config.settings"
) -> Iterator[dict[str, LiveServer]]:
    """Have these servers up for the block."""
    servers = {name: LiveServer(name, database_url=database_url, settings=settings) for name in names}
    try:
        for server in servers.values():
            server.begin()
        for server in servers.values():
            server.wait()
        yield servers
    finally:
        for server in servers.values():
            server.kill()


def _command(name: str, port: str) -> list[str]:
    if name == "daphne":
        return ["-m", "daphne", "-b", HOST, "-p", port, "-v", "0", "config.asgi:application"]
    quiet = ("--lifespan", "off", "--log-level", "warning")
    # As the supervisor has them.
    sockets = ("--ws", "websockets-sansio", "--ws-per-message-deflate", "false")
    return ["-m", "uvicorn", "--host", HOST, "--port", port, *quiet, *sockets, "config.asgi:application"]
