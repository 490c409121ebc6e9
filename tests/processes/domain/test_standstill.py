"""Why a run doesn't move, as a code with facts."""

from datetime import timedelta
from typing import Any

import pytest

from processes.domain.standstill import JobStand, Reason, find_reason
from tasks.domain.statuses import JOB_TERMINAL, JobStatus
from tests.processes.domain.support import NOW

LATER = NOW + timedelta(minutes=5)
UNTIL = LATER.isoformat()
WAITING, PENDING, RETRY, RUNNING = JobStatus.WAITING, JobStatus.PENDING, JobStatus.RETRY, JobStatus.RUNNING


def why(status: JobStatus, waiting_for: dict[str, Any] | None = None, **known: Any) -> Reason | None:
    about_run = {name: known.pop(name) for name in ("pausing", "stall") if name in known}
    job = JobStand(now=NOW, status=status, queue="default", **{"due_at": NOW, **known})
    return find_reason(job=job, waiting_for=waiting_for, action="ask", **about_run)


@pytest.mark.parametrize(
    ("waiting_for", "expected"),
    [
        ({"code": "timer", "until": UNTIL}, Reason(code="timer", facts={"action": "ask", "until": UNTIL})),
        (
            {"code": "callback", "callbacks": ["c1"], "actions": ["ask"]},
            Reason(code="callback", facts={"action": "ask", "callbacks": ["c1"], "actions": ["ask"]}),
        ),
        (
            {"code": "paused", "by": "olga", "since": UNTIL},
            Reason(code="paused", facts={"by": "olga", "since": UNTIL}),
        ),
        ({"code": "human", "desk": 4}, Reason(code="human", facts={"action": "ask", "desk": 4})),
        (None, Reason(code="waiting", facts={"action": "ask"})),
    ],
)
def test_a_run_that_waits_says_for_what(waiting_for: dict[str, Any] | None, expected: Reason) -> None:
    assert why(WAITING, waiting_for) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"ahead": 3}, Reason(code="queued", facts={"queue": "default", "ahead": 3})),
        (
            {"blocked_by": "key:bank:7", "held_by": ["a", "b"]},
            Reason(code="key", facts={"key": "bank:7", "held_by": ["a", "b"]}),
        ),
        ({"blocked_by": "rate:mail"}, Reason(code="rate", facts={"function": "mail"})),
        ({"due_at": LATER}, Reason(code="due", facts={"action": "ask", "until": UNTIL})),
    ],
)
def test_one_that_is_to_go_on_says_what_holds_it_back(known: dict[str, Any], expected: Reason) -> None:
    assert why(PENDING, **known) == expected


def test_an_action_that_is_tried_again_says_when_and_why() -> None:
    said = {"code": "retry", "attempt": 1, "attempts": 3, "error": "busy", "until": "earlier"}
    found = why(PENDING, said, due_at=LATER)
    assert found is not None
    assert found.code == "retry"
    assert found.facts == {"action": "ask", "attempt": 1, "attempts": 3, "error": "busy", "until": UNTIL}


def test_a_job_that_is_tried_again_says_when() -> None:
    found = why(RETRY, due_at=LATER, attempt=2, attempts=6)
    assert found == Reason(code="retry", facts={"action": "ask", "attempt": 2, "attempts": 6, "until": UNTIL})


@pytest.mark.parametrize("code", ["worker_lost", "no_worker", "silent", "cancel_pending"])
@pytest.mark.parametrize("status", [PENDING, RUNNING])
def test_a_task_that_stalls_comes_first(status: JobStatus, code: str) -> None:
    stall = Reason(code=code, facts={"seconds": 12})
    assert why(status, stall=stall, blocked_by="") == stall


def test_what_holds_a_job_back_is_named_rather_than_that_something_does() -> None:
    found = why(PENDING, stall=Reason(code="held_back"), blocked_by="key:bank:7")
    assert found is not None
    assert found.code == "key"


@pytest.mark.parametrize("status", [WAITING, RUNNING])
def test_a_pause_that_was_not_heard_yet_is_told(status: JobStatus) -> None:
    pausing = {"by": "olga", "since": UNTIL}
    assert why(status, {"code": "human"}, pausing=pausing) == Reason(code="pausing", facts=pausing)


@pytest.mark.parametrize("status", [RUNNING, JobStatus.CLAIMED, *sorted(JOB_TERMINAL)])
def test_a_run_that_moves_or_has_ended_needs_no_reason(status: JobStatus) -> None:
    assert why(status, {"code": "human"}) is None
