"""What keeps a task from going on follows from facts alone; the first rule that holds decides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.domain.stalls import Facts, JobFacts, Stall, StallCode, Thresholds, find_stall
from tasks.domain.statuses import JOB_TERMINAL, JobStatus

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
THRESHOLDS = Thresholds(
    not_begun_seconds=30, no_worker_seconds=10, lease_grace_seconds=3, silent_seconds=60, cancel_seconds=20
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def facts(status: str = "", *, told: float = 0, closed: bool = False, awaits: bool = False, **job: Any) -> Facts:
    """Return facts of a tree whose last update is `told` seconds old; `status` is its job's, empty without one."""
    known = JobFacts(status=JobStatus(status), **{"due_at": ago(0), **job}) if status else None
    return Facts(now=NOW, closed=closed, awaits_job=awaits, job=known, told_at=ago(told))


def code_of(value: Facts) -> str | None:
    stall = find_stall(value, THRESHOLDS)
    return None if stall is None else stall.code.value


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        # Waiting for a worker: due for longer than 10 s.
        (None, facts("pending", due_at=ago(10))),
        ("no_worker", facts("pending", due_at=ago(11))),
        (None, facts("pending", due_at=ago(-60))),
        # Held back by a rate or a key: only once it is due for as long.
        (None, facts("pending", due_at=ago(10), blocked_by="rate:mail")),
        ("held_back", facts("pending", due_at=ago(11), blocked_by="key:tenant:7")),
        # The next attempt: told at once while it is to come, and then like any other work that is due.
        ("retry", facts("retry", due_at=ago(-1))),
        (None, facts("retry", due_at=ago(5))),
        ("no_worker", facts("retry", due_at=ago(11))),
        # At work: the lease counts first, then silence.
        (None, facts("running", lease_until=ago(-5), told=60)),
        ("silent", facts("running", lease_until=ago(-5), told=61)),
        (None, facts("running", lease_until=ago(3), told=20)),
        ("worker_lost", facts("running", lease_until=ago(4), told=61)),
        ("worker_lost", facts("claimed", lease_until=ago(4))),
        # A lease that nobody holds any more says nothing.
        (None, facts("waiting", lease_until=ago(4), told=500)),
        # Being cancelled: for longer than 20 s.
        (None, facts("running", cancel_requested_at=ago(20), lease_until=ago(-5), told=61)),
        ("cancel_pending", facts("running", cancel_requested_at=ago(21), lease_until=ago(-5), told=61)),
        ("worker_lost", facts("running", cancel_requested_at=ago(21), lease_until=ago(4))),
        ("cancel_pending", facts("pending", cancel_requested_at=ago(21), due_at=ago(21))),
        # Waiting for something outside is no stall.
        (None, facts("waiting", told=9_999)),
        # A tree without a job stalls only where one is to come.
        (None, facts(told=9_999)),
        (None, facts(awaits=True, told=30)),
        ("not_begun", facts(awaits=True, told=31)),
        (None, facts("pending", closed=True, due_at=ago(99))),
        (None, facts(closed=True, awaits=True, told=31)),
    ],
)
def test_the_first_rule_that_holds_decides(expected: str | None, given: Facts) -> None:
    assert code_of(given) == expected


@pytest.mark.parametrize("status", sorted(JOB_TERMINAL))
def test_what_has_ended_does_not_stall(status: str) -> None:
    assert code_of(facts(status, due_at=ago(99), lease_until=ago(99), cancel_requested_at=ago(99), told=999)) is None


def test_a_stall_tells_since_when_and_for_how_long() -> None:
    stall = find_stall(facts("pending", due_at=ago(75.9), hinted_at=ago(1), queue="slow"), THRESHOLDS)
    assert stall is not None
    assert stall.facts() == {
        "since": "2026-11-20T11:58:44.100Z",
        "seconds": 75,
        "queue": "slow",
        "hintedSeconds": 1,
    }


def test_what_holds_it_back_is_told_by_its_kind_only() -> None:
    stall = find_stall(facts("pending", due_at=ago(20), blocked_by="key:tenant:7"), THRESHOLDS)
    assert stall is not None
    assert (stall.facts()["heldBy"], "tenant" in str(stall.facts())) == ("key", False)


def test_a_retry_tells_when_and_which() -> None:
    stall = find_stall(facts("retry", due_at=ago(-30), attempt=2, attempts=6), THRESHOLDS)
    assert stall is not None
    assert stall.facts() == {"until": "2026-11-20T12:00:30.000Z", "attempt": 2, "attempts": 6}


def test_a_clock_that_went_back_gives_no_negative_time() -> None:
    assert find_stall(facts("pending", due_at=ago(-5)), THRESHOLDS) is None
    assert Stall(code=StallCode.SILENT).facts() == {}
