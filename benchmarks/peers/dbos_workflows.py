"""DBOS: workflows of steps that do nothing, called in their own process as its documentation shows first.

It runs in the peers' environment (benchmarks.peers.answering).
"""

import time

from dbos import DBOS, DBOSConfig

from benchmarks.peers.tally import seconds_of
from benchmarks.stamps import append_stamp


@DBOS.step()
def noop() -> None:
    """Do nothing."""


@DBOS.step()
def tell(file: str, key: str) -> None:
    """Do nothing but tell when."""
    append_stamp(file, key)


@DBOS.workflow()
def steps(number: int) -> int:
    """Go through so many steps, and count them."""
    for _ in range(number):
        noop()
    return number


@DBOS.workflow()
def told(number: int, file: str, key: str) -> int:
    """Go through so many steps, the last of which tells when."""
    for _ in range(number - 1):
        noop()
    tell(file, key)
    return number


class Peer:
    """Hold a DBOS that is running, on a database of its own; several may share one."""

    def __init__(self, url: str, executor: str) -> None:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": url,
            "log_level": "WARNING",
            "executor_id": executor,
            "application_version": "1",
        }
        DBOS(config=config)
        DBOS.launch()

    def one(self, length: int) -> float:
        """Run one workflow of so many steps, and return its seconds."""
        seconds, counted = seconds_of(lambda: steps(length))
        assert counted == length, counted
        return seconds

    def many(self, keys: list[str], length: int, file: str) -> float:
        """Run a workflow for each key, one after the other; return the moment before the first."""
        started = time.monotonic()
        for key in keys:
            counted = told(length, file, key)
            assert counted == length, counted
        return started

    def close(self) -> None:
        """Stop its threads."""
        DBOS.destroy()
