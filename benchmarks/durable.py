"""What a durable action costs that does nothing, beside a step of DBOS and of viewflow; and whether length matters.

Ours is carried out in a worker's claim, in this process: checkpoint, history, updates told on the channel layer, and
the look at whether the claim still holds or the run was cancelled. The peers do the same in processes of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.asking import AskedPeer, start_peer
from benchmarks.background import Process, count_completed, publish_process
from benchmarks.databases import database_name, dbos_url, django_database, uses_sqlite
from benchmarks.figures import Figure, alone, beside_peer, rounded
from benchmarks.measuring import seconds_of, take_turns
from benchmarks.peers_environment import peers_python
from benchmarks.programs import Programs
from benchmarks.scripts import MARK, marks
from benchmarks.stack import running_base
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.publish import flush_publisher
from tasks.services.work import work_off

SHORT, LONG = 100, 2_000
STEPS, QUICK_STEPS = 1_000, 200
#: Runs of `SHORT` in a sample.
_SHORT_RUNS, _QUICK_SHORT_RUNS = 5, 2
GOAL_FLATNESS = 1.1
#: 6 and 4 times as quick as a step of DBOS, 2.5 times as quick as one of viewflow.
GOAL_DBOS = {"SQLite": rounded(1 / 6), "PostgreSQL": 0.25}
GOAL_VIEWFLOW = 0.4


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure on the database that the settings name."""
    with ExitStack() as stack, running_base() as programs:
        sides = Sides()
        yield from _beside_peers(sides, programs, stack, runs=runs, quick=quick)
        yield from _flatness(sides, runs=runs, quick=quick)
        stop_flusher()
        stop_heart()
        flush_publisher()


class Sides:
    """Carry runs of ours out, here."""

    def __init__(self) -> None:
        self._processes: dict[int, Process] = {}

    def ours(self, length: int, *, runs: int = 1) -> float:
        """Return the microseconds of an action, from the claim of the run's job until its end is stored."""
        return sum(self._run(length) for _ in range(runs)) / runs / length * 1e6

    def between_actions(self, length: int, *, runs: int = 1) -> float:
        """Return the microseconds from the beginning of an action to that of the next: no share of the claim's own."""
        seconds = 0.0
        for _ in range(runs):
            marks.clear()
            self._run(length)
            assert len(marks) == length, len(marks)
            seconds += marks[-1] - marks[0]
        return seconds / runs / (length - 1) * 1e6

    def _run(self, length: int) -> float:
        process = self._processes.get(length)
        if process is None:
            process = self._processes[length] = publish_process(f"durable-{length}", [MARK] * length)
        before = count_completed()
        process.begin()
        worked: list[bool] = []
        seconds = seconds_of(lambda: worked.append(work_off("default")))
        # One that was given back after an error would be quick.
        assert worked == [True], worked
        assert count_completed() == before + 1, "the run has not ended well"
        return seconds


def _beside_peers(sides: Sides, programs: Programs, stack: ExitStack, *, runs: int, quick: bool) -> Iterator[Figure]:
    python = peers_python()
    steps = QUICK_STEPS if quick else STEPS
    name = f"durable: no-op action of {steps:,}, {database_name()}"
    if python is None:
        # Without a goal: the goals are ratios.
        yield alone(name, [sides.ours(steps) for _ in range(runs)], unit="µs")
        return
    dbos = start_peer(programs, python, "dbos_workflows", dbos_url(stack), "bench")
    yield beside_peer(
        name,
        take_turns(partial(sides.ours, steps), _asking(dbos, steps), runs=runs),
        unit="µs",
        peer=f"DBOS, a step of a workflow of {steps:,}{', its file in WAL mode' if uses_sqlite() else ''}",
        goal=GOAL_DBOS[database_name()],
    )
    flows = _QUICK_SHORT_RUNS if quick else _SHORT_RUNS
    viewflow = start_peer(programs, python, "viewflow_process", django_database(stack, "viewflow"))
    yield beside_peer(
        f"durable: no-op action of {SHORT}, {database_name()}",
        take_turns(partial(sides.ours, SHORT, runs=flows), _asking(viewflow, SHORT, runs=flows), runs=runs),
        unit="µs",
        peer=f"viewflow, a function of a flow of {SHORT}, in one transaction",
        goal=GOAL_VIEWFLOW,
    )


def _flatness(sides: Sides, *, runs: int, quick: bool) -> Iterator[Figure]:
    long = LONG // 4 if quick else LONG
    yield beside_peer(
        f"durable: flatness, no-op action of {long:,}, {database_name()}",
        # As many actions on both sides.
        take_turns(
            partial(sides.between_actions, long),
            partial(sides.between_actions, SHORT, runs=long // SHORT),
            runs=runs,
        ),
        unit="µs",
        peer=f"a durable run itself at {SHORT} actions",
        goal=GOAL_FLATNESS,
    )


def _asking(peer: AskedPeer, length: int, *, runs: int = 1) -> Callable[[], float]:
    def ask() -> float:
        return sum(peer.ask("one", length=length) for _ in range(runs)) / runs / length * 1e6

    return ask
