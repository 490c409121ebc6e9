"""The few threads that read the database for all open streams."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

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
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError):
                # The connection is kept from one read to the next, as making one takes longer than most reads; and the
                # server may have been started anew meanwhile. Reading twice does no harm.
                connections.close_all()
                return function(*args, **kwargs)

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
