"""Runs of ten actions through the queue, each action with its checkpoint and its live update, beside what others take.

A worker of two processes carries ours out. What counts is when the last action, step or task of a run has noted the
time, so that storing a run's end counts for nobody; afterwards each side must have kept every run.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path
from statistics import median

from django.conf import settings

from benchmarks.asking import start_peer
from benchmarks.background import publish_process
from benchmarks.databases import database_name, dbos_url, peer_url, uses_sqlite
from benchmarks.figures import Figure, beside_peer, rounded
from benchmarks.measuring import random_gaps, take_turns
from benchmarks.peers_environment import peers_python
from benchmarks.prefect_server import start_prefect
from benchmarks.programs import Programs
from benchmarks.results_workers import WORKERS, start_results_workers
from benchmarks.run_sides import Chains, Ours, Side, Workflows
from benchmarks.scripts import NOOP, TELL
from benchmarks.stack import WORKER_PROCESSES, running_base, start_service, wait_until
from benchmarks.stamps import read_stamps

LENGTH = 10
RUNS, QUICK_RUNS = 200, 40
#: Runs that go one at a time, each to a side that is idle.
SINGLE_RUNS, QUICK_SINGLE_RUNS = 30, 6
#: The end of each flow takes a second.
PREFECT_RUNS, QUICK_PREFECT_RUNS = 8, 3
_WARM_UP_RUNS = 5 * WORKER_PROCESSES
_SHORTEST_GAP_SECONDS, _LONGEST_GAP_SECONDS = 0.05, 0.15
_DONE_SECONDS = 90.0
#: Our time for a run / the peer's, on SQLite and on PostgreSQL.
GOAL_DBOS = {"SQLite": rounded(1 / 3.5), "PostgreSQL": 0.5}
GOAL_CHAIN = {"SQLite": rounded(1 / 4.5), "PostgreSQL": rounded(1 / 3)}
GOAL_DBOS_P50 = {"SQLite": None, "PostgreSQL": 0.7}
GOAL_PREFECT_P50 = 0.5


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    with ExitStack() as stack, running_base() as programs:
        python = peers_python()
        start_service(programs, "dispatcher")
        start_service(programs, "worker")
        ours = Ours(publish_process("ten", [*[NOOP] * (LENGTH - 1), TELL]))
        chains = _chains(programs, stack)
        both, one = (None, None) if python is None else _workflows(programs, stack, python)
        for side in (ours, *chains, *([both] if both else [])):
            many(side, _WARM_UP_RUNS)
        yield from _many(ours, [*([both] if both else []), *chains], runs=runs, number=QUICK_RUNS if quick else RUNS)
        yield from _single(
            ours,
            [*([one] if one else []), *chains],
            runs=runs,
            number=QUICK_SINGLE_RUNS if quick else SINGLE_RUNS,
        )
        if python is not None and uses_sqlite():
            number = QUICK_PREFECT_RUNS if quick else PREFECT_RUNS
            yield _beside_prefect(ours, programs, python, runs=runs, number=number)


def _chains(programs: Programs, stack: ExitStack) -> list[Chains]:
    database = peer_url(stack, "results")
    start_results_workers(programs, database=database)
    return [Chains(queue=queue, length=LENGTH, worker=worker, database=database) for queue, worker in WORKERS.items()]


def _workflows(programs: Programs, stack: ExitStack, python: str) -> tuple[Workflows, Workflows]:
    """Start as many processes as our worker has; return all of them, and one of them, which is enough for one run."""
    url, note = dbos_url(stack), ", its file in WAL mode" if uses_sqlite() else ""
    peers = [
        start_peer(programs, python, "dbos_workflows", url, f"executor-{number}", mark=f"-{number}")
        for number in range(WORKER_PROCESSES)
    ]
    return Workflows(peers, length=LENGTH, note=note), Workflows(peers[:1], length=LENGTH, note=note)


_files = count()


def many(side: Side, number: int) -> float:
    """Begin so many runs one after the other, and return the milliseconds of one until the last has told its end."""
    file = Path(settings.ENVIRONMENT.data_dir) / f"runs-{side.name}-{next(_files)}"
    wanted = side.kept() + number
    called = time.monotonic()
    started = side.begin(str(file), [str(key) for key in range(number)]) or called
    begun = time.monotonic()

    def all_done() -> bool:
        return file.exists() and file.read_bytes().count(b"\n") >= number and len(read_stamps(file)) == number

    wait_until(all_done, what=f"{side.name}: runs that are done", timeout_seconds=_DONE_SECONDS)
    seconds = max(read_stamps(file).values()) - started
    wait_until(lambda: side.kept() >= wanted, what=f"{side.name}: runs that are kept", timeout_seconds=_DONE_SECONDS)
    assert side.kept() == wanted, (side.name, side.kept(), wanted)
    if number > 1:
        print(
            f"  {side.name}: {number} runs, {number / seconds:.0f} a second, all begun after {begun - called:.2f} s",
            file=sys.stderr,
        )
    return seconds / number * 1e3


def _many(ours: Side, peers: Sequence[Side], *, runs: int, number: int) -> Iterator[Figure]:
    for side in peers:
        goal = GOAL_DBOS if isinstance(side, Workflows) else GOAL_CHAIN if side.name.startswith("usual") else {}
        yield beside_peer(
            f"runs of {LENGTH} actions beside {side.name}: one of {number}, {database_name()}",
            take_turns(partial(many, ours, number), partial(many, side, number), runs=runs, warm_up=False),
            unit="ms",
            peer=side.peer,
            goal=goal.get(database_name()),
        )


def _single(ours: Side, peers: Sequence[Side], *, runs: int, number: int) -> Iterator[Figure]:
    """Let the sides have a run each in turn, at random moments; each figure compares the same runs of ours."""
    gaps = random_gaps(shortest_seconds=_SHORTEST_GAP_SECONDS, longest_seconds=_LONGEST_GAP_SECONDS)
    p50s: list[list[float]] = []
    for _ in range(runs):
        sides = [ours, *peers]
        times: list[list[float]] = [[] for _ in sides]
        for _ in range(number):
            for found, side, gap in zip(times, sides, islice(gaps, len(sides)), strict=True):
                time.sleep(gap)
                found.append(many(side, 1))
        p50s.append([median(found) for found in times])
        said = ", ".join(f"{side.name} {p50:.1f} ms" for side, p50 in zip(sides, p50s[-1], strict=True))
        print(f"  one run at a time: {said}", file=sys.stderr)
    for position, side in enumerate(peers, start=1):
        yield beside_peer(
            f"runs of {LENGTH} actions beside {side.name}: one alone, p50, {database_name()}",
            [(found[0], found[position]) for found in p50s],
            unit="ms",
            peer=side.peer,
            goal=GOAL_DBOS_P50[database_name()] if isinstance(side, Workflows) else None,
        )


def _beside_prefect(ours: Side, programs: Programs, python: str, *, runs: int, number: int) -> Figure:
    # Started only now: its server has much to do even when nothing runs.
    prefect = start_prefect(programs, python)
    gaps = random_gaps(shortest_seconds=_SHORTEST_GAP_SECONDS, longest_seconds=_LONGEST_GAP_SECONDS)
    prefect.ask("one", length=LENGTH)
    pairs: list[tuple[float, float]] = []
    for _ in range(runs):
        mine, theirs = [], []
        for gap in islice(gaps, number):
            time.sleep(gap)
            mine.append(many(ours, 1))
            theirs.append(prefect.ask("one", length=LENGTH) * 1e3)
        pairs.append((median(mine), median(theirs)))
    return beside_peer(
        f"runs of {LENGTH} actions beside prefect: one alone, p50, {database_name()}",
        pairs,
        unit="ms",
        peer=f"Prefect, the {LENGTH} tasks of a flow without what its end takes, SQLite",
        goal=GOAL_PREFECT_P50,
    )
