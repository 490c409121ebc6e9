"""How far along a node is."""

from collections.abc import Iterable


def percentage(
    *,
    completed: bool,
    current: float | None,
    total: float | None,
    children: Iterable[tuple[float | None, float]] = (),
    expected: int = 0,
) -> float | None:
    """Return 0 to 100, or None where nothing is known.

    A completed node is at 100. Else its own current/total counts; else the mean of its children's percentages, weighted
    (pairs of percentage and weight; a child about which nothing is known counts as 0, but some child must be known).
    `expected` is how many children there will be at least: those still to come count as 0 with weight 1, so that a bar
    doesn't jump back whenever the next step begins.
    """
    if completed:
        return 100.0
    if total:
        return max(0.0, min(100.0, 100.0 * (current or 0) / total))
    weight_sum = 0.0
    known = False
    weighted = 0.0
    present = 0
    for share, weight in children:
        present += 1
        weight_sum += weight
        if share is not None:
            known = True
            weighted += share * weight
    if not known or weight_sum <= 0:
        return None
    return weighted / (weight_sum + max(0, expected - present))
