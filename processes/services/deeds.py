"""What an operator can do with a run: the facts from the database, for the rules of `processes.domain.deeds`."""

from processes.domain.deeds import Deed, RunStand, possible_deeds
from processes.domain.run_status import RunStatus
from processes.models import Run
from processes.services.errors import NotControllableError
from processes.services.executions import next_execution
from processes.services.moving import last_move, newest_plan
from processes.services.operators import is_to_stand_still

__all__ = ["deeds_for"]


def deeds_for(run: Run) -> list[Deed]:
    """Return what is possible with a run as it stands; whoever may control runs may do that."""
    closed = run.root.closed
    job = getattr(run.root, "job", None)
    return possible_deeds(
        RunStand(
            status=RunStatus(run.status),
            closed=closed,
            is_to_stand_still=not closed and is_to_stand_still(run),
            is_cancelling=job is not None and job.cancel_requested_at is not None,
            is_part=run.fan_out_id is not None,
            is_taken_up=closed and next_execution(run) is not None,
            has_newer_plan=not closed and _has_newer_plan(run),
            was_moved=not closed and last_move(run) is not None,
        )
    )


def _has_newer_plan(run: Run) -> bool:
    try:
        return newest_plan(run) != run.plan_id
    except NotControllableError:
        return False
