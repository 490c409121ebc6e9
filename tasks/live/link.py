"""The hub's one channel on the channel layer, and the groups it is in."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

#: Longest wait for a group. Without the layer clients are served from the log, only later, and need not wait.
JOIN_WAIT_SECONDS = 1.0
RETRY_SECONDS = 2.0

Handler = Callable[[Mapping[str, Any]], None]


class ChannelLayer(Protocol):
    """Receive from groups, as every channel layer does."""

    async def new_channel(self) -> str:
        """Return the name of a new channel of this process."""

    async def receive(self, channel: str) -> dict[str, Any]:
        """Return the next message on `channel`."""

    async def group_add(self, group: str, channel: str) -> None:
        """Let `channel` receive what is sent to `group`."""

    async def group_discard(self, group: str, channel: str) -> None:
        """Undo `group_add`."""


class Link:
    """Keep one channel in the wanted groups, and hand every message that comes to `handle`.

    One task owns the channel and brings the groups it is in to the groups that are wanted; what fails, because the
    layer is down, is tried again. Nobody else talks to the layer, so joining and leaving can't overtake each other.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._wanted: set[str] = set()
        self._joined: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self._layer = cast("ChannelLayer | None", get_channel_layer())
        self._channel: str | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._failing = False
        self._closing = False

    @property
    def groups(self) -> frozenset[str]:
        """Return the groups whose messages arrive."""
        return frozenset(self._joined)

    async def join(self, group: str) -> None:
        """Enter `group`; returns when messages to it arrive, or after a second where the layer doesn't answer."""
        if self._layer is None:
            return
        self._wanted.add(group)
        if group in self._joined:
            return
        entered = self._waiting.setdefault(group, asyncio.get_running_loop().create_future())
        self._wake()
        await asyncio.wait([entered], timeout=JOIN_WAIT_SECONDS)

    def want(self, group: str) -> None:
        """Enter `group`, soon."""
        if self._layer is not None and group not in self._wanted:
            self._wanted.add(group)
            self._wake()

    def leave(self, group: str) -> None:
        """Leave `group`, soon."""
        self._wanted.discard(group)
        entered = self._waiting.pop(group, None)
        if entered is not None and not entered.done():
            entered.set_result(None)
        self._wake()

    async def close(self) -> None:
        """Leave all groups and give the channel up, within a second where the layer doesn't answer."""
        self._closing = True
        self._wanted.clear()
        self._changed.set()
        # Asked, not cancelled: the layer's driver may swallow a cancellation in the middle of a command.
        await _stopped(self._keeper)
        if self._listener is not None:
            self._listener.cancel()
            await _stopped(self._listener)

    def _wake(self) -> None:
        self._changed.set()
        if self._keeper is None and self._layer is not None:
            self._keeper = asyncio.create_task(self._keep(self._layer), name="task-link")

    async def _keep(self, layer: ChannelLayer) -> None:
        while not self._closing or self._joined:
            self._changed.clear()
            try:
                await self._reconcile(layer)
            except Exception as error:  # noqa: BLE001 - each layer has errors of its own
                if not self._failing:
                    logger.warning("The channel layer doesn't answer: %s: %s", type(error).__name__, error)
                self._failing = True
                if isinstance(error, RuntimeError):
                    # The layer was flushed and knows the channel no more.
                    await self._drop_channel()
                if self._closing or _was_cancelled():
                    return
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._failing:
                logger.warning("The channel layer answers again.")
            self._failing = False
            if _was_cancelled():
                return
            if not self._closing:
                await self._changed.wait()

    async def _reconcile(self, layer: ChannelLayer) -> None:
        while self._wanted != self._joined:
            if self._channel is None:
                self._channel = await layer.new_channel()
                self._listener = asyncio.create_task(self._listen(layer, self._channel), name="task-listener")
            for group in self._wanted - self._joined:
                await layer.group_add(group, self._channel)
                self._joined.add(group)
                entered = self._waiting.pop(group, None)
                if entered is not None and not entered.done():
                    entered.set_result(None)
            for group in self._joined - self._wanted:
                # Taken out first: whoever wants it back meanwhile has to wait until it is joined again.
                self._joined.discard(group)
                try:
                    await layer.group_discard(group, self._channel)
                except Exception:
                    self._joined.add(group)
                    raise

    async def _drop_channel(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await _stopped(self._listener)
        self._listener = self._channel = None
        self._joined.clear()

    async def _listen(self, layer: ChannelLayer, channel: str) -> None:
        # One lasting wait, never cut short by a timeout: the pub/sub layer gives a channel up when a wait is cancelled.
        while not _was_cancelled():
            try:
                message = await layer.receive(channel)
            except Exception:
                logger.exception("The channel layer failed; updates are read from the log meanwhile.")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                self._handle(message)
            except Exception:
                logger.exception("A message on the channel layer was not understood.")


def _was_cancelled() -> bool:
    """Tell whether the running task is to end: whoever closes its event loop asks once, and waits.

    The layer's driver may swallow that in the middle of a command.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _stopped(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        await asyncio.wait([task], timeout=JOIN_WAIT_SECONDS)
        task.cancel()
