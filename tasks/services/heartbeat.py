"""The thread that keeps claims alive and hears of cancellations: one per process."""

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from django.db import Error, connection, connections

from tasks.services.claims import Beat, heartbeat

logger = logging.getLogger(__name__)

#: Time between two heartbeats; also how soon a worker hears of a cancellation.
BEAT_SECONDS = 1.0


class Held(Protocol):
    """Say what the heart keeps alive: a claim of a job, or a tree that has a writer and no job."""

    @property
    def root_id(self) -> uuid.UUID:
        """The root that it is about."""

    def beat(self) -> None:
        """Prolong the lease; called once a second, on the heart's own thread and connection."""


H = TypeVar("H", bound=Held)


@dataclass(slots=True, eq=False, kw_only=True)
class Hold:
    """Hold what the heartbeat knows of a claim; the worker reads it, the heartbeat writes it."""

    root_id: uuid.UUID
    fence: int
    lost: bool = False
    cancel_requested: bool = False
    _changed: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until the claim is lost or cancelled, and tell whether it is."""
        return self._changed.wait(timeout_seconds)

    def beat(self) -> None:
        """Prolong the claim, and learn what has become of it."""
        self.learn(heartbeat(root_id=self.root_id, fence=self.fence))

    def learn(self, beat: Beat) -> None:
        """Take what a heartbeat learnt."""
        self.lost = self.lost or not beat.held
        self.cancel_requested = self.cancel_requested or beat.cancel_requested
        if self.lost or self.cancel_requested:
            self._changed.set()


class Heart:
    """Beat for what this process holds, on a thread and a connection of its own."""

    def __init__(self, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._beat_seconds = beat_seconds
        self._holds: dict[Held, None] = {}
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, hold: H) -> Iterator[H]:
        """Keep what is held alive for as long as the block runs."""
        self.hold(hold)
        try:
            yield hold
        finally:
            self.let_go(hold)

    def hold(self, hold: Held) -> None:
        """Keep it alive until `let_go`."""
        with self._condition:
            self._holds[hold] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="stepline-heartbeat", daemon=True)
                self._thread.start()
            self._condition.notify()

    def let_go(self, hold: Held) -> None:
        """Keep it alive no more."""
        with self._condition:
            self._holds.pop(hold, None)

    def stop(self) -> None:
        """End the thread, and wait until it has closed its connection."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            while True:
                with self._condition:
                    self._condition.wait_for(lambda: self._stopping or bool(self._holds))
                    # A claim that ends within a second needs no beat: its lease is far longer.
                    self._condition.wait_for(lambda: self._stopping, timeout=self._beat_seconds)
                    if self._stopping:
                        return
                    holds = list(self._holds)
                for hold in holds:
                    self._beat(hold)
        finally:
            connections.close_all()

    def _beat(self, hold: Held) -> None:
        try:
            hold.beat()
        except Error as error:
            # The lease outlives several missed beats; the fence decides in the end.
            logger.warning("A heartbeat of task %s failed: %s", hold.root_id, error)
            connection.close_if_unusable_or_obsolete()


_heart: Heart | None = None
_heart_pid = 0


def process_heart() -> Heart:
    """Return this process's heart. Threads don't survive a fork, so a child process makes its own."""
    global _heart, _heart_pid
    if _heart is None or _heart_pid != os.getpid():
        _heart, _heart_pid = Heart(), os.getpid()
    return _heart


def stop_heart() -> None:
    """End this process's heart, if there is one."""
    global _heart  # noqa: PLW0603
    if _heart is not None and _heart_pid == os.getpid():
        _heart.stop()
    _heart = None
