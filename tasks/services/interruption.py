"""Breaking into work that doesn't stop by itself.

The thread that works is interrupted by another one. In a process's main thread, where a worker's jobs run, a signal
does it, which also ends a wait for the network or for a lock; in any other thread the interpreter does it between two
of its own steps; a coroutine is cancelled. None of it reaches code that never comes back to the interpreter: for that a
worker process is ended (tasks.services.forcing).
"""

import asyncio
import ctypes
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from tasks.errors import WorkInterrupted

__all__ = ["Interruption"]

#: Not used by Celery in the processes that work, nor by common servers.
_SIGNAL = getattr(signal, "SIGUSR2", None)


class Interruption:
    """Let another thread break into a block.

    `may_interrupt` is asked in the thread that works, and says no where nothing may be broken off, as in a commit; so
    whoever interrupts asks again until the block has ended.
    """

    def __init__(self, may_interrupt: Callable[[], bool], *, in_any_thread: bool = True) -> None:
        self._may_interrupt = may_interrupt
        #: Outside of the main thread nobody can ask the one that works.
        self._in_any_thread = in_any_thread
        self._guard = threading.Lock()
        self._thread = 0
        self._is_main = False
        self._active = False
        self._wanted = False
        #: It has come through: what follows is the work's own end, which may take a moment.
        self._arrived = False
        #: The block around this one, where work is carried out within work.
        self._outer: Interruption | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        global _in_main
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread() and _SIGNAL is not None
        if self._is_main:
            if _SIGNAL is not None and signal.getsignal(_SIGNAL) is not _on_signal:
                signal.signal(_SIGNAL, _on_signal)
            self._outer, _in_main = _in_main, self
        self._active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _in_main  # noqa: PLW0603
        with self._guard:
            self._active = False
            if not self._is_main and self._wanted:
                # What was sent and hasn't arrived would arrive in whatever comes next.
                _set_async_exception(self._thread, None)
        if self._is_main:
            _in_main = self._outer

    def entered_loop(self) -> None:
        """Say that the block's work is the running coroutine, from inside it."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()

    def send(self) -> None:
        """Interrupt the block, from another thread; without effect where it has ended, or may not be interrupted."""
        with self._guard:
            if not self._active or self._arrived:
                return
            self._wanted = True
            if self._loop is not None and self._task is not None:
                if not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._task.cancel)
                self._arrived = True
            elif self._is_main and _SIGNAL is not None:
                signal.pthread_kill(self._thread, _SIGNAL)
            elif self._in_any_thread and self._may_interrupt():
                _set_async_exception(self._thread, WorkInterrupted)
                self._arrived = True

    def pass_on(self, outer: "Interruption") -> None:
        """Let what has interrupted this block count as an interruption of the one around it."""
        outer._wanted, outer._arrived = outer._wanted or self._wanted, outer._arrived or self._arrived

    @property
    def was_sent(self) -> bool:
        """Tell whether somebody has tried to interrupt."""
        return self._wanted

    def arrive(self) -> None:
        """Raise WorkInterrupted in the main thread, where it is wanted and allowed."""
        if self._active and self._wanted and not self._arrived and self._may_interrupt():
            self._arrived = True
            raise WorkInterrupted


_in_main: Interruption | None = None


def _on_signal(_signal: int, _frame: FrameType | None) -> None:
    if _in_main is not None:
        _in_main.arrive()


def _set_async_exception(thread: int, kind: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None if kind is None else ctypes.py_object(kind))
