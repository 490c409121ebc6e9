"""Tell the followers of a root that its log has grown, and those of lists which roots have changed.

A message is only a hint: whoever misses one finds the updates in the log, so messages may be dropped, and nothing here
ever holds up or fails the caller. One publisher serves a process. It is a thread with an event loop of its own, because
a channel layer keeps its connections per loop: from a passing loop every message would open a new one.
"""

import asyncio
import atexit
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

from channels.layers import get_channel_layer

__all__ = ["LISTS_GROUP", "announce", "close_publisher", "flush_publisher", "group_name", "publish"]

logger = logging.getLogger(__name__)

MESSAGE_TYPE = "task.updates"
LISTS_TYPE = "task.lists"
#: Told of every root that changes, for whoever follows many.
LISTS_GROUP = "tasks.lists"
#: How long the names of changed roots are gathered for one message, so that it costs the same however many change.
LISTS_SECONDS = 0.1
#: Roots named in one message.
LISTS_ROOTS = 500
#: After messages the next ones are gathered for so many times what it took to send them, within these limits: work that
#: writes without a pause would wait for this thread all the time otherwise, since the interpreter is one. The first
#: message after a pause leaves at once.
GATHER_TIMES = 19
LEAST_GATHER_SECONDS, MOST_GATHER_SECONDS = 0.004, 0.03
#: Bodies longer than this together stay out of the message; followers then read the log.
MAX_BODIES_CHARS = 65_536
#: Messages kept while the layer is slow; beyond it the oldest go, since the newest tells how far the log reaches.
MAX_QUEUED = 2_000
#: Longest time for one message. A layer that is down must not hold the thread for as long as its driver would retry.
SEND_TIMEOUT_SECONDS = 5.0
#: Pause after a failed message.
FAILURE_PAUSE_SECONDS = 0.5


class ChannelLayer(Protocol):
    """Send to groups, as every channel layer does."""

    async def group_send(self, group: str, message: dict[str, object]) -> None:
        """Send `message` to every channel in `group`."""


def group_name(root_id: uuid.UUID) -> str:
    """Return the channel-layer group of a root."""
    return f"task.{root_id.hex}"


def publish(root_id: uuid.UUID, *, first: int, last: int, bodies: Sequence[str]) -> None:
    """Tell the followers of `root_id` that updates `first` to `last`, encoded in `bodies`, are committed.

    Returns at once and never raises; call it after the commit, from any thread.
    """
    message: dict[str, object] = {"type": MESSAGE_TYPE, "root": root_id.hex, "first": first, "last": last}
    if sum(map(len, bodies)) <= MAX_BODIES_CHARS:
        message["bodies"] = list(bodies)
    try:
        _publisher.put(group_name(root_id), message)
    except Exception:
        logger.exception("Updates %d to %d of task %s could not be announced.", first, last, root_id)


def announce(group: str, message: dict[str, object]) -> None:
    """Send `message` to `group`. Returns at once and never raises; call it after the commit, from any thread."""
    try:
        _publisher.put(group, message)
    except Exception:
        logger.exception("A message to %s could not be sent.", group)


def flush_publisher(*, timeout_seconds: float = 5.0) -> bool:
    """Wait until every message put so far was sent or dropped; return whether that happened in time."""
    return _publisher.flush(timeout_seconds=timeout_seconds)


def close_publisher(*, timeout_seconds: float = 1.0) -> None:
    """Send what is queued, within `timeout_seconds`, and end the thread; the next message starts a new one."""
    _publisher.close(timeout_seconds=timeout_seconds)


class _Publisher:
    """Run one thread with one event loop that sends queued messages in order."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[tuple[str, dict[str, object]]] = deque(maxlen=MAX_QUEUED)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        #: Somebody waits for the queue to be empty.
        self._hurried = asyncio.Event()
        self._failing = False
        #: The thread is about to look at the queue, and needn't be told.
        self._told = False
        #: Roots that have changed since the last message to lists. Only the thread touches this.
        self._changed: dict[object, None] = {}
        self._lists_timer: asyncio.TimerHandle | None = None
        self._lists_due = False

    def put(self, group: str, message: dict[str, object]) -> None:
        self._queue.append((group, message))
        if self._told:
            return
        with self._guard:
            loop = self._loop or self._start()
            self._told = True
            loop.call_soon_threadsafe(self._wake)

    def flush(self, *, timeout_seconds: float) -> bool:
        with self._guard:
            loop = self._loop
            if loop is None:
                return True
            drained = asyncio.run_coroutine_threadsafe(self._drained(), loop)
        try:
            drained.result(timeout_seconds)
        except TimeoutError:
            drained.cancel()
            return False
        return True

    def close(self, *, timeout_seconds: float) -> None:
        self.flush(timeout_seconds=timeout_seconds)
        with self._guard:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join(timeout_seconds)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._hurried = asyncio.Event()
        self._changed, self._lists_timer, self._lists_due, self._told = {}, None, False, False
        self._thread = threading.Thread(target=self._run, args=(loop,), name="task-publisher", daemon=True)
        self._thread.start()
        self._loop = loop
        return loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        sending = loop.create_task(self._send_all(self._filled, self._idle))
        try:
            loop.run_forever()
            sending.cancel()
            loop.run_until_complete(asyncio.gather(sending, return_exceptions=True))
        finally:
            # Closing the loop closes the connections that the layer keeps for it.
            loop.close()

    def _wake(self) -> None:
        self._idle.clear()
        self._filled.set()

    async def _drained(self) -> None:
        self._lists_due = True
        self._wake()
        self._hurried.set()
        await self._idle.wait()

    async def _send_all(self, filled: asyncio.Event, idle: asyncio.Event) -> None:
        while True:
            await filled.wait()
            filled.clear()
            # Before the queue is looked at: what is put behind that look tells again.
            self._told = False
            while self._queue:
                began = time.thread_time()
                for group, message in self._take():
                    if message["type"] == MESSAGE_TYPE:
                        self._note_change(message["root"], filled)
                    await self._send(group, message)
                self._told = True
                spent = time.thread_time() - began
                await self._gather(min(max(LEAST_GATHER_SECONDS, GATHER_TIMES * spent), MOST_GATHER_SECONDS))
                self._told = False
            if self._lists_due:
                await self._tell_lists()
            # A message that came meanwhile has set `filled` again.
            if not filled.is_set():
                self._hurried.clear()
                idle.set()

    async def _gather(self, seconds: float) -> None:
        """Wait for what comes next, unless somebody waits for the queue to be empty."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    def _take(self) -> list[tuple[str, dict[str, object]]]:
        """Take what is queued; updates of one root that follow each other become one message."""
        taken: list[tuple[str, dict[str, object]]] = []
        last_of: dict[str, dict[str, object]] = {}
        for _ in range(len(self._queue)):
            group, message = self._queue.popleft()
            before = last_of.get(group)
            if before is None or not _join(before, message):
                taken.append((group, message))
                last_of[group] = message
        return taken

    def _note_change(self, root: object, filled: asyncio.Event) -> None:
        self._changed[root] = None
        if self._lists_timer is None:

            def fall_due() -> None:
                self._lists_due = True
                filled.set()

            self._lists_timer = asyncio.get_running_loop().call_later(LISTS_SECONDS, fall_due)

    async def _tell_lists(self) -> None:
        if self._lists_timer is not None:
            self._lists_timer.cancel()
        self._lists_timer, self._lists_due = None, False
        roots, self._changed = list(self._changed), {}
        for start in range(0, len(roots), LISTS_ROOTS):
            await self._send(LISTS_GROUP, {"type": LISTS_TYPE, "roots": roots[start : start + LISTS_ROOTS]})

    async def _send(self, group: str, message: dict[str, object]) -> None:
        try:
            layer = cast("ChannelLayer | None", get_channel_layer())
            if layer is not None:
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await layer.group_send(group, message)
        except Exception as error:  # noqa: BLE001 - each layer has errors of its own
            # One line an outage: clients are served from the log meanwhile, only later.
            if not self._failing:
                logger.warning("The channel layer doesn't take messages: %s: %s", type(error).__name__, error)
            self._failing = True
            await asyncio.sleep(FAILURE_PAUSE_SECONDS)
        else:
            if self._failing:
                logger.warning("The channel layer takes messages again.")
            self._failing = False


def _join(before: dict[str, object], message: dict[str, object]) -> bool:
    """Add updates to a message of those before them, where they follow without a gap; tell whether that was done."""
    both = before["type"] == message["type"] == MESSAGE_TYPE
    if not both or message["first"] != cast(int, before["last"]) + 1:
        return False
    bodies, more = before.get("bodies"), message.get("bodies")
    if not isinstance(bodies, list) or not isinstance(more, list):
        return False
    if sum(map(len, bodies)) + sum(map(len, more)) > MAX_BODIES_CHARS:
        return False
    bodies.extend(more)
    before["last"] = message["last"]
    return True


_publisher = _Publisher()


def _renew_after_fork() -> None:
    # The parent's thread doesn't exist in a forked child, and its lock may have been held at the time of the fork.
    global _publisher  # noqa: PLW0603 - the one publisher of this process
    _publisher = _Publisher()


os.register_at_fork(after_in_child=_renew_after_fork)
atexit.register(close_publisher)
