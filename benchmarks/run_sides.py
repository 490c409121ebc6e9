"""Who carries out runs of so many actions, steps or tasks, the last of which tells when."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks import throughput_tables
from benchmarks.asking import AskedPeer
from benchmarks.background import Process, count_completed
from benchmarks.peers import celery_results


class Side(Protocol):
    """Carry out runs."""

    name: str
    peer: str

    def begin(self, file: str, keys: Sequence[str]) -> float | None:
        """Begin a run for each key, which the run's end notes in `file`.

        Return the moment before the first where that isn't the moment of the call.
        """

    def kept(self) -> int:
        """Return how many runs have been kept as ended well since the beginning."""


class Ours:
    """Runs through our queue, carried out by our worker."""

    name, peer = "ours", ""

    def __init__(self, process: Process) -> None:
        self._process = process

    def begin(self, file: str, keys: Sequence[str]) -> None:
        """Store each run with its job, in a transaction of its own."""
        for key in keys:
            self._process.begin({"file": file, "key": key})

    def kept(self) -> int:
        """Count the runs that are completed."""
        return count_completed()


class Chains:
    """Celery's chains through a queue, each task's result stored by django-celery-results."""

    def __init__(self, *, queue: str, length: int, worker: str, database: str) -> None:
        self.name = f"{queue}-chain"
        self.peer = f"{queue} Celery, a chain of {length} tasks, django-celery-results, {worker}"
        self._queue, self._length, self._database = queue, length, database

    def begin(self, file: str, keys: Sequence[str]) -> None:
        """Send the first task of each chain, which carries the others."""
        for key in keys:
            celery_results.chain_of(self._length, file, key, queue=self._queue).apply_async()

    def kept(self) -> int:
        """Count the results, as many as tasks."""
        return throughput_tables.count_results(self._database) // self._length


class Workflows:
    """DBOS's workflows, called in their own processes: no queue is between."""

    name = "dbos"

    def __init__(self, peers: Sequence[AskedPeer], *, length: int, note: str) -> None:
        self._peers, self._length = list(peers), length
        self._kept = 0
        count = f"{len(self._peers)} processes" if len(self._peers) > 1 else "in its process"
        self.peer = f"DBOS, workflows of {length} steps, {count}{note}"

    def begin(self, file: str, keys: Sequence[str]) -> float:
        """Let each process call its share of the workflows, one after the other, and wait for all."""
        shares = [list(keys[start :: len(self._peers)]) for start in range(len(self._peers))]
        for peer, share in zip(self._peers, shares, strict=True):
            peer.send("many", keys=share, length=self._length, file=file)
        started = min([peer.receive() for peer in self._peers])
        # Each has made sure that its workflows returned, which DBOS lets them once their end is stored.
        self._kept += len(keys)
        return started

    def kept(self) -> int:
        """Count the workflows that have returned."""
        return self._kept
