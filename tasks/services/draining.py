"""The word that a worker is to stop: what it works on ends at the next checkpoint, and nothing new is begun.

The process that is told so is not the ones that work: they share a byte of memory with it since they were forked.
"""

import mmap

from billiard.common import terminate_handler_fired  # type: ignore[attr-defined]  # newer than its stubs

__all__ = ["drain", "is_draining", "is_ending"]

_flag = mmap.mmap(-1, 1)


def drain(*, on: bool = True) -> None:
    """Let this process, and those forked from it, come to an end of their work."""
    _flag[0] = int(on)


def is_ending() -> bool:
    """Tell whether this process was told to end now, as by a SIGTERM to Celery's processes: what it works on is left.

    It shows as a SystemExit in the midst of the work, which isn't the work's own, nor is what comes of that.
    """
    return bool(terminate_handler_fired())


def is_draining() -> bool:
    """Tell whether the work is to come to an end."""
    return _flag[0] != 0
