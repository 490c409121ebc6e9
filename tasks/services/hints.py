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
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import Producer

from tasks.services.committing import after_commit
from tasks.services.cursors import is_postgresql

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
#: An insert that takes longer is hinted again: workers don't look again for as long.
EARLY_SECONDS = 0.003
#: The header of a hint that leaves before its job is committed. A worker of an older release doesn't look at it.
EARLY = "stepline_early"
#: Worker slots per queue, unless the setting STEPLINE_WORKER_SLOTS says otherwise: more hints at once are of no use.
WORKER_SLOTS = 8


def hint_after_commit(queue: str) -> None:
    """Send a hint once the current transaction has committed; at once where there is none. Never waits or raises."""
    after_commit(_put, queue)


def hint_early(queue: str) -> float | None:
    """Send a hint for a job that is about to be inserted and committed by one statement; return when that was.

    On its way to a worker it takes longer than the statement, so that the job is there when it arrives; and it says
    that it is early, so that the worker looks again where the job isn't there yet. Returns None, and sends nothing,
    inside a transaction, whose commit may take its time. `hint_committed` does the rest.
    """
    if transaction.get_connection().in_atomic_block:
        return None
    _put(queue, early=True)
    if not is_postgresql():
        # Lets the interpreter go, so that the hint is on its way before the statement is put together. While PostgreSQL
        # carries the statement out it is let go anyway; a hint that left before would arrive before the job.
        sleep(0)
    return monotonic()


def hint_committed(queue: str, early_at: float | None) -> None:
    """Send a hint once a job is committed, unless an early one is still on its way."""
    if early_at is None:
        hint_after_commit(queue)
    elif monotonic() - early_at > EARLY_SECONDS:
        _put(queue)


def send_hint(queue: str, *, count: int = 1, early: bool = False) -> bool:
    """Tell the workers of `queue` that there is work, and return whether the broker took it; never raises.

    The message is written here rather than by `send_task`, which asks a router, a result backend and the broker's
    exchange what is known beforehand: a task message of version 2 (Celery's protocol) straight to the queue.
    """
    try:
        producer = _producer()
        for _ in range(count):
            identity = str(uuid.uuid4())
            producer.publish(
                ((queue,), {}, _NO_CANVAS),
                exchange="",
                routing_key=queue,
                serializer="json",
                headers={**_HEADERS, "id": identity, "root_id": identity, "argsrepr": f"({queue!r},)", EARLY: early},
                correlation_id=identity,
                retry=False,
            )
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own, and not all of them are wrapped
        _local.producer = None
        logger.warning("The broker took no hint for queue %r (%s); the dispatcher will send it again.", queue, error)
        return False
    return True


class _Local(threading.local):
    """Keep what sends hints for this thread, and in which process it was made: a fork must not share its connection."""

    producer: Producer | None = None
    pid = 0


_local = _Local()


def _producer() -> Producer:
    producer = _local.producer
    if producer is None or _local.pid != os.getpid():
        producer = Producer(current_app.connection_for_write(), auto_declare=False)
        _keep_client(producer)
        _local.producer, _local.pid = producer, os.getpid()
    return producer


def _keep_client(producer: Producer) -> None:
    """Let kombu's channel to a Redis use one client: it makes one for each message, at half of what that costs."""
    channel: Any = producer.channel
    make = getattr(channel, "_create_client", None)
    if make is not None:
        client = make()
        channel._create_client = lambda *_, **__: client


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
        self._queue: SimpleQueue[tuple[str, bool] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="stepline-hints", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    def put(self, queue: str, *, early: bool = False) -> None:
        self._queue.put((queue, early))

    def _work(self) -> None:
        paused_until = 0.0
        sent_at: dict[str, float] = {}
        while (first := self._queue.get()) is not None:
            wanted = [first]
            now = monotonic()
            if now - sent_at.get(first[0], 0.0) < GATHER_SECONDS:
                sleep(GATHER_SECONDS)
                now += GATHER_SECONDS
            ending = self._gather(wanted)
            early = {name for name, is_early in wanted if is_early}
            for name, count in Counter(name for name, _ in wanted).items():
                sent_at[name] = now
                most = int(getattr(settings, "STEPLINE_WORKER_SLOTS", WORKER_SLOTS))
                if now >= paused_until and not send_hint(name, count=min(count, most), early=name in early):
                    paused_until = monotonic() + PAUSE_SECONDS
            if ending:
                return

    def _gather(self, wanted: list[tuple[str, bool]]) -> bool:
        """Take what else is there, and tell whether the end is among it."""
        while True:
            try:
                following = self._queue.get_nowait()
            except Empty:
                return False
            if following is None:
                return True
            wanted.append(following)

    def _close(self) -> None:
        self._queue.put(None)
        self._thread.join(EXIT_SECONDS)


_guard = threading.Lock()
_hinter: _Hinter | None = None
_hinter_pid = 0


def _put(queue: str, *, early: bool = False) -> None:
    global _hinter, _hinter_pid
    with _guard:
        # Threads don't survive a fork, so a child process makes its own.
        if _hinter is None or _hinter_pid != os.getpid():
            _hinter, _hinter_pid = _Hinter(), os.getpid()
        _hinter.put(queue, early=early)
