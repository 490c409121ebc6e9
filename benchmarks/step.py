"""How much `step()` costs in a tracked loop, beside others; and how often such a loop writes to the database."""

import os
import uuid
from collections.abc import Iterator
from time import perf_counter
from types import TracebackType
from typing import Self

from django.db import transaction
from tqdm import tqdm  # type: ignore[import-untyped]

from benchmarks.figures import Figure, alone, beside_peer
from benchmarks.measuring import seconds_of, take_turns
from benchmarks.peers import celery_progress_recorder
from benchmarks.stack import broker_url, running_base
from tasks import step, subtask
from tasks.models import Node, Update
from tasks.services.flusher import process_flusher, stop_flusher
from tasks.services.recorder import Recorder
from tasks.services.roots import Owner, create_root
from tasks.tracking import tracking

CALLS = 1_000_000
QUICK_CALLS = 200_000
#: Fewer, since the other peer waits for a server in each call.
RECORDER_CALLS, QUICK_RECORDER_CALLS = 2_000, 500
GOAL_RATIO = 2.0
GOAL_RECORDER_RATIO = 1 / 500
GOAL_WRITES = 10.0
_WRITING_SECONDS, _QUICK_WRITING_SECONDS = 2.0, 1.0
_WRITING_RUNS, _QUICK_WRITING_RUNS = 3, 1


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure loops that do nothing but report."""
    # With a broker, since writes are announced on it by a thread that takes its share of the processor.
    with running_base():
        yield from _measure(runs=runs, quick=quick)
        stop_flusher()


def _measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    calls = QUICK_CALLS if quick else CALLS

    def ours() -> float:
        tracked = Tracked()
        seconds = 0.0

        def loop() -> None:
            for _ in range(calls):
                step()

        with tracked, subtask("loop", total=calls):
            seconds = seconds_of(loop)
        tracked.check(calls)
        return seconds / calls * 1e6

    def peer() -> float:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:

            def loop() -> None:
                for _ in tqdm(range(calls), file=nowhere):
                    pass

            return seconds_of(loop) / calls * 1e6

    pairs = take_turns(ours, peer, runs=runs)
    yield beside_peer(
        "step(): a call in a tracked loop", pairs, unit="µs", peer="tqdm over the same range", goal=GOAL_RATIO
    )
    recorder_calls = QUICK_RECORDER_CALLS if quick else RECORDER_CALLS
    celery_progress_recorder.app.conf.update(result_backend=broker_url())
    pairs = take_turns(
        ours, lambda: celery_progress_recorder.seconds_of_calls(recorder_calls) / recorder_calls * 1e6, runs=runs
    )
    yield beside_peer(
        "step() beside set_progress(): a call in a tracked loop",
        pairs,
        unit="µs",
        peer="celery-progress, its results on the same Valkey",
        goal=GOAL_RECORDER_RATIO,
    )
    seconds = _QUICK_WRITING_SECONDS if quick else _WRITING_SECONDS
    writing_runs = min(runs, _QUICK_WRITING_RUNS if quick else _WRITING_RUNS)
    values = [writes_a_second(seconds=seconds) for _ in range(writing_runs)]
    yield alone("step(): database writes of a tracked loop", values, unit="1/s", goal=GOAL_WRITES)


def writes_a_second(*, seconds: float) -> float:
    """Report as fast as possible for some seconds and return how often the flusher has written meanwhile.

    One node reports one thing, so each write leaves exactly one progress update in the log.
    """
    tracked = Tracked()
    calls = 0
    with tracked, subtask("loop"):
        before = tracked.updates()
        started = perf_counter()
        while perf_counter() - started < seconds:
            for _ in range(1_000):
                step()
            calls += 1_000
        written = tracked.updates() - before
        elapsed = perf_counter() - started
    tracked.check(calls)
    return written / elapsed


class Tracked:
    """A root with a recorder as a claim has it: the process's flusher writes between checkpoints."""

    def __init__(self) -> None:
        root = create_root(title="bench", owner=Owner(session_key="bench"))
        self.root_id: uuid.UUID = root.pk
        self.recorder = Recorder(root_id=root.pk, title=root.title, fence=None, schedule=process_flusher())
        self._tracking = tracking(self.recorder.root)

    def __enter__(self) -> Self:
        self._tracking.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracking.__exit__(kind, error, trace)
        with self.recorder.checkpoint() as checkpoint, transaction.atomic():
            checkpoint.write()
        process_flusher().forget(self.recorder)

    def updates(self) -> int:
        """Count the progress updates in the log."""
        return Update.objects.filter(root_id=self.root_id, body__contains='"type":"nodeProgress"').count()

    def check(self, calls: int) -> None:
        """Make sure that the last value has arrived in the database: a loop that loses reports would be quick."""
        node = Node.objects.get(root_id=self.root_id)
        assert node.current == calls, (node.current, calls)
