"""Timing in a peer's process, with the standard library alone."""

import gc
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")


def seconds_of(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return how long `work` takes, and what it returns; what earlier work left behind is collected before."""
    gc.collect()
    started = perf_counter()
    result = work()
    return perf_counter() - started, result
