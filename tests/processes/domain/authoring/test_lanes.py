"""Lanes: as few as needed, and nothing in one of them touches."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from processes.domain.authoring.lanes import Stretch, allot_lanes

stretches = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda pair: Stretch(pair[0], pair[0] + pair[1]))
)


@given(stretches, st.integers(1, 6), st.integers(0, 5))
def test_two_stretches_in_one_lane_are_apart(given: list[Stretch], limit: int, margin: int) -> None:
    lanes = allot_lanes(given, limit=limit, margin=margin)
    assert len(lanes) == len(given)
    for (one, lane), (other, its) in combinations(zip(given, lanes, strict=True), 2):
        if lane is not None and lane == its:
            assert one.bottom + margin <= other.top or other.bottom + margin <= one.top


@given(stretches)
def test_nothing_goes_without_a_lane_while_there_are_enough(given: list[Stretch]) -> None:
    lanes = allot_lanes(given, limit=len(given), margin=1)
    assert None not in lanes
    used = {lane for lane in lanes if lane is not None}
    assert used == set(range(len(used)))


def test_short_ones_lie_inside_and_what_is_too_much_gets_none() -> None:
    given = [Stretch(0, 100), Stretch(10, 20), Stretch(15, 60)]
    assert allot_lanes(given, limit=9, margin=1) == [2, 0, 1]
    assert allot_lanes(given, limit=2, margin=1) == [None, 0, 1]
