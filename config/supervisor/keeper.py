"""Keep one service running: start it, know when it is ready, restart it when it dies."""

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from config.supervisor.child import Child
from config.supervisor.decisions import describe_exit, failures_after_exit, restart_delay_seconds
from config.supervisor.output import LogFile, Terminal
from config.supervisor.services import Service
from config.supervisor.watchdog import Watchdog

_PROBE_SECONDS = 0.03
_SIGNAL_NAMES = {int(number): number.name for number in signal.Signals}


class StartFailure(Exception):
    """A service died or hung before it was ready the first time; the message is one line for the operator."""


class Keeper:
    """One service over all its processes."""

    def __init__(
        self,
        service: Service,
        *,
        folder: Path,
        variables: Mapping[str, str],
        log_file: LogFile,
        terminal: Terminal,
        watchdog: Watchdog,
        say: Callable[[str], None],
    ) -> None:
        self.service = service
        self._folder = folder
        self._variables = variables
        self._log_file = log_file
        self._terminal = terminal
        self._watchdog = watchdog
        self._say = say
        self._child: Child | None = None
        self._line_seen = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=20)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the first process."""
        self._spawn()

    async def wait_ready(self) -> None:
        """Return when the service is ready, and keep it running from then on.

        Raises StartFailure when it ends or its time is up before that.
        """
        child = self._child
        assert child is not None
        ended = asyncio.create_task(child.wait())
        ready = asyncio.create_task(self._become_ready())
        try:
            await asyncio.wait(
                {ended} if self.service.once else {ended, ready},
                timeout=self.service.start_timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if ended.done():
                if self.service.once and ended.result() == 0:
                    self._forget(child)
                    return
                raise StartFailure(self._describe_failure(f"stopped while starting ({_describe(ended.result())})"))
            if not ready.done():
                raise StartFailure(
                    self._describe_failure(f"isn't ready after {self.service.start_timeout_seconds:.0f} s")
                )
        finally:
            ended.cancel()
            ready.cancel()
        self._task = asyncio.create_task(self._keep(child))

    async def stop(self) -> None:
        """Stop the process, without restarting it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        child = self._child
        if child is not None:
            await child.stop(grace_seconds=self.service.stop_grace_seconds)
            self._forget(child)
        self._log_file.close()

    def kill(self) -> None:
        """Kill the process and all its children now."""
        if self._child is not None:
            self._child.kill()

    def poll(self) -> None:
        """Notice the end of the process."""
        if self._child is not None:
            self._child.poll()

    async def _keep(self, child: Child) -> None:
        failures = 0
        while True:
            return_code = await child.wait()
            self._forget(child)
            failures = failures_after_exit(failures_before=failures, uptime_seconds=child.uptime_seconds)
            delay_seconds = restart_delay_seconds(failures)
            self._say(
                f"{self.service.name} died ({_describe(return_code)}): starting it again in {delay_seconds:g} s;"
                f" what it printed is in {self._log_file.path}"
            )
            # Stopping cancels this wait, so that nothing is started behind its back.
            await asyncio.sleep(delay_seconds)
            child = self._spawn()
            announcing = asyncio.create_task(self._announce_return())
            child.on_end(announcing.cancel)

    async def _announce_return(self) -> None:
        await self._become_ready()
        self._say(f"{self.service.name} is back")

    def _spawn(self) -> Child:
        self._line_seen.clear()
        child = Child(self.service.command, folder=self._folder, variables=self._variables, on_line=self._take_line)
        self._child = child
        self._watchdog.follow(child.group)
        # It may have ended before anybody could be told.
        child.poll()
        return child

    def _forget(self, child: Child) -> None:
        if self._child is child:
            self._child = None
            self._watchdog.forget(child.group)

    async def _become_ready(self) -> None:
        if self.service.ready_line is not None:
            await self._line_seen.wait()
        if self.service.probe is not None:
            while not await self.service.probe.is_ready():
                await asyncio.sleep(_PROBE_SECONDS)

    def _take_line(self, line: str) -> None:
        self._log_file.write(line)
        if not self.service.quiet:
            self._terminal.show(self.service.name, line)
        if line.strip():
            self._last_lines.append(line.strip())
        if self.service.ready_line is not None and self.service.ready_line.search(line):
            self._line_seen.set()

    def _describe_failure(self, what: str) -> str:
        last = f": {self._last_lines[-1]}" if self._last_lines else ""
        return f"{self.service.name} {what}{last}; all it printed is in {self._log_file.path}"


def _describe(return_code: int) -> str:
    return describe_exit(return_code, _SIGNAL_NAMES)
