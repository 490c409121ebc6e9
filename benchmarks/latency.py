"""How long an idle worker takes from `enqueue` to the end of a job that does nothing, beside a bare Celery task.

Both workers run at the same time, on one broker, with the same options. Jobs go one at a time to the one and to the
other, at random moments. A job is done when its body has noted the time, so that storing a result counts for neither.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median

from django.conf import settings

from benchmarks.figures import Figure, beside_peer
from benchmarks.jobs import NOOP_JOB
from benchmarks.measuring import random_gaps
from benchmarks.peers import bare_celery
from benchmarks.stack import broker_url, running_base, start_bare_worker, start_service, wait_until
from benchmarks.stamps import read_stamps
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner

GOAL_RATIO = 1.5
JOBS, QUICK_JOBS = 50, 10
#: Enough for each process of both workers to have worked once.
_WARM_UP_JOBS = 6
_SHORTEST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 0.05, 0.25
_DONE_SECONDS = 20.0


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    with running_base() as programs:
        # For this process, which sends, and for the worker, which is told by its environment.
        bare_celery.app.conf.update(broker_url=broker_url())
        os.environ[bare_celery.BROKER_VARIABLE] = broker_url()
        start_service(programs, "dispatcher")
        start_service(programs, "worker")
        start_bare_worker(programs, app="benchmarks.peers.bare_celery", queue=bare_celery.QUEUE)
        folder = Path(settings.ENVIRONMENT.data_dir)
        one_run(folder / "warm-up", jobs=_WARM_UP_JOBS)
        pairs = [one_run(folder / f"run-{run}", jobs=QUICK_JOBS if quick else JOBS) for run in range(runs)]
    database = "SQLite" if settings.ENVIRONMENT.uses_sqlite else "PostgreSQL"
    yield beside_peer(
        f"jobs: idle enqueue to done, p50, {database}",
        pairs,
        unit="ms",
        peer="bare Celery no-op, same broker, equal worker",
        goal=GOAL_RATIO,
    )


def one_run(file: Path, *, jobs: int) -> tuple[float, float]:
    """Send jobs to both sides in turn; return the medians in milliseconds, ours first."""
    sides: dict[str, Callable[[str], object]] = {
        "ours": lambda key: enqueue(
            NOOP_JOB, arguments={"file": str(file), "key": key}, owner=Owner(session_key="bench")
        ),
        "peer": lambda key: bare_celery.noop.apply_async((str(file), key)),
    }
    gaps = random_gaps(shortest_seconds=_SHORTEST_GAP_SECONDS, longest_seconds=_LONGEST_GAP_SECONDS)
    sent: dict[str, float] = {}
    accepted: dict[str, float] = {}
    for number, gap in enumerate(islice(gaps, 2 * jobs)):
        time.sleep(gap)
        side = "peer" if number % 2 else "ours"
        key = f"{side}-{number}"
        sent[key] = time.monotonic()
        sides[side](key)
        accepted[key] = time.monotonic()
    wait_until(lambda: len(read_stamps(file)) >= len(sent), what="jobs that are done", timeout_seconds=_DONE_SECONDS)
    done = read_stamps(file)

    def p50(side: str, until: dict[str, float]) -> float:
        return median(until[key] - sent[key] for key in sent if key.startswith(side)) * 1e3

    result = p50("ours", done), p50("peer", done)
    print(
        f"  {jobs} jobs: ours {result[0]:.2f} ms (the call itself {p50('ours', accepted):.2f}),"
        f" peer {result[1]:.2f} ms (the call itself {p50('peer', accepted):.2f})",
        file=sys.stderr,
    )
    return result
