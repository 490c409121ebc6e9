"""Every status changes only as its table says."""

import pytest

from tasks.domain.statuses import (
    JOB_TERMINAL,
    JOB_TRANSITIONS,
    NODE_TERMINAL,
    NODE_TRANSITIONS,
    JobStatus,
    NodeStatus,
    check_transition,
    shown_job_status,
)
from tasks.errors import IllegalTransition


@pytest.mark.parametrize("current", [status for status in JobStatus if status is not JobStatus.CANCEL_REQUESTED])
@pytest.mark.parametrize("new", list(JobStatus))
def test_a_job_changes_its_status_only_along_the_table(current: JobStatus, new: JobStatus) -> None:
    if new in JOB_TRANSITIONS[current]:
        check_transition(JOB_TRANSITIONS, current=current, new=new)
    else:
        with pytest.raises(IllegalTransition) as caught:
            check_transition(JOB_TRANSITIONS, current=current, new=new)
        assert caught.value.fields == {"current": current.value, "new": new.value}


@pytest.mark.parametrize("status", sorted(JOB_TERMINAL))
def test_a_terminal_job_status_is_final(status: JobStatus) -> None:
    assert JOB_TRANSITIONS[status] == frozenset()


@pytest.mark.parametrize("status", sorted(NODE_TERMINAL - {NodeStatus.COMPLETED}))
def test_a_terminal_node_status_is_final(status: NodeStatus) -> None:
    assert NODE_TRANSITIONS[status] == frozenset()


def test_a_completed_step_can_only_be_compensated() -> None:
    assert NODE_TRANSITIONS[NodeStatus.COMPLETED] == {NodeStatus.COMPENSATED}


def test_cancel_requested_is_never_stored() -> None:
    assert JobStatus.CANCEL_REQUESTED not in JOB_TRANSITIONS
    assert all(JobStatus.CANCEL_REQUESTED not in following for following in JOB_TRANSITIONS.values())


@pytest.mark.parametrize(
    ("status", "asked", "shown"),
    [
        (JobStatus.RUNNING, True, JobStatus.CANCEL_REQUESTED),
        (JobStatus.PENDING, True, JobStatus.CANCEL_REQUESTED),
        (JobStatus.RUNNING, False, JobStatus.RUNNING),
        (JobStatus.CANCELLED, True, JobStatus.CANCELLED),
        (JobStatus.COMPLETED, True, JobStatus.COMPLETED),
    ],
)
def test_a_requested_cancellation_shows_while_the_job_lives(status: JobStatus, asked: bool, shown: JobStatus) -> None:
    assert shown_job_status(status, cancel_requested=asked) is shown
