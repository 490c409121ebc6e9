"""The dead man's timer of a worker process: whoever doesn't show signs of life in time is ended.

It is a timer of the interpreter's C code, so that it also goes off where some other C code never lets go of the
interpreter: then no heartbeat is sent, the work is given to somebody else, and must not go on here. Before it ends the
process it writes to the log where each thread was.
"""

import faulthandler
import os
import signal

__all__ = ["allow_exit", "arm", "disarm", "end_process"]

#: Where the interpreter's C code writes: Celery may have put something into the place of `sys.stderr` that is no file.
_STDERR = 2

_exit_allowed_in = 0
_armed = False


def allow_exit() -> None:
    """Say that this process may be ended: whoever has started it will start another one."""
    global _exit_allowed_in  # noqa: PLW0603 - this process's own; a forked child begins anew
    _exit_allowed_in = os.getpid()


def arm(seconds: float) -> None:
    """End this process in `seconds`, unless this is called again or `disarm` before; nothing where it may not end."""
    global _armed  # noqa: PLW0603
    if _exit_allowed_in == os.getpid():
        faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)
        _armed = True


def disarm() -> None:
    """Let this process live."""
    global _armed  # noqa: PLW0603
    if _armed:
        faulthandler.cancel_dump_traceback_later()
        _armed = False


def is_armed() -> bool:
    """Tell whether the timer runs."""
    return _armed


def end_process() -> bool:
    """End this process at once, where that is allowed; False where it isn't."""
    if _exit_allowed_in != os.getpid():
        return False
    os.kill(os.getpid(), signal.SIGKILL)
    return True
