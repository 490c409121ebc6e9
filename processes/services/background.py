"""Moving a run into the background."""

import uuid

from django.db import transaction
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.run_status import RunStatus
from processes.models import DataNode, ProcessTemplate, Run
from processes.services.access import Caller
from processes.services.data_nodes import hand_over
from processes.services.host import host_of
from processes.services.indicators import find_open_indicator, new_indicator, owner_of, upcoming_steps
from processes.services.run_store import StoredData, run_columns, write_values
from tasks.domain.jsonvalue import storable
from tasks.domain.statuses import NodeStatus
from tasks.services.jobs import enqueue

#: The job that carries a run on (processes.jobs registers it).
RUN_JOB = "processes.run"


def continue_in_background(
    *,
    app: Application,
    interpreter: Interpreter,
    template: ProcessTemplate | None,
    caller: Caller,
    node: DataNode | None = None,
) -> uuid.UUID:
    """Store a run that stands between two actions, with the job that carries it on, and return its id.

    The indicator that `start_progress` created becomes the run's tree; without one, a new tree does. `node` is the data
    node that the run takes over: of two requests that do so, the second raises ConflictError and stores nothing.
    Raises NotJsonError, naming the place, where the context holds something that can't be stored.
    """
    plan = host_of(app).main_plan
    pending = interpreter.pending
    columns = run_columns(app, interpreter)
    changed = StoredData({}).changes(app.data)
    owner = owner_of(caller)
    with transaction.atomic():
        indicator = find_open_indicator(app, caller=caller)
        if indicator is not None and getattr(indicator, "job", None) is None:
            root_id = indicator.pk
        else:
            steps = [] if pending is None else upcoming_steps(pending.plan, first=pending.action.index)
            root_id = new_indicator(title=template.title if template else plan.name, owner=owner, steps=steps)
        if node is not None:
            # First of all: of two requests with the same data, the later one waits here and learns of the conflict.
            hand_over(node=node, root_id=root_id)
        run = Run.objects.create(
            root_id=root_id,
            template=template,
            plan_id=plan.hash,
            user_id=caller.user_id,
            session_key=caller.session_key,
            status=RunStatus.CREATED.value,
            **columns,
        )
        write_values(run.pk, ordinal=app.ordinal, changed=changed)
        enqueue(RUN_JOB, owner=owner, root_id=root_id)
    return root_id


def settle_idle_run(run_id: uuid.UUID, status: NodeStatus, reason: str) -> None:
    """Write how a run ends that nobody holds, inside the transaction that ends its job."""
    ended = RunStatus.CANCELLED if status is NodeStatus.CANCELLED else RunStatus.FAILED
    code = "cancelled" if ended is RunStatus.CANCELLED else "not_carried_on"
    run = Run.objects.select_for_update().get(pk=run_id)
    run.status = ended.value
    run.error = storable({"code": code, "message": reason})
    run.finished_at = timezone.now()
    run.save(update_fields=["status", "error", "finished_at"])
