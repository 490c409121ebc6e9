"""The thread that writes progress between checkpoints: one per process, at most one write per recorder and 100 ms."""

import atexit
import logging
import os
import threading
from time import monotonic

from django.db import DatabaseError, connection, connections

from tasks.services import sql
from tasks.services.buffer import Flushed

logger = logging.getLogger(__name__)

#: Shortest time between two flushes of one recorder.
FLUSH_SECONDS = 0.1
#: How long the first report after a quiet time is held, so that a quick action reaches its checkpoint first and costs
#: no write of its own.
GRACE_SECONDS = 0.005
#: How long a flush waits for a lock that somebody holds, then it tries again at the next tick: the trees of the whole
#: process wait behind it. SQLite has one writer, whose lock is everybody's.
WAIT_MILLISECONDS = {"sqlite": 50, "postgresql": 200}
#: How long a process that ends waits for what its recorders still have to write.
EXIT_SECONDS = 2.0


class Flusher:
    """Flush the recorders that ask for it, on a thread and a connection of its own."""

    def __init__(self) -> None:
        self._wanted: dict[Flushed, None] = {}
        self._urgent: set[Flushed] = set()
        #: What is being flushed at the moment.
        self._busy: list[Flushed] = []
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def schedule(self, recorder: Flushed) -> None:
        """Take a note that `recorder` has something to write."""
        self._want(recorder, urgent=False)

    def hurry(self, recorder: Flushed) -> None:
        """Flush `recorder` at once: somebody waits for it."""
        self._want(recorder, urgent=True)

    def _want(self, recorder: Flushed, *, urgent: bool) -> None:
        with self._condition:
            if recorder in self._wanted and not urgent:
                # The thread waits for it already. To wake it each time would cost the work more than its own report.
                return
            self._wanted[recorder] = None
            if urgent:
                self._urgent.add(recorder)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="stepline-flusher", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def forget(self, recorder: Flushed) -> None:
        """Drop the note: the recorder's claim is over."""
        with self._condition:
            self._wanted.pop(recorder, None)
            self._urgent.discard(recorder)

    def drain(self, timeout_seconds: float) -> bool:
        """Write everything that is wanted at once, and return whether that was done in time."""
        with self._condition:
            self._urgent.update(self._wanted)
            self._condition.notify_all()
            return self._condition.wait_for(lambda: not self._wanted and not self._busy, timeout=timeout_seconds)

    def stop(self) -> None:
        """End the thread, and wait until it has closed its connection."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            while self._flush_due():
                pass
        finally:
            connections.close_all()

    def _flush_due(self) -> bool:
        # In a function of its own, so that this thread keeps no recorder that nobody else holds while it waits.
        due = self._next_due()
        for recorder in due:
            self._flush(recorder)
        with self._condition:
            self._busy = []
            self._condition.notify_all()
        return bool(due)

    def _flush(self, recorder: Flushed) -> None:
        try:
            self._prepare_connection()
            recorder.flush()
        except Exception:
            # All recorders of this process depend on this thread.
            logger.exception("A flush of task %s failed.", recorder.root_id)

    def _next_due(self) -> list[Flushed]:
        """Wait until some recorder is due, and return those that are; none when the flusher stops."""
        with self._condition:
            while True:
                if self._stopping:
                    return []
                if not self._wanted:
                    self._condition.wait()
                    continue
                now = monotonic()
                # The grace counts from here; a recorder flushed lately waits out its interval.
                waits = [max(GRACE_SECONDS, recorder.last_flush + FLUSH_SECONDS - now) for recorder in self._wanted]
                self._condition.wait_for(lambda: self._stopping or bool(self._urgent), timeout=min(waits))
                now = monotonic()
                due = [
                    recorder
                    for recorder in self._wanted
                    if recorder in self._urgent or recorder.last_flush + FLUSH_SECONDS <= now
                ]
                for recorder in due:
                    del self._wanted[recorder]
                self._urgent.clear()
                if due and not self._stopping:
                    self._busy = due
                    return due

    def _prepare_connection(self) -> None:
        if connection.connection is not None or connection.vendor not in WAIT_MILLISECONDS:
            return
        try:
            sql.limit_lock_wait(WAIT_MILLISECONDS[connection.vendor])
        except DatabaseError:
            connection.close_if_unusable_or_obsolete()


_flusher: Flusher | None = None
_flusher_pid = 0
_guard = threading.Lock()


def process_flusher() -> Flusher:
    """Return this process's flusher. Threads don't survive a fork, so a child process makes its own."""
    global _flusher, _flusher_pid
    with _guard:
        if _flusher is None or _flusher_pid != os.getpid():
            _flusher, _flusher_pid = Flusher(), os.getpid()
        return _flusher


def stop_flusher() -> None:
    """End this process's flusher, if there is one."""
    global _flusher
    with _guard:
        flusher, _flusher = _flusher, None
    if flusher is not None and _flusher_pid == os.getpid():
        flusher.stop()


def _finish() -> None:
    flusher = _flusher
    if flusher is not None and _flusher_pid == os.getpid():
        flusher.drain(EXIT_SECONDS)


def _renew_after_fork() -> None:
    # The lock may have been held at the time of the fork.
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_renew_after_fork)
atexit.register(_finish)
