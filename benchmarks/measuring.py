"""Taking turns, so that what disturbs the machine disturbs both sides."""

import gc
import random
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TypeVar

Measured = TypeVar("Measured")


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long `work` takes; what earlier work left behind is collected before."""
    gc.collect()
    started = perf_counter()
    work()
    return perf_counter() - started


def take_turns(
    ours: Callable[[], Measured], peer: Callable[[], Measured], *, runs: int, warm_up: bool = True
) -> list[tuple[Measured, Measured]]:
    """Measure both sides `runs` times, each going first every other time; to warm up, once more before it counts."""
    if warm_up:
        ours(), peer()
    pairs = []
    for run in range(runs):
        if run % 2:
            theirs = peer()
            pairs.append((ours(), theirs))
        else:
            mine = ours()
            pairs.append((mine, peer()))
    return pairs


def random_gaps(*, shortest_seconds: float, longest_seconds: float) -> Iterator[float]:
    """Yield pauses without end: even ones would meet whoever polls at the same point each time."""
    generator = random.Random(20261120)
    while True:
        yield generator.uniform(shortest_seconds, longest_seconds)
