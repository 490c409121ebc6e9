"""Start programs and follow what they print, with no sleeping."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import surroundings

ROOT = Path(__file__).resolve().parent.parent.parent

#: Only what never comes takes so long: long enough for the start of a stack beside others.
PATIENCE_SECONDS = 60.0


class Program:
    """A running program; wait for its lines, signal it, take its exit code."""

    def __init__(self, command: list[str], *, variables: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**surroundings(), "PYTHONUNBUFFERED": "1", **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, *, times: int = 1) -> re.Match[str]:
        """Return the match in the `times`-th line in which the pattern is found."""
        found: list[re.Match[str]] = []

        def enough() -> bool:
            found[:] = [match for line in self.lines if (match := re.search(pattern, line))]
            return len(found) >= times or self.ended

        with self._news:
            in_time = self._news.wait_for(enough, PATIENCE_SECONDS)
        assert in_time, f"no {pattern!r} in time, only:\n" + "\n".join(self.lines)
        assert len(found) >= times, f"ended without {pattern!r}:\n" + "\n".join(self.lines)
        return found[times - 1]

    @property
    def ended(self) -> bool:
        """Whether all its output has been read."""
        return not self._reader.is_alive() if self._reader.ident else False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return its exit code, once all its output is read."""
        return_code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return return_code

    @property
    def output(self) -> str:
        """All it has printed."""
        return "\n".join(self.lines)

    def close(self) -> None:
        """Stop it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@pytest.fixture
def start(data_folder) -> Iterator:
    """Start programs that end with the test."""
    programs: list[Program] = []

    def start_program(command: list[str], **variables: str) -> Program:
        programs.append(Program(command, variables={"STEPLINE_DATA_DIR": str(data_folder), **variables}))
        return programs[-1]

    yield start_program
    for program in programs:
        program.close()


@pytest.fixture
def supervise(start, data_folder):
    """Start the supervisor with small programs."""

    def start_supervisor(*services: dict[str, object]) -> Program:
        command = [sys.executable, "-m", "tests.config.supervised", str(data_folder), json.dumps(services)]
        return start(command)

    return start_supervisor


@contextlib.contextmanager
def watched(pids: list[int]) -> Iterator:
    """Follow processes that aren't ours; yields a function that waits for the end of them all."""
    descriptors = [os.pidfd_open(pid) for pid in pids]

    def all_end() -> bool:
        waiting = set(descriptors)
        while waiting:
            ended, _, _ = select.select(waiting, [], [], PATIENCE_SECONDS)
            if not ended:
                return False
            waiting -= set(ended)
        return True

    try:
        yield all_end
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
