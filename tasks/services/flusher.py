"""The thread that writes progress between checkpoints: one per process, at most one write per recorder and 100 ms."""

import logging
import os
import threading
from time import monotonic

from django.db import DatabaseError, connection, connections

from tasks.services.recorder import FLUSH_SECONDS, Recorder

logger = logging.getLogger(__name__)

#: How long the first report after a quiet time is held, so that a quick action reaches its checkpoint first and costs
#: no write of its own.
GRACE_SECONDS = 0.005
#: SQLite has one writer: progress waits this long for it, then tries again at the next tick.
SQLITE_WAIT_MILLISECONDS = 50


class Flusher:
    """Flush the recorders that ask for it, on a thread and a connection of its own."""

    def __init__(self) -> None:
        self._wanted: dict[Recorder, None] = {}
        self._condition = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def schedule(self, recorder: Recorder) -> None:
        """Take a note that `recorder` has something to write."""
        with self._condition:
            self._wanted[recorder] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="stepline-flusher", daemon=True)
                self._thread.start()
            self._condition.notify()

    def forget(self, recorder: Recorder) -> None:
        """Drop the note: the recorder's claim is over."""
        with self._condition:
            self._wanted.pop(recorder, None)

    def stop(self) -> None:
        """End the thread, and wait until it has closed its connection."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            while (due := self._next_due()) is not None:
                for recorder in due:
                    self._flush(recorder)
        finally:
            connections.close_all()

    def _flush(self, recorder: Recorder) -> None:
        try:
            self._prepare_connection()
            recorder.flush()
        except Exception:
            # All recorders of this process depend on this thread.
            logger.exception("A flush of task %s failed.", recorder.root_id)

    def _next_due(self) -> list[Recorder] | None:
        """Wait until some recorder is due, and return those that are; None when the flusher stops."""
        with self._condition:
            while True:
                if self._stopping:
                    return None
                if not self._wanted:
                    self._condition.wait()
                    continue
                now = monotonic()
                # The grace counts from here; a recorder flushed lately waits out its interval.
                waits = [max(GRACE_SECONDS, recorder.last_flush + FLUSH_SECONDS - now) for recorder in self._wanted]
                self._condition.wait_for(lambda: self._stopping, timeout=min(waits))
                now = monotonic()
                due = [recorder for recorder in self._wanted if recorder.last_flush + FLUSH_SECONDS <= now]
                for recorder in due:
                    del self._wanted[recorder]
                if due:
                    return due

    def _prepare_connection(self) -> None:
        if connection.connection is not None or connection.vendor != "sqlite":
            return
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {SQLITE_WAIT_MILLISECONDS}")
        except DatabaseError:
            connection.close_if_unusable_or_obsolete()


_flusher: Flusher | None = None
_flusher_pid = 0


def process_flusher() -> Flusher:
    """Return this process's flusher. Threads don't survive a fork, so a child process makes its own."""
    global _flusher, _flusher_pid
    if _flusher is None or _flusher_pid != os.getpid():
        _flusher, _flusher_pid = Flusher(), os.getpid()
    return _flusher


def stop_flusher() -> None:
    """End this process's flusher, if there is one."""
    global _flusher  # noqa: PLW0603
    if _flusher is not None and _flusher_pid == os.getpid():
        _flusher.stop()
    _flusher = None
