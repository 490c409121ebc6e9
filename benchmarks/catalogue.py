"""The benchmarks by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, Protocol, cast

from benchmarks.figures import Figure

Database = Literal["sqlite", "postgresql"]


class Measure(Protocol):
    """Measure something and yield each figure as soon as it is known."""

    def __call__(self, *, runs: int, quick: bool) -> Iterator[Figure]:
        """Yield the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Describe a benchmark: a module with `measure`, run in a process and a data folder of its own."""

    name: str
    module: str
    about: str
    runs: int
    quick_runs: int = 1
    database: Database = "sqlite"
    #: Some of its figures are beside peers that have an environment of their own.
    peers: bool = False
    #: `--quick` runs it only where it is named.
    in_quick: bool = True
    #: Longer than this it is stopped.
    limit_seconds: float = 120.0

    def load(self) -> Measure:
        """Import its module, once Django is set up, and return what measures."""
        return cast("Measure", import_module(self.module).measure)


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="interpreter",
            module="benchmarks.interpreter",
            about="cost of an action in the interpreter",
            runs=9,
            quick_runs=3,
        ),
        Benchmark(
            name="derivation",
            module="benchmarks.derivation",
            about="deriving a plan of 1,000 actions over 10 bases",
            runs=9,
            quick_runs=3,
        ),
        Benchmark(
            name="step", module="benchmarks.step", about="cost of step() in a tracked loop", runs=7, quick_runs=3
        ),
        Benchmark(name="latency", module="benchmarks.latency", about="idle enqueue to done, SQLite", runs=3),
        Benchmark(
            name="latency-postgresql",
            module="benchmarks.latency",
            about="idle enqueue to done, PostgreSQL",
            runs=3,
            database="postgresql",
            in_quick=False,
        ),
        Benchmark(name="jobs", module="benchmarks.throughput", about="jobs a second, SQLite", runs=3),
        Benchmark(
            name="jobs-postgresql",
            module="benchmarks.throughput",
            about="jobs a second, PostgreSQL, new and full tables",
            runs=5,
            database="postgresql",
            in_quick=False,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="durable",
            module="benchmarks.durable",
            about="cost of an action of a background run, SQLite",
            runs=5,
            peers=True,
            limit_seconds=360.0,
        ),
        Benchmark(
            name="durable-postgresql",
            module="benchmarks.durable",
            about="cost of an action of a background run, PostgreSQL",
            runs=5,
            database="postgresql",
            peers=True,
            in_quick=False,
            limit_seconds=360.0,
        ),
        Benchmark(
            name="runs",
            module="benchmarks.runs",
            about="background runs of ten actions, SQLite",
            runs=3,
            peers=True,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="runs-postgresql",
            module="benchmarks.runs",
            about="background runs of ten actions, PostgreSQL",
            runs=3,
            database="postgresql",
            peers=True,
            in_quick=False,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="for-each",
            module="benchmarks.for_each",
            about="items of a for_each beside Celery's own tasks, and memory, SQLite",
            runs=1,
            limit_seconds=1_800.0,
        ),
        Benchmark(
            name="for-each-postgresql",
            module="benchmarks.for_each",
            about="items of a for_each beside Celery's own tasks, and memory, PostgreSQL",
            runs=1,
            database="postgresql",
            in_quick=False,
            limit_seconds=1_800.0,
        ),
        Benchmark(
            name="inbox",
            module="benchmarks.inbox",
            about="the inbox and option lists of 100,000 instances",
            runs=3,
            limit_seconds=900.0,
        ),
        Benchmark(
            name="inbox-postgresql",
            module="benchmarks.inbox",
            about="the inbox and option lists of 100,000 instances, on PostgreSQL",
            runs=3,
            database="postgresql",
            in_quick=False,
            limit_seconds=900.0,
        ),
        Benchmark(
            name="waiting",
            module="benchmarks.waiting",
            about="100,000 waiting runs and their timers, SQLite",
            runs=1,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="waiting-postgresql",
            module="benchmarks.waiting",
            about="100,000 waiting runs and their timers, PostgreSQL",
            runs=1,
            database="postgresql",
            in_quick=False,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="foreground", module="benchmarks.foreground", about="a process's page beside a plain view", runs=9
        ),
        Benchmark(
            name="files",
            module="benchmarks.files",
            about="a large file to a form and back, and the server's memory",
            runs=3,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="live-page",
            module="benchmarks.live_page",
            about="a progress page with 2,000 nodes in Chromium",
            runs=3,
            limit_seconds=240.0,
        ),
        Benchmark(
            name="push",
            module="benchmarks.push",
            about="update to browser over WebSocket",
            runs=3,
            limit_seconds=240.0,
        ),
        Benchmark(
            name="followers",
            module="benchmarks.followers",
            about="1,000 followers of one task, SQLite",
            runs=1,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="followers-postgresql",
            module="benchmarks.followers",
            about="1,000 followers of one task, PostgreSQL",
            runs=1,
            database="postgresql",
            in_quick=False,
            limit_seconds=600.0,
        ),
        Benchmark(
            name="reconnecting",
            module="benchmarks.followers_reconnect",
            about="1,000 followers whose connections end, SQLite",
            runs=1,
            limit_seconds=300.0,
        ),
        Benchmark(
            name="reconnecting-postgresql",
            module="benchmarks.followers_reconnect",
            about="1,000 followers whose connections end, PostgreSQL",
            runs=1,
            database="postgresql",
            in_quick=False,
            limit_seconds=300.0,
        ),
    )
}
