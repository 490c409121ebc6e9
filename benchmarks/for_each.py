"""How long `for_each` takes for an item of 100,000 that does nothing, beside Celery's own tasks that do nothing.

Ours stores the items, spreads them over child runs of so many items each, stores a checkpoint for each item, rolls the
progress up, and goes on when all are done. Celery's sides are a task per item, sent in groups of the same size, and
its `chunks`, a task that goes through so many items in a loop; neither keeps anything. One worker of two processes
each.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from celery import group
from django.conf import settings

from benchmarks.background import Process, publish_definition
from benchmarks.databases import database_name
from benchmarks.figures import Figure, alone, beside_peer, rounded
from benchmarks.measuring import take_turns
from benchmarks.memory import family, peak_resident
from benchmarks.peers import bare_celery
from benchmarks.programs import Program
from benchmarks.stack import WORKER_PROCESSES, broker_url, running_base, start_bare_worker, start_service, wait_until
from benchmarks.stamps import read_stamps
from processes.domain.run_status import RunStatus
from processes.models import FanOut, Run

ITEMS, QUICK_ITEMS = 100_000, 2_000
BATCH = 100
#: What Celery is given of it, and what both get before it counts.
_WARM_UP_ITEMS = 4 * BATCH * WORKER_PROCESSES
_DONE_SECONDS = 900.0
#: Our time for an item / the peer's.
GOAL_RATIO = rounded(1 / 0.8)
GOAL_MIB = 200.0

_files = count()


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    items = QUICK_ITEMS if quick else ITEMS
    with running_base() as programs:
        bare_celery.app.conf.update(broker_url=broker_url())
        os.environ[bare_celery.BROKER_VARIABLE] = broker_url()
        services = [start_service(programs, name) for name in ("dispatcher", "worker")]
        start_bare_worker(programs, app="benchmarks.peers.bare_celery", queue=bare_celery.QUEUE)
        process = publish_definition("each", _DEFINITION)
        peers: dict[str, Callable[[int], float]] = {"a task per item, in groups": _tasks, "chunks": _chunks}
        for side in (partial(_ours, process), *peers.values()):
            side(_WARM_UP_ITEMS)
        for number, (what, peer) in enumerate(peers.items()):
            yield beside_peer(
                f"for_each beside {what}: one of {items:,}, {database_name()}",
                take_turns(partial(_ours, process, items), partial(peer, items), runs=runs, warm_up=False),
                unit="µs",
                peer=f"bare Celery, {what} of {BATCH}",
                goal=GOAL_RATIO if number == 0 else None,
            )
        yield alone(f"for_each: the most that a process held, {database_name()}", [_peak_mib(services)], unit="MiB",
                    goal=GOAL_MIB)  # fmt: skip


_DEFINITION = [
    {
        "name": "each",
        "script": "for_each",
        "config": {"items": "%{data:rows}", "action": "item", "batch": BATCH, "concurrency": WORKER_PROCESSES},
        "next": False,
    },
    {"name": "item", "script": "noop", "next": False},
]


def _ours(process: Process, items: int) -> float:
    """Return the microseconds of an item, from the beginning of the run until its end is stored."""
    started = time.monotonic()
    run_id = process.begin({"rows": list(range(items))})

    def has_ended() -> bool:
        return Run.objects.only("status").get(pk=run_id).status not in _UNDER_WAY

    wait_until(has_ended, what="a for_each", timeout_seconds=_DONE_SECONDS)
    seconds = time.monotonic() - started
    _check(run_id, items)
    return _said("ours", seconds, items)


def _tasks(items: int) -> float:
    return _celery(items, lambda file, first, last: group(
        bare_celery.item.si(file if number == last else "", str(number)) for number in range(first, last + 1)
    ).apply_async())  # fmt: skip


def _chunks(items: int) -> float:
    return _celery(items, lambda file, first, last: bare_celery.item.chunks(
        [(file if number == last else "", str(number)) for number in range(first, last + 1)], BATCH
    ).apply_async())  # fmt: skip


def _celery(items: int, send: Callable[[str, int, int], object]) -> float:
    file = Path(settings.ENVIRONMENT.data_dir) / f"items-{next(_files)}"
    batches = range(0, items, BATCH)
    started = time.monotonic()
    for first in batches:
        send(str(file), first, first + BATCH - 1)

    def all_done() -> bool:
        return file.exists() and file.read_bytes().count(b"\n") >= len(batches)

    wait_until(all_done, what="Celery's items", timeout_seconds=_DONE_SECONDS)
    return _said("Celery", max(read_stamps(file).values()) - started, items)


def _check(run_id: uuid.UUID, items: int) -> None:
    fan_out = FanOut.objects.get(run_id=run_id)
    assert (fan_out.completed, fan_out.failed) == (items, 0), (fan_out.completed, fan_out.failed)
    assert Run.objects.get(pk=run_id).status == RunStatus.COMPLETED.value, "the run has not ended well"


def _said(side: str, seconds: float, items: int) -> float:
    print(f"  {side}: {items:,} items, {items / seconds:,.0f} a second", file=sys.stderr)
    return seconds / items * 1e6


def _peak_mib(services: list[Program]) -> float:
    pids = [pid for service in services for pid in family(service.process.pid)]
    return max(peak_resident(pid) for pid in [*pids, os.getpid()]) / 1024**2


_UNDER_WAY = (RunStatus.CREATED.value, RunStatus.RUNNING.value, RunStatus.WAITING.value)
