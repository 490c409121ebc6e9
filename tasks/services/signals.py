"""Something that happens once, on another thread, and that threads and asyncio tasks wait for."""

import asyncio
import threading
from contextlib import suppress


class Signal:
    """Tell threads and asyncio tasks that something has happened."""

    def __init__(self) -> None:
        self._happened = threading.Event()
        self._guard = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._happened.is_set()

    def set(self) -> None:
        """Say that it has happened."""
        with self._guard:
            self._happened.set()
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            # A loop that has closed meanwhile waits for nothing.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, future)

    def wait(self, timeout_seconds: float) -> bool:
        """Block this thread until it has happened, and return whether that was in time."""
        return self._happened.wait(timeout_seconds)

    async def wait_async(self, timeout_seconds: float | None) -> bool:
        """Wait until it has happened, and return whether that was in time; None waits as long as it takes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._guard:
            if self._happened.is_set():
                return True
            self._waiting.append((loop, future))
        try:
            async with asyncio.timeout(timeout_seconds):
                await future
        except TimeoutError:
            return False
        finally:
            with self._guard:
                self._waiting = [entry for entry in self._waiting if entry[1] is not future]
        return True


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
