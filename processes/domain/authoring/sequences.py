"""Find out what moved: of two orders of the same names, keep as many in place as possible."""

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["moved_names"]


def moved_names(old: Sequence[str], new: Sequence[str]) -> frozenset[str]:
    """Return the fewest names whose moving turns `old` into `new`: two sequences of the same names, each once.

    The same names have moved whichever way one looks: where several answers are equally short, the choice depends on
    both sequences alike.
    """
    place = {name: index for index, name in enumerate(new)}
    # The classic longest increasing subsequence; a level holds the names at which the longest chain has its length.
    ends: list[int] = []
    levels: list[list[tuple[int, int, str]]] = []
    for before, name in enumerate(old):
        after = place[name]
        level = bisect_left(ends, after)
        if level == len(ends):
            ends.append(after)
            levels.append([])
        ends[level] = after
        levels[level].append((before, after, name))
    staying: set[str] = set()
    next_before = next_after = len(old)
    for candidates in reversed(levels):
        fitting = [item for item in candidates if item[0] < next_before and item[1] < next_after]
        # Neither sum nor name prefers one of the two sequences.
        next_before, next_after, name = min(fitting, key=lambda item: (item[0] + item[1], item[2]))
        staying.add(name)
    return frozenset(old) - staying
