"""Moving a run into the background."""

import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.directives import RunAgain, Suspended
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.origin import begun_with
from processes.domain.run_status import RunStatus
from processes.models import DataNode, FormOutcome, ProcessTemplate, Run
from processes.services import audit
from processes.services.access import Caller
from processes.services.callback_ends import end_callbacks
from processes.services.checkpoints import Point, checkpoint_along, names_files, newest_checkpoint, write_values
from processes.services.data_nodes import DATA_NODE, hand_over
from processes.services.fan_out import child_ended
from processes.services.file_ownership import adopt_files
from processes.services.giving_up import give_up
from processes.services.grants import moving_grants
from processes.services.host import host_of
from processes.services.indicators import INDICATOR_KEY, find_open_indicator, owner_of, upcoming_steps
from processes.services.run_forms import close_forms
from processes.services.run_store import CONTEXT, RUN_JOB, run_columns
from processes.services.stored_data import StoredData
from tasks.domain.along import MOST_ROWS, Along, Rows
from tasks.domain.jsonvalue import storable
from tasks.domain.statuses import NodeStatus
from tasks.models.root import new_id
from tasks.registry import Canceller
from tasks.services import prepared
from tasks.services.enqueuing import enqueue

#: The columns of a run that begins; the others are empty.
_BEGUN = (
    "root", "template", "plan", "instance", "user", "session_key", "status", "cursor", "ordinal", "attributes",
    "request", "response", "origin", "created_at",
)  # fmt: skip


class KeyTakenError(Exception):
    """Another run has been stored under the same idempotency key at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Say for the audit log how a run has begun, and who has begun it where it wasn't its caller."""

    how: str = "background"
    actor: audit.Actor | None = None
    details: Mapping[str, JSON] = field(default_factory=dict)


def continue_in_background(
    *,
    app: Application,
    interpreter: Interpreter,
    template: ProcessTemplate | None,
    caller: Caller,
    node: DataNode | None = None,
    title: str = "",
    beginning: Beginning | None = None,
    concurrency_key: str = "",
    input: JSON = None,
    idempotency_key: str | None = None,
) -> uuid.UUID:
    """Store a run that stands between two actions, with the job that carries it on, and return its id.

    The indicator that `start_progress` created becomes the run's tree; without one, a new tree does. `node` is the data
    node that the run takes over: of two requests that do so, the second raises ConflictError and stores nothing. Where
    it isn't the context's current node any more, scripts have let go of it: it may be gone, or an instance by now.
    `title` is that of a new tree, by default the template's. `beginning` says who has begun it and how, where it wasn't
    the caller in the foreground. Of the runs with one `concurrency_key` one is worked on at a time. `input` is what the
    followers of a new tree are told that it began with. Raises KeyTakenError where somebody stores a run under the same
    `idempotency_key` at this moment: then nothing is.
    Raises NotJsonError, naming the place, where the context holds something that can't be stored.
    """
    plan = host_of(app).main_plan
    pending = interpreter.pending
    columns = run_columns(app, interpreter)
    changed = StoredData().changes(app.data)
    # Before the first step: an action that waits without being done writes what it changed under the present ordinal.
    begun_at = app.ordinal - 1
    owner = owner_of(caller)
    is_apart = len(changed) > MOST_ROWS or names_files(changed)
    is_watched = prepared.is_watched(Run) or audit.is_watched()
    is_more = is_apart or is_watched or node is not None or INDICATOR_KEY in app.data
    # Where one statement does, it needs no transaction around it.
    with transaction.atomic() if is_more else nullcontext():
        indicator = find_open_indicator(app, caller=caller)
        takes_over = indicator is not None and getattr(indicator, "job", None) is None
        root_id = indicator.pk if indicator is not None and takes_over else new_id()
        if node is not None:
            # First of all: of two requests with the same data, the later one waits here and learns of the conflict.
            hand_over(node=node, root_id=root_id, is_given_up=app.get(DATA_NODE) != node.reference)
        run = Run(
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
        point = Point(ordinal=app.ordinal, cursor=columns["cursor"], context={name: columns[name] for name in CONTEXT})
        beginning = beginning or Beginning()
        told: audit.Told = _told(
            run,
            beginning.actor or audit.actor_of_id(caller.user_id),
            authority=None if beginning.actor is None else audit.actor_of_id(caller.user_id),
            details={"action": None if pending is None else pending.name, "how": beginning.how, **beginning.details},
        )
        along: list[Along] = []
        if not is_watched:
            along = [prepared.insertion(run, only=_BEGUN), audit.entry_along("run.started", **told)]
        along += checkpoint_along(run.pk, point, changed={} if is_apart else changed, of_ordinal=begun_at)
        # What the caller has lent to this execution serves the run that carries it on.
        along.append(moving_grants(execution=host_of(app).execution, to=str(root_id)))
        steps = [] if pending is None else upcoming_steps(pending.plan, first=pending.action.index)
        job = enqueue(
            RUN_JOB,
            owner=owner,
            title=title or (template.title if template else plan.name),
            root_id=root_id,
            makes_root=not takes_over,
            input=input,
            steps=steps or None,
            due_at=_due_at(interpreter),
            concurrency_key=concurrency_key or None,
            idempotency_key=idempotency_key,
            along=along,
        )
        if job.root_id != root_id:
            # Nothing was stored, but for what the transaction takes back.
            raise KeyTakenError
        if is_watched:
            prepared.insert(run)
            audit.record("run.started", **told)
        if is_apart:
            write_values(run.pk, ordinal=begun_at, changed=changed)
            adopt_files(app.data, caller=caller, owner=run)
    return root_id


def _due_at(interpreter: Interpreter) -> datetime | None:
    """Return when a run goes on whose action has failed in the foreground, and is tried again; None for at once."""
    outcome = interpreter.outcome
    again = isinstance(outcome, Suspended) and isinstance(outcome.directive, RunAgain)
    return outcome.directive.until if again else None  # type: ignore[union-attr]


def ends_itself(run_id: uuid.UUID) -> bool:
    """Tell whether a run that nobody holds has something to undo before it may end."""
    stands = newest_checkpoint(run_id)
    return stands is not None and bool(stands.cursor.get("compensation"))


def undoes(run_id: uuid.UUID) -> bool:
    """Tell whether a run undoes what it has done."""
    stands = newest_checkpoint(run_id)
    return stands is not None and bool(stands.cursor.get("frames")) and "cause" in stands.cursor.get("compensation", {})


def record_execution(
    run: Run, *, repeats: uuid.UUID, actor: audit.Actor, how: str, details: Mapping[str, JSON] | None = None
) -> None:
    """Record who lets a run go on or begin anew as another one, inside the transaction that begins that one."""
    _record("run.started", run, actor, details={"action": None, "how": how, "repeats": str(repeats), **(details or {})})


def note_cancelled(run_id: uuid.UUID, canceller: Canceller) -> None:
    """Record who cancels a run, inside the transaction that does it."""
    canceller_of = audit.actor_of_id(canceller.user_id)
    _record("run.cancelled", Run.objects.select_related("template").get(pk=run_id), canceller_of)


def record_control(run: Run, action: str, actor: audit.Actor, *, details: Mapping[str, JSON] | None = None) -> None:
    """Record what an operator does with a run, inside the transaction that does it."""
    _record(action, run, actor, details=details)


def record_end(run: Run, status: RunStatus) -> None:
    """Record how a run has ended, inside the transaction that ends it."""
    _record("run.ended", run, audit.SYSTEM, details={"status": status.value})


def end_along(run: Run, status: RunStatus) -> Rows:
    """Return the same as a row that is inserted along with the end."""
    return audit.entry_along("run.ended", **_told(run, audit.SYSTEM, details={"status": status.value}))


def _record(action: str, run: Run, actor: audit.Actor, *, details: Mapping[str, JSON] | None = None) -> None:
    audit.record(action, **_told(run, actor, details=details))


def _told(
    run: Run,
    actor: audit.Actor,
    *,
    authority: audit.Actor | None = None,
    details: Mapping[str, JSON] | None = None,
) -> audit.Told:
    instance = {} if run.instance_id is None else {"instance": str(run.instance_id)}
    return {
        "actor": actor,
        "authority": None if authority == actor else authority,
        "subject": run,
        "subject_name": run.template.title if run.template is not None else run.plan_id[:12],
        "plan_hash": run.plan_id,
        "details": {**(details or {}), **instance},
    }


def settle_idle_run(run_id: uuid.UUID, status: NodeStatus, reason: str) -> None:
    """Write how a run ends that nobody holds, inside the transaction that ends its job."""
    ended = RunStatus.CANCELLED if status is NodeStatus.CANCELLED else RunStatus.FAILED
    code = "cancelled" if ended is RunStatus.CANCELLED else "not_carried_on"
    run = Run.objects.select_for_update().get(pk=run_id)
    run.status = ended.value
    give_up(run_id, awaited=ended is RunStatus.FAILED)
    if run.fan_out_id is not None:
        child_ended(run, (), status=ended, reason=reason)
    run.error = storable({"code": code, "message": reason})
    run.finished_at = timezone.now()
    run.waiting_for = run.paused = None
    run.save(update_fields=["status", "error", "finished_at", "waiting_for", "paused"])
    close_forms(run_id, outcome=FormOutcome.CANCELLED if ended is RunStatus.CANCELLED else FormOutcome.OVER)
    end_callbacks(run_id)
    record_end(run, ended)
