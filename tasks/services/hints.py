"""Messages that say no more than "this queue has work". The rows are the truth; a lost hint only costs time.

Hints leave from a thread of their own: a broker that is down makes its driver wait and try again for seconds, and
neither a request nor a worker has seconds to give.
"""

import atexit
import logging
import os
import threading
import uuid
from collections import Counter
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic, sleep

from celery import current_app
from django.conf import settings
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
#: Hints that follow one for the same queue within this time are sent together.
GATHER_SECONDS = 0.005
#: Worker slots per queue, unless the setting STEPLINE_WORKER_SLOTS says otherwise: more hints at once are of no use.
WORKER_SLOTS = 8


def hint_after_commit(queue: str) -> None:
    """Send a hint once the current transaction has committed; at once where there is none. Never waits or raises."""
    # Robust: the row is saved, so nothing that happens to the hint may turn this into an error.
    transaction.on_commit(partial(_put, queue), robust=True)


def send_hint(queue: str, *, count: int = 1) -> bool:
    """Tell the workers of `queue` that there is work, and return whether the broker took it; never raises.

    The message is written here rather than by `send_task`, which asks a router, a result backend and the broker's
    exchange what is known beforehand: a task message of version 2 (Celery's protocol) straight to the queue.
    """
    try:
        with current_app.producer_or_acquire(None) as producer:
            for _ in range(count):
                identity = str(uuid.uuid4())
                producer.publish(
                    ((queue,), {}, _NO_CANVAS),
                    exchange="",
                    routing_key=queue,
                    serializer="json",
                    headers={**_HEADERS, "id": identity, "root_id": identity, "argsrepr": f"({queue!r},)"},
                    correlation_id=identity,
                    retry=False,
                )
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own, and not all of them are wrapped
        logger.warning("The broker took no hint for queue %r (%s); the dispatcher will send it again.", queue, error)
        return False
    return True


_NO_CANVAS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_HEADERS = {
    "lang": "py", "task": WORK_TASK, "shadow": None, "eta": None, "expires": None, "group": None, "retries": 0,
    "timelimit": [None, None], "parent_id": None, "kwargsrepr": "{}", "origin": "stepline", "ignore_result": True,
}  # fmt: skip


class _Hinter:
    """Send hints from one thread, in order.

    The first one leaves at once. Those that follow it closely are gathered: workers work on as long as something is
    due, so that as many hints as there are workers do for any number of jobs.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="stepline-hints", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    def put(self, queue: str) -> None:
        self._queue.put(queue)

    def _work(self) -> None:
        paused_until = 0.0
        sent_at: dict[str, float] = {}
        while (queue := self._queue.get()) is not None:
            wanted = Counter([queue])
            now = monotonic()
            if now - sent_at.get(queue, 0.0) < GATHER_SECONDS:
                sleep(GATHER_SECONDS)
                now += GATHER_SECONDS
            ending = self._gather(wanted)
            for name, count in wanted.items():
                sent_at[name] = now
                most = int(getattr(settings, "STEPLINE_WORKER_SLOTS", WORKER_SLOTS))
                if now >= paused_until and not send_hint(name, count=min(count, most)):
                    paused_until = monotonic() + PAUSE_SECONDS
            if ending:
                return

    def _gather(self, wanted: Counter[str]) -> bool:
        """Take what else is there, and tell whether the end is among it."""
        while True:
            try:
                queue = self._queue.get_nowait()
            except Empty:
                return False
            if queue is None:
                return True
            wanted[queue] += 1

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
