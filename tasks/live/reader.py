"""The few threads that read the database for all open streams."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
T = TypeVar("T")

READER_THREADS = 3


class Reader:
    """Run blocking reads in a fixed number of threads.

    Connections belong to these threads and never to a stream, so a thousand open streams hold as many connections as
    there are threads.
    """

    def __init__(self, *, threads: int = READER_THREADS) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="task-reader")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns when it is called in one of the threads."""

        def call() -> T:
            # What requests do at their start and end: connections that broke or grew old are replaced.
            close_old_connections()
            try:
                return function(*args, **kwargs)
            finally:
                close_old_connections()

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def close(self) -> None:
        """End the threads and close their connections; blocks until running reads are done."""
        # The barrier keeps each thread until every other one has come too, so that none closes twice and none never.
        barrier = threading.Barrier(self._threads)

        def close_connections() -> None:
            barrier.wait(timeout=10)
            connections.close_all()

        for _ in range(self._threads):
            self._executor.submit(close_connections)
        self._executor.shutdown(wait=True)
