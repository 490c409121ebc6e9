"""Moving a run into the background."""

import uuid
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.origin import begun_with
from processes.domain.run_status import RunStatus
from processes.models import DataNode, ProcessTemplate, Run
from processes.services import audit
from processes.services.access import Caller
from processes.services.data_nodes import DATA_NODE, hand_over
from processes.services.file_ownership import adopt_files
from processes.services.grants import move_grants
from processes.services.host import host_of
from processes.services.indicators import find_open_indicator, new_indicator, owner_of, upcoming_steps
from processes.services.run_store import StoredData, run_columns, write_values
from tasks.domain.jsonvalue import storable
from tasks.domain.statuses import NodeStatus
from tasks.registry import Canceller
from tasks.services.enqueuing import enqueue

#: The job that carries a run on (processes.jobs registers it). A release whose runs the one before it couldn't carry on
#: gives it a new name: workers claim only jobs that they know, so those of the older release leave them alone.
RUN_JOB = "processes.run.2"
#: What it was called: runs that an older release has begun. They know neither lent authority nor today's scripts.
OLDER_RUN_JOBS = ("processes.run",)


def continue_in_background(
    *,
    app: Application,
    interpreter: Interpreter,
    template: ProcessTemplate | None,
    caller: Caller,
    node: DataNode | None = None,
    title: str = "",
) -> uuid.UUID:
    """Store a run that stands between two actions, with the job that carries it on, and return its id.

    The indicator that `start_progress` created becomes the run's tree; without one, a new tree does. `node` is the data
    node that the run takes over: of two requests that do so, the second raises ConflictError and stores nothing. Where
    it isn't the context's current node any more, scripts have let go of it: it may be gone, or an instance by now.
    `title` is that of a new tree, by default the template's.
    Raises NotJsonError, naming the place, where the context holds something that can't be stored.
    """
    plan = host_of(app).main_plan
    pending = interpreter.pending
    columns = run_columns(app, interpreter)
    changed = StoredData({}).changes(app.data)
    # Before the first step: an action that waits without being done writes what it changed under the present ordinal.
    begun_at = app.ordinal - 1
    owner = owner_of(caller)
    with transaction.atomic():
        indicator = find_open_indicator(app, caller=caller)
        if indicator is not None and getattr(indicator, "job", None) is None:
            root_id = indicator.pk
        else:
            steps = [] if pending is None else upcoming_steps(pending.plan, first=pending.action.index)
            title = title or (template.title if template else plan.name)
            root_id = new_indicator(title=title, owner=owner, steps=steps)
        if node is not None:
            # First of all: of two requests with the same data, the later one waits here and learns of the conflict.
            hand_over(node=node, root_id=root_id, is_given_up=app.get(DATA_NODE) != node.reference)
        run = Run.objects.create(
            root_id=root_id,
            template=template,
            plan_id=plan.hash,
            instance_id=caller.instance_id,
            user_id=caller.user_id,
            session_key=caller.session_key,
            status=RunStatus.CREATED.value,
            origin=begun_with(columns, ordinal=begun_at),
            **columns,
        )
        write_values(run.pk, ordinal=begun_at, changed=changed)
        adopt_files(app.data, caller=caller, owner=run)
        enqueue(RUN_JOB, owner=owner, root_id=root_id)
        # What the caller has lent to this execution serves the run that carries it on.
        move_grants(execution=host_of(app).execution, to=str(root_id))
        first = None if pending is None else pending.name
        _record("run.started", run, audit.actor_of_id(caller.user_id), details={"action": first, "how": "background"})
    return root_id


def record_repetition(run: Run, *, repeats: uuid.UUID, actor: audit.Actor) -> None:
    """Record who repeats a run, inside the transaction that begins the new one."""
    _record("run.started", run, actor, details={"action": None, "how": "again", "repeats": str(repeats)})


def note_cancelled(run_id: uuid.UUID, canceller: Canceller) -> None:
    """Record who cancels a run, inside the transaction that does it."""
    user_id = None if canceller.user_id is None else int(canceller.user_id)
    _record("run.cancelled", Run.objects.select_related("template").get(pk=run_id), audit.actor_of_id(user_id))


def record_end(run: Run, status: RunStatus) -> None:
    """Record how a run has ended, inside the transaction that ends it."""
    _record("run.ended", run, audit.SYSTEM, details={"status": status.value})


def _record(action: str, run: Run, actor: audit.Actor, *, details: Mapping[str, JSON] | None = None) -> None:
    name = run.template.title if run.template is not None else run.plan_id[:12]
    instance = {} if run.instance_id is None else {"instance": str(run.instance_id)}
    audit.record(
        action,
        actor=actor,
        subject=run,
        subject_name=name,
        plan_hash=run.plan_id,
        details={**(details or {}), **instance},
    )


def settle_idle_run(run_id: uuid.UUID, status: NodeStatus, reason: str) -> None:
    """Write how a run ends that nobody holds, inside the transaction that ends its job."""
    ended = RunStatus.CANCELLED if status is NodeStatus.CANCELLED else RunStatus.FAILED
    code = "cancelled" if ended is RunStatus.CANCELLED else "not_carried_on"
    run = Run.objects.select_for_update().get(pk=run_id)
    run.status = ended.value
    run.error = storable({"code": code, "message": reason})
    run.finished_at = timezone.now()
    run.save(update_fields=["status", "error", "finished_at"])
    record_end(run, ended)
