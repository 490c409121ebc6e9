"""The wait before the next attempt follows the policy's arithmetic."""

import pytest

from tasks.domain.retry import RetryPolicy


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ("fixed", [2, 2, 2, 2, 2]),
        ("linear", [2, 4, 6, 8, 9]),  # 2 × attempt, capped at 9
        ("exponential", [2, 4, 8, 9, 9]),  # 2 × 2^(attempt − 1), capped at 9
    ],
)
def test_the_wait_grows_by_the_backoff_up_to_the_cap(backoff: str, waits: list[float]) -> None:
    policy = RetryPolicy(backoff=backoff, delay_seconds=2, cap_seconds=9, jitter=0)  # type: ignore[arg-type]
    assert [policy.delay_after(attempt) for attempt in range(1, 6)] == waits


def test_jitter_only_shortens_the_wait() -> None:
    policy = RetryPolicy(backoff="fixed", delay_seconds=10, jitter=0.5)
    assert [policy.delay_after(1, draw=draw) for draw in (0.0, 0.5, 1.0)] == [10, 7.5, 5]


def test_a_huge_attempt_number_stays_at_the_cap() -> None:
    assert RetryPolicy(delay_seconds=1, cap_seconds=60, jitter=0).delay_after(100_000) == 60


def test_a_policy_survives_its_json() -> None:
    policy = RetryPolicy(attempts=5, backoff="linear", delay_seconds=0.5, cap_seconds=7, jitter=0.2)
    assert RetryPolicy.from_json(policy.to_json()) == policy


def test_absent_keys_take_their_defaults() -> None:
    assert RetryPolicy.from_json({"attempts": 3}) == RetryPolicy(attempts=3)
