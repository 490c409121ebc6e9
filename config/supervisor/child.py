"""One running process of a service: start it, read what it prints, stop it with all its children."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from config.supervisor.die_with_parent import wrap_command
from config.supervisor.output import LineSplitter

_READ_BYTES = 65_536


class Child:
    """A process in a session and process group of its own.

    Create it in the main thread, inside a running event loop, and call `poll` whenever a child process of ours may
    have ended (on SIGCHLD).
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, variables: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._on_line = on_line
        self._splitter = LineSplitter()
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self.started_monotonic_seconds = time.monotonic()
        self._process = subprocess.Popen(
            wrap_command(command),
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._read)

    @property
    def group(self) -> int:
        """The process group; its leader is the process itself."""
        return self._process.pid

    @property
    def uptime_seconds(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self.started_monotonic_seconds

    def poll(self) -> None:
        """Notice the end of the process, end what it left behind, and wake those who wait."""
        if self._ended.done():
            return
        return_code = self._process.poll()
        if return_code is None:
            return
        self._kill_group()
        self._read_rest()
        self._ended.set_result(return_code)

    async def wait(self) -> int:
        """Return the exit code, or minus the number of the signal that ended it."""
        return await asyncio.shield(self._ended)

    def on_end(self, call: Callable[[], object]) -> None:
        """Have something called soon after the process has ended."""
        self._ended.add_done_callback(lambda _: call())

    async def stop(self, *, grace_seconds: float) -> int:
        """Ask the process to end, kill it and its group after the grace, and return its exit code.

        Only the main process is asked: a Celery worker lets its children finish, which a signal to all would prevent.
        """
        self.poll()
        if not self._ended.done():
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(grace_seconds):
                    return await self.wait()
            except TimeoutError:
                self.kill()
        return await self.wait()

    def kill(self) -> None:
        """Kill the process and its group at once."""
        if not self._ended.done():
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)

    def _read(self) -> None:
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._output)
            return
        for line in self._splitter.feed(data):
            self._on_line(line)

    def _read_rest(self) -> None:
        """Take what the pipe still holds; everybody who could write to it is dead or dying."""
        self._loop.remove_reader(self._output)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, _READ_BYTES):
                for line in self._splitter.feed(data):
                    self._on_line(line)
        for line in self._splitter.finish():
            self._on_line(line)
        assert self._process.stdout is not None
        self._process.stdout.close()
