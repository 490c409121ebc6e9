"""When work that runs side by side has come together."""

import pytest

from processes.domain.joining import Join, Standing

RUNNING, JOINED, FAILED = Standing.RUNNING, Standing.JOINED, Standing.FAILED

TABLE = [
    # (total, needed, failures allowed, completed, failed, standing)
    (3, 3, 0, 2, 0, RUNNING),
    (3, 3, 0, 3, 0, JOINED),
    (3, 3, 0, 2, 1, FAILED),
    (3, 3, 1, 1, 1, RUNNING),
    (3, 3, 1, 2, 1, JOINED),
    (3, 3, 1, 1, 2, FAILED),
    (3, 3, None, 0, 3, JOINED),
    (3, 1, None, 0, 2, RUNNING),
    (3, 1, None, 1, 0, JOINED),
    (3, 1, None, 0, 3, FAILED),
    (5, 3, None, 2, 2, RUNNING),
    (5, 3, None, 3, 2, JOINED),
    (5, 3, None, 2, 3, FAILED),
    (0, 0, 0, 0, 0, JOINED),
]


@pytest.mark.parametrize(("total", "needed", "allowed", "completed", "failed", "standing"), TABLE)
def test_a_join_stands_as_its_table_says(
    total: int, needed: int, allowed: int | None, completed: int, failed: int, standing: Standing
) -> None:
    join = Join(total=total, needed=needed, failures_allowed=allowed)
    assert join.standing(completed=completed, failed=failed) is standing


@pytest.mark.parametrize(("total", "needed", "allowed"), [(4, 4, 0), (4, 4, 2), (4, 4, None), (4, 1, None), (4, 2, 1)])
def test_however_the_pieces_end_a_join_is_decided_by_the_time_all_have(
    total: int, needed: int, allowed: int | None
) -> None:
    join = Join(total=total, needed=needed, failures_allowed=allowed)
    for failed in range(total + 1):
        assert join.standing(completed=total - failed, failed=failed) is not RUNNING
