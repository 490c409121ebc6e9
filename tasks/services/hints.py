"""Messages that say no more than "this queue has work". The rows are the truth; a lost hint only costs time.

Hints leave from a thread of their own: a broker that is down makes its driver wait and try again for seconds, and
neither a request nor a worker has seconds to give.
"""

import atexit
import logging
import os
import threading
from functools import partial
from queue import SimpleQueue
from time import monotonic

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

#: The Celery task that takes a hint.
WORK_TASK = "tasks.work"
#: The Celery task that Celery beat sends on a schedule, with a job's name.
SCHEDULED_TASK = "tasks.enqueue_scheduled"
#: After a failure, leave the broker alone this long; the dispatcher hints again for what is dropped meanwhile.
PAUSE_SECONDS = 2.0
#: How long a process that ends waits for its last hints.
EXIT_SECONDS = 1.0


def hint_after_commit(queue: str) -> None:
    """Send a hint once the current transaction has committed; at once where there is none. Never waits or raises."""
    # Robust: the row is saved, so nothing that happens to the hint may turn this into an error.
    transaction.on_commit(partial(_put, queue), robust=True)


def send_hint(queue: str) -> bool:
    """Tell the workers of `queue` that there is work, and return whether the broker took it; never raises."""
    try:
        current_app.send_task(WORK_TASK, args=(queue,), queue=queue, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own, and not all of them are wrapped
        logger.warning("The broker took no hint for queue %r (%s); the dispatcher will send it again.", queue, error)
        return False
    return True


class _Hinter:
    """Send hints from one thread, in order."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="stepline-hints", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    def put(self, queue: str) -> None:
        self._queue.put(queue)

    def _work(self) -> None:
        paused_until = 0.0
        while (queue := self._queue.get()) is not None:
            if monotonic() >= paused_until and not send_hint(queue):
                paused_until = monotonic() + PAUSE_SECONDS

    def _close(self) -> None:
        self._queue.put(None)
        self._thread.join(EXIT_SECONDS)


_guard = threading.Lock()
_hinter: _Hinter | None = None
_hinter_pid = 0


def _put(queue: str) -> None:
    global _hinter, _hinter_pid
    with _guard:
        # Threads don't survive a fork, so a child process makes its own.
        if _hinter is None or _hinter_pid != os.getpid():
            _hinter, _hinter_pid = _Hinter(), os.getpid()
        _hinter.put(queue)
