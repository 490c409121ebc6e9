"""What a benchmark says: one figure, one line of JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Self

#: Digits that mean something in a measured number.
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Hold a measured value, and how it compares.

    `value` and `ratio` (ours / peer) are medians of `runs` runs. `goal` is the highest ratio wanted, or, where there is
    no peer, the highest value.
    """

    benchmark: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    goal: float | None = None
    runs: int

    @property
    def misses_goal(self) -> bool:
        """Tell whether there is a goal and it isn't reached."""
        if self.goal is None:
            return False
        return (self.value if self.ratio is None else self.ratio) > self.goal

    def to_line(self) -> str:
        """Return the line that is printed."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a printed line; raises ValueError or TypeError for any other text."""
        return cls(**json.loads(line))


def alone(benchmark: str, values: Sequence[float], *, unit: str, goal: float | None = None) -> Figure:
    """Return the figure of runs that have no peer."""
    return Figure(benchmark=benchmark, value=rounded(median(values)), unit=unit, goal=goal, runs=len(values))


def beside_peer(
    benchmark: str,
    pairs: Sequence[tuple[float, float]],
    *,
    unit: str,
    peer: str,
    goal: float | None = None,
) -> Figure:
    """Return the figure of runs that gave (ours, peer's) each.

    The ratio is the median of the runs' ratios, not the ratio of medians: what slows the machine for a while slows both
    sides of one run.
    """
    return Figure(
        benchmark=benchmark,
        value=rounded(median(ours for ours, _ in pairs)),
        unit=unit,
        peer=peer,
        ratio=rounded(median(ours / theirs for ours, theirs in pairs)),
        goal=goal,
        runs=len(pairs),
    )


def rounded(value: float) -> float:
    """Return a number without the digits that mean nothing."""
    return float(f"{value:.{_DIGITS}g}")


def summary(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as a table for people, one line each."""
    if not figures:
        return ["nothing was measured"]
    rows = [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
    missed = sum(figure.misses_goal for figure in figures)
    with_goal = sum(figure.goal is not None for figure in figures)
    return [*lines, f"{with_goal - missed} of {with_goal} goals reached"]


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    value = f"{figure.value:g} {figure.unit}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.{2 if figure.ratio >= 0.1 else 4}f} ×"
    goal = "" if figure.goal is None else f"goal {figure.goal:.3g}{'  MISSED' if figure.misses_goal else ''}"
    return figure.benchmark, value, ratio, goal, "" if figure.peer is None else f"beside: {figure.peer}"
