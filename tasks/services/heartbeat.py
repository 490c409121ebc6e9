"""The thread that keeps alive what a process holds, and hears of cancellations: one per process."""

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import ClassVar, Protocol, TypeVar

from django.db import OperationalError, connection, connections

from tasks.services import dead_man, sql
from tasks.services.claims import lease_seconds

logger = logging.getLogger(__name__)

#: Time between two heartbeats; also how soon a worker hears of a cancellation.
BEAT_SECONDS = 1.0
#: How long a heartbeat waits for a lock.
WAIT_MILLISECONDS = 500


class Held(Protocol):
    """Say what the heart keeps alive: a claim of a job, or a tree that has a writer and no job."""

    @property
    def root_id(self) -> uuid.UUID:
        """The root that it is about."""

    @property
    def ends_process(self) -> bool:
        """Whether this process must end once the lease can't be prolonged: somebody else does the work then."""

    def beat(self) -> None:
        """Prolong the lease; called once a second, on the heart's own thread and connection."""

    def keep(self) -> None:
        """Take notice that the lease couldn't be prolonged, but that nobody else could have ended it either."""

    def look(self) -> None:
        """See what is to be done; called after each beat, whether it succeeded or not."""

    def next_look_seconds(self) -> float | None:
        """Return in how many seconds to look again, where that is to be sooner than the next beat."""


class Leased:
    """Be something whose lease is all that the heart looks after: nobody takes it over when that runs out."""

    ends_process: ClassVar[bool] = False

    def keep(self) -> None:
        """Do nothing: the next beat prolongs it."""

    def look(self) -> None:
        """Do nothing: who works on it looks out for its end."""

    def next_look_seconds(self) -> float | None:
        """Return None: there is no time limit."""
        return None


H = TypeVar("H", bound=Held)


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
        if hold.ends_process and not dead_man.is_armed():
            dead_man.arm(lease_seconds())
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
        last_beat = 0.0
        try:
            while True:
                with self._condition:
                    if not any(hold.ends_process for hold in self._holds):
                        dead_man.disarm()
                    self._condition.wait_for(lambda: self._stopping or bool(self._holds))
                    # A claim that ends within a second needs no beat: its lease is far longer.
                    self._condition.wait_for(lambda: self._stopping, timeout=self._pause())
                    if self._stopping:
                        return
                    holds = list(self._holds)
                if monotonic() - last_beat >= self._beat_seconds * 0.9:
                    last_beat = monotonic()
                    self._beat_all(holds)
                for hold in holds:
                    self._look(hold)
        finally:
            dead_man.disarm()
            connections.close_all()

    def _pause(self) -> float:
        # A time limit that is over sooner than the next beat is looked at then.
        sooner = (hold.next_look_seconds() for hold in self._holds)
        return min([self._beat_seconds, *(seconds + 0.005 for seconds in sooner if seconds is not None)])

    def _beat_all(self, holds: list[Held]) -> None:
        began = monotonic()
        kept = [hold.ends_process for hold in holds if self._beat(hold)]
        if any(kept) and sum(kept) == sum(hold.ends_process for hold in holds):
            # The leases count from when they were prolonged, not from here.
            dead_man.arm(max(0.1, lease_seconds() - (monotonic() - began)))

    def _beat(self, hold: Held) -> bool:
        try:
            self._prepare_connection()
            hold.beat()
        except OperationalError as error:
            if sql.is_lock_error(error):
                # As long as somebody else has the lock, nobody can take this claim away. It may be the very work that
                # it is about, in a transaction of its own.
                hold.keep()
                return True
            return self._has_failed(hold, error)
        except Exception as error:  # noqa: BLE001 - everything that this process holds depends on this thread
            return self._has_failed(hold, error)
        return True

    def _has_failed(self, hold: Held, error: Exception) -> bool:
        # The lease outlives several missed beats; the fence decides in the end.
        logger.warning("A heartbeat of task %s failed: %s", hold.root_id, error)
        connection.close_if_unusable_or_obsolete()
        return False

    def _look(self, hold: Held) -> None:
        try:
            hold.look()
        except Exception:
            logger.exception("What to do about task %s could not be found out.", hold.root_id)

    def _prepare_connection(self) -> None:
        if connection.connection is not None:
            return
        # Not for as long as others may wait: the time limits of what is held are looked after by this thread, too.
        sql.limit_lock_wait(WAIT_MILLISECONDS)


_heart: Heart | None = None
_heart_pid = 0
_guard = threading.Lock()


def process_heart() -> Heart:
    """Return this process's heart. Threads don't survive a fork, so a child process makes its own."""
    global _heart, _heart_pid
    with _guard:
        if _heart is None or _heart_pid != os.getpid():
            _heart, _heart_pid = Heart(), os.getpid()
        return _heart


def stop_heart() -> None:
    """End this process's heart, if there is one."""
    global _heart
    with _guard:
        heart, _heart = _heart, None
    if heart is not None and _heart_pid == os.getpid():
        heart.stop()


def _renew_after_fork() -> None:
    # The lock may have been held at the time of the fork.
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_renew_after_fork)
