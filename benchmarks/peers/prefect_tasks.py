"""Prefect: a flow of tasks that do nothing, called one after the other.

It runs in the peers' environment (benchmarks.peers.answering); PREFECT_API_URL names its server. The end of a flow
takes a second of its own (a thread that sleeps is waited for), so its tasks are timed alone.
"""

from time import perf_counter

from prefect import flow, task


@task
def noop() -> None:
    """Do nothing."""


@flow
def tasks(number: int) -> float:
    """Go through so many tasks, and return how long they took."""
    started = perf_counter()
    for _ in range(number):
        noop()
    return perf_counter() - started


class Peer:
    """Run flows here."""

    def one(self, length: int) -> float:
        """Run a flow of so many tasks, and return the seconds that they took."""
        return tasks(length)

    def close(self) -> None:
        """Have nothing to let go."""
