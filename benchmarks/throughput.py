"""How long a job of many takes that do nothing, beside Celery with django-celery-results.

One process enqueues all of them, one after the other, while a worker of two processes works them off; then the other
side does. Both keep their results in a database of the same kind. A job is done when its body has noted the time; that
is what the goal is about, and how long it takes until the last result is stored is told beside it.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from django.conf import settings

from benchmarks import throughput_tables
from benchmarks.figures import Figure, beside_peer, rounded
from benchmarks.jobs import NOOP_JOB
from benchmarks.measuring import take_turns
from benchmarks.peers import celery_results
from benchmarks.programs import Programs
from benchmarks.results_workers import WORKERS, start_results_workers
from benchmarks.stack import WORKER_PROCESSES, running_base, start_service, wait_until
from benchmarks.stamps import read_stamps
from benchmarks.surroundings import own_postgres_database
from tasks.domain.statuses import JobStatus
from tasks.models import Job
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner

#: Ours / the peer's time for a job: at least 0.9 times as many jobs a second.
GOAL_RATIO = 1 / 0.9
JOBS, QUICK_JOBS = 1_000, 200
OLD_JOBS = 20_000
#: Enough for each process of a worker to have worked.
_WARM_UP_JOBS = 10 * WORKER_PROCESSES
_DONE_SECONDS = 60.0

#: Milliseconds a job: until the last is done, and until the last result is stored.
Times = tuple[float, float]


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on a database that was just made; on PostgreSQL also on one that is full, with fresh statistics."""
    jobs = QUICK_JOBS if quick else JOBS
    with running_base() as programs:
        if settings.ENVIRONMENT.uses_sqlite:
            url = f"sqlite:///{settings.ENVIRONMENT.data_dir / 'peer.sqlite3'}"
            sides = _start(programs, peer_database=url)
            yield from _figures("SQLite, new database", sides, jobs=jobs, runs=runs)
            return
        own_url = os.environ["DATABASE_URL"]
        with own_postgres_database(own_url) as peer_url:
            sides = _start(programs, peer_database=peer_url)
            for url in (own_url, peer_url):
                throughput_tables.leave_alone(url)
            yield from _figures("PostgreSQL, new database", sides, jobs=jobs, runs=runs)
            for url in (own_url, peer_url):
                throughput_tables.check_unknown_to_planner(url)
            throughput_tables.add_old_jobs(own_url, number=OLD_JOBS)
            throughput_tables.add_old_results(peer_url, number=OLD_JOBS)
            for url in (own_url, peer_url):
                throughput_tables.analyze(url)
            yield from _figures(f"PostgreSQL, {OLD_JOBS:,} old ones, analysed", sides, jobs=jobs, runs=runs)


class Sides:
    """Send jobs to the one or the other side and wait for them; the jobs of each time are told apart by their file."""

    def __init__(self, *, peer_database: str) -> None:
        self._peer_database = peer_database
        self._files = count()

    def ours(self, jobs: int) -> Times:
        """Enqueue through us, each job in a transaction of its own."""
        owner = Owner(session_key="bench")
        return self._time(
            "ours",
            lambda file, key: enqueue(NOOP_JOB, arguments={"file": file, "key": key}, owner=owner),
            lambda: Job.objects.filter(status=JobStatus.COMPLETED.value).count(),
            jobs=jobs,
        )

    def peer(self, queue: str, jobs: int) -> Times:
        """Send a task with each call to a peer's queue."""
        return self._time(
            queue,
            lambda file, key: celery_results.noop.apply_async((file, key), queue=queue),
            lambda: throughput_tables.count_results(self._peer_database),
            jobs=jobs,
        )

    def _time(
        self, side: str, send: Callable[[str, str], object], count_stored: Callable[[], int], *, jobs: int
    ) -> Times:
        file = Path(settings.ENVIRONMENT.data_dir) / f"{side}-{next(self._files)}"
        wanted = count_stored() + jobs
        started = time.monotonic()
        for number in range(jobs):
            send(str(file), str(number))
        sent = time.monotonic()

        def all_done() -> bool:
            # Lines are counted first: reading them all each time would take from what is measured.
            return file.exists() and file.read_bytes().count(b"\n") >= jobs and len(read_stamps(file)) == jobs

        wait_until(all_done, what=f"{side}: jobs that are done", timeout_seconds=_DONE_SECONDS)
        done = max(read_stamps(file).values())
        # Bodies that are done say nothing of what is kept: a side that loses results would be quick.
        wait_until(lambda: count_stored() >= wanted, what=f"{side}: stored results", timeout_seconds=_DONE_SECONDS)
        stored = time.monotonic()
        assert count_stored() == wanted, (side, count_stored(), wanted)
        print(
            f"  {side}: {jobs} jobs, {jobs / (done - started):.0f} a second until the last was done,"
            f" {jobs / (stored - started):.0f} until the last was stored,"
            f" {jobs / (sent - started):.0f} until the last was sent",
            file=sys.stderr,
        )
        return (done - started) / jobs * 1e3, (stored - started) / jobs * 1e3


def _start(programs: Programs, *, peer_database: str) -> Sides:
    start_service(programs, "dispatcher")
    start_service(programs, "worker")
    start_results_workers(programs, database=peer_database)
    sides = Sides(peer_database=peer_database)
    sides.ours(_WARM_UP_JOBS)
    for queue in WORKERS:
        sides.peer(queue, _WARM_UP_JOBS)
    return sides


def _figures(where: str, sides: Sides, *, jobs: int, runs: int) -> Iterator[Figure]:
    for queue, worker in WORKERS.items():
        peer = f"Celery no-op, django-celery-results, {worker}"
        pairs = take_turns(lambda: sides.ours(jobs), partial(sides.peer, queue, jobs), runs=runs, warm_up=False)
        yield beside_peer(
            f"jobs beside {queue} Celery: one of {jobs:,}, {where}",
            [(ours[0], theirs[0]) for ours, theirs in pairs],
            unit="ms",
            peer=peer,
            goal=rounded(GOAL_RATIO),
        )
        stored = [(ours[1], theirs[1]) for ours, theirs in pairs]
        yield beside_peer(
            f"jobs beside {queue} Celery: until all results are stored, {where}", stored, unit="ms", peer=peer
        )
