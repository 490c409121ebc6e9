"""Allot lanes to vertical stretches, so that no two in one lane touch."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Stretch", "allot_lanes"]


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Hold what needs a lane from `top` to `bottom`."""

    top: int
    bottom: int


@dataclass(slots=True)
class _Lane:
    """Hold the stretches of one lane in order: they never meet, so tops and bottoms are sorted alike."""

    tops: list[int] = field(default_factory=list)
    bottoms: list[int] = field(default_factory=list)

    def take(self, stretch: Stretch, margin: int) -> bool:
        place = bisect_left(self.tops, stretch.top)
        if place > 0 and self.bottoms[place - 1] + margin > stretch.top:
            return False
        if place < len(self.tops) and stretch.bottom + margin > self.tops[place]:
            return False
        self.tops.insert(place, stretch.top)
        self.bottoms.insert(place, stretch.bottom)
        return True


def allot_lanes(stretches: Sequence[Stretch], *, limit: int, margin: int) -> list[int | None]:
    """Give each stretch its lane, 0 being the innermost, and None where `limit` lanes don't suffice.

    Short ones come first and so lie inside; two stretches in one lane are at least `margin` apart.
    """
    lanes: list[_Lane] = []
    result: list[int | None] = [None] * len(stretches)
    by_length = sorted(range(len(stretches)), key=lambda i: (stretches[i].bottom - stretches[i].top, stretches[i], i))
    for index in by_length:
        stretch = stretches[index]
        for number, lane in enumerate(lanes):
            if lane.take(stretch, margin):
                result[index] = number
                break
        else:
            if len(lanes) < limit:
                lanes.append(_Lane([stretch.top], [stretch.bottom]))
                result[index] = len(lanes) - 1
    return result
