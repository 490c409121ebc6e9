"""How far along a node is."""

from collections.abc import Iterable


def percentage(
    *,
    completed: bool,
    current: float | None,
    total: float | None,
    children: Iterable[tuple[float | None, float]] = (),
) -> float | None:
    """Return 0 to 100, or None where nothing is known.

    A completed node is at 100. Else its own current/total counts; else the mean of its children's percentages, weighted
    (pairs of percentage and weight; a child about which nothing is known counts as 0, but some child must be known).
    """
    if completed:
        return 100.0
    if total:
        return max(0.0, min(100.0, 100.0 * (current or 0) / total))
    weight_sum = 0.0
    known = False
    weighted = 0.0
    for share, weight in children:
        weight_sum += weight
        if share is not None:
            known = True
            weighted += share * weight
    if not known or weight_sum <= 0:
        return None
    return weighted / weight_sum
