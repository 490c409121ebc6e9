"""What a stream waits for: that there is something new, or that a time is over."""

import asyncio

__all__ = ["News"]


class News:
    """Let the one coroutine that serves a stream wait until it is told of something, or until a time is over.

    An asyncio.Event under asyncio.timeout does the same, and makes and drops a timer each time: where a thousand
    streams are told of the same update, that costs as much as sending it. Here a timer stays until its time has come,
    and then looks whether anybody still waits for it.
    """

    __slots__ = ("_alarm", "_deadline", "_is_told", "_waiting")

    def __init__(self) -> None:
        self._is_told = False
        self._waiting: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def tell(self) -> None:
        """End the wait, or the next one, if nobody waits at the moment."""
        self._is_told = True
        self._end_wait()

    def take(self) -> None:
        """Forget what was told: whoever waits is about to look for it."""
        self._is_told = False

    async def wait(self, *, deadline: float | None) -> bool:
        """Return True as soon as something was told, False where it wasn't by `deadline` on the loop's clock."""
        if self._is_told:
            return True
        loop = asyncio.get_running_loop()
        if deadline is not None:
            if deadline <= loop.time():
                return False
            self._ring_at(deadline, loop)
        self._deadline = deadline
        self._waiting = loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = self._deadline = None
        return self._is_told

    def close(self) -> None:
        """Give the timer back; nobody waits for a time any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring_at(self, moment: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            if self._alarm.when() <= moment:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(moment, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        if self._deadline is None:
            return
        if self._deadline > loop.time():
            # It was set for a wait that has ended; the present one has its time still before it.
            self._ring_at(self._deadline, loop)
        else:
            self._end_wait()

    def _end_wait(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
