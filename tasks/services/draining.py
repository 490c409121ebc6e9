"""The word that a worker is to stop: what it works on ends at the next checkpoint, and nothing new is begun.

The process that is told so is not the ones that work: they share a byte of memory with it since they were forked.
"""

import mmap

__all__ = ["drain", "is_draining"]

_flag = mmap.mmap(-1, 1)


def drain(*, on: bool = True) -> None:
    """Let this process, and those forked from it, come to an end of their work."""
    _flag[0] = int(on)


def is_draining() -> bool:
    """Tell whether the work is to come to an end."""
    return _flag[0] != 0
