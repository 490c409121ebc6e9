"""Kill the process groups of a supervisor that died without stopping them.

The supervisor tells its watchdog through a pipe which groups live. When the pipe ends (the kernel closes it, whatever
killed the supervisor) the watchdog kills what is left. It completes the death signal of `die_with_parent`, which
reaches a service's main process only, and replaces it where the system has none.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable


class Watchdog:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process = self._spawn()

    def follow(self, group: int) -> None:
        """Have a process group killed if the supervisor dies."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave a group alone: it has ended, and its number may be given to others."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the watchdog; groups it still follows are killed."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.poll() is not None:
            # Somebody killed it: a new one has to hear of all groups again.
            self._process = self._spawn()
            line = "".join(f"+{group}\n" for group in sorted(self._groups))
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", os.path.abspath(__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def followed_groups(lines: Iterable[bytes]) -> set[int]:
    """Return the groups that are followed after all the lines (`+<group>` or `-<group>`)."""
    groups: set[int] = set()
    for line in lines:
        number = int(line[1:])
        if line.startswith(b"+"):
            groups.add(number)
        else:
            groups.discard(number)
    return groups


def main() -> None:
    """Read until the supervisor is gone, then kill."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    for group in followed_groups(sys.stdin.buffer):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
