"""Run services as one: start in order, keep them running, stop in reverse."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from config.supervisor.decisions import start_stages
from config.supervisor.keeper import Keeper, StartFailure
from config.supervisor.output import LogFile, Terminal
from config.supervisor.services import Service
from config.supervisor.watchdog import Watchdog

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """All services of one data folder, for as long as `run` runs."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        folder: Path,
        log_folder: Path,
        variables: Mapping[str, str],
        terminal: Terminal,
        on_ready: Callable[[], None],
    ) -> None:
        """Take services in start order; `on_ready` is called once, when all are ready."""
        self._services = services
        self._folder = folder
        self._log_folder = log_folder
        self._variables = variables
        self._terminal = terminal
        self._on_ready = on_ready
        self._keepers: list[Keeper] = []

    def run(self) -> int:
        """Run until a stop signal or a failed start; return the exit code.

        Call it in the main thread: children die with the thread that started them.
        """
        return asyncio.run(self._run())

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in _STOP_SIGNALS:
            # Under nohup a hang-up is to be ignored: leave it so.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_stop_signal, stop)
        loop.add_signal_handler(signal.SIGCHLD, self._poll)
        watchdog = Watchdog()
        stopping = asyncio.create_task(stop.wait())
        starting = asyncio.create_task(self._start(watchdog))
        exit_code = 0
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._on_ready()
                await stopping
        except StartFailure as failure:
            self._say(str(failure))
            exit_code = 1
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
            await self._stop()
            watchdog.close()
        return exit_code

    async def _start(self, watchdog: Watchdog) -> None:
        for stage in start_stages(self._services):
            keepers = [self._keeper(service, watchdog) for service in stage]
            for keeper in keepers:
                self._keepers.append(keeper)
                keeper.start()
            try:
                async with asyncio.TaskGroup() as group:
                    for keeper in keepers:
                        group.create_task(keeper.wait_ready())
            except ExceptionGroup as failures:
                # Where one service can't start, the others often fail for the same reason: the first says enough.
                raise failures.exceptions[0] from None

    def _keeper(self, service: Service, watchdog: Watchdog) -> Keeper:
        return Keeper(
            service,
            folder=self._folder,
            variables=self._variables,
            log_file=LogFile(folder=self._log_folder, name=service.name),
            terminal=self._terminal,
            watchdog=watchdog,
            say=self._say,
        )

    async def _stop(self) -> None:
        for keeper in reversed(self._keepers):
            await keeper.stop()

    def _poll(self) -> None:
        for keeper in self._keepers:
            keeper.poll()

    def _on_stop_signal(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            self._say("killing what is left")
            for keeper in self._keepers:
                keeper.kill()
            return
        self._say("stopping (once more to kill)")
        stop.set()

    def _say(self, text: str) -> None:
        self._terminal.show("stepline", text)
