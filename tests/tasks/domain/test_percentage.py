"""How far along a node is, from what is known of it."""

import pytest

from tasks.domain.percentage import percentage


def test_children_still_to_come_count_as_nothing_done() -> None:
    assert percentage(completed=False, current=None, total=None, children=[(100, 1), (50, 1)], expected=4) == 37.5
    assert percentage(completed=False, current=None, total=None, children=[(100, 1)] * 3, expected=2) == 100
    assert percentage(completed=False, current=None, total=None, children=[], expected=4) is None


@pytest.mark.parametrize(
    ("completed", "current", "total", "children", "expected"),
    [
        (False, None, None, [], None),
        (True, None, None, [], 100),
        (True, 3, 10, [], 100),
        (False, 3, 10, [], 30),
        (False, None, 10, [], 0),
        (False, 12, 10, [], 100),
        (False, -1, 10, [], 0),
        (False, 3, 0, [], None),
        (False, None, None, [(50, 1), (100, 1)], 75),
        (False, None, None, [(50, 3), (100, 1)], 62.5),  # (50 × 3 + 100) / 4
        (False, None, None, [(None, 1), (100, 1)], 50),
        (False, None, None, [(None, 1)], None),
        (False, 1, 10, [(100, 1)], 10),
    ],
)
def test_own_numbers_come_before_those_of_the_children(
    completed: bool,
    current: float | None,
    total: float | None,
    children: list[tuple[float | None, float]],
    expected: float | None,
) -> None:
    assert percentage(completed=completed, current=current, total=total, children=children) == expected
