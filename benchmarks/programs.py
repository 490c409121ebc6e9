"""Other processes of a benchmark: in sessions of their own, and always stopped."""

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from config.environment import BASE_DIR
from config.supervisor.die_with_parent import wrap_command
from config.supervisor.watchdog import Watchdog

_POLL_SECONDS = 0.02
_STOP_SECONDS = 8.0


class ProgramFailure(Exception):
    """A program of a benchmark did not do what it should; the text says which, and what it printed last."""


class Program:
    """One process that leads a session and prints into a file; one that `talks` is asked through pipes."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, variables: Mapping[str, str], talks: bool = False
    ) -> None:
        self.name = name
        self._log = log
        self._asked = False
        self._heard = b""
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                wrap_command(command),
                cwd=BASE_DIR,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                bufsize=0,
                start_new_session=True,
            )

    def wait_for_line(self, pattern: re.Pattern[str], *, timeout_seconds: float = 60.0) -> None:
        """Return once it has printed a line in which `pattern` is found; raises ProgramFailure."""
        deadline = time.monotonic() + timeout_seconds
        while not pattern.search(self.printed()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise self.failure("doesn't start")
            time.sleep(_POLL_SECONDS)

    def wait_for_end(self, *, timeout_seconds: float) -> None:
        """Return once it has ended well; raises ProgramFailure."""
        try:
            return_code = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise self.failure(f"takes longer than {timeout_seconds:g} s") from None
        if return_code:
            raise self.failure(f"ended with code {return_code}")

    def tell(self, line: str) -> None:
        """Say a line to it; raises ProgramFailure where it no longer listens."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise self.failure("has ended") from None

    def hear(self, *, timeout_seconds: float) -> str:
        """Return the next line that it says; raises ProgramFailure where it says none."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_seconds
        while b"\n" not in self._heard:
            waiting = max(0.0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], waiting)[0]:
                raise self.failure(f"takes longer than {timeout_seconds:g} s")
            part = self.process.stdout.read(65_536)
            if not part:
                raise self.failure("has ended")
            self._heard += part
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def printed(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def failure(self, what: str) -> ProgramFailure:
        """Return an error that quotes the end of what it printed."""
        return ProgramFailure(f"{self.name} {what}. It says:\n{self.printed()[-2_000:]}")

    def ask_to_stop(self) -> None:
        """Tell it to stop, once, without waiting."""
        if self.process.poll() is None and not self._asked:
            self._asked = True
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to stop, then kill it with everything in its group."""
        self.ask_to_stop()
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        # The leader is not waited for before: until then its number can't be another group's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Programs:
    """The programs of one benchmark; the end of the block stops them, all at once.

    Should this process be killed, the watchdog kills them.
    """

    def __init__(self, *, log_folder: Path) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        self._log_folder = log_folder
        self._watchdog = Watchdog()
        self._running: list[Program] = []

    def start(
        self, name: str, command: Sequence[str], *, variables: Mapping[str, str] | None = None, talks: bool = False
    ) -> Program:
        """Start a program in the repository's folder, with this process's environment and some variables more."""
        log = self._log_folder / f"{name}.log"
        program = Program(name, command, log=log, variables=variables or {}, talks=talks)
        self._running.append(program)
        self._watchdog.follow(program.process.pid)
        return program

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A worker takes seconds to stop.
        for program in reversed(self._running):
            program.ask_to_stop()
        for program in reversed(self._running):
            program.stop()
            self._watchdog.forget(program.process.pid)
        self._watchdog.close()
