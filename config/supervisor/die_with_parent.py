"""Run a command that the kernel kills when its parent dies, however the parent dies.

Run as a script `die_with_parent.py PARENT_PID COMMAND …`: it asks for the death signal and becomes the command. On
Linux only; elsewhere it just becomes the command, and the supervisor's watchdog does the work.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def wrap_command(command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` as a child of this process until this process dies.

    Start it from the main thread: the kernel takes the end of the thread that forked for the parent's death.
    """
    # -I and -S: nothing but the standard library, and a start in some 10 ms.
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> None:
    """Ask for the signal, then become the command."""
    parent_pid, command = int(arguments[0]), list(arguments[1:])
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have died between its fork and our prctl: then no signal will ever come. An orphan's new
    # parent isn't always process 1, so compare with the one that we were told.
    if os.getppid() != parent_pid:
        sys.exit("the supervisor is gone")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"can't run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
