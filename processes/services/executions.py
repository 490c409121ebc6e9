# ruff: noqa: S608 - every name in these statements is one of this module's; values are always parameters
"""Open a new execution of a run that has ended, from one of the places where it has been.

It is a run of its own, with a tree that belongs to the same owner and a log that starts anew. It takes the history up
to that place along (checkpoints and versions of data), so that it can be taken back further later; files, grants and
the form that began it go over to it. A run has at most one next execution, by the row that names it: of two who ask at
the same moment one opens it, and the other one finds it.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from processes.domain.json_values import JSON
from processes.domain.run_status import RunStatus
from processes.models import Checkpoint, DataNode, Run, RunValue
from processes.services.access import Caller
from processes.services.audit import Actor
from processes.services.background import record_execution
from processes.services.checkpoints import Point, write_checkpoint, write_values
from processes.services.data_nodes import LOADED_REVISION
from processes.services.file_ownership import FILE_INFO, adopt_files
from processes.services.grants import move_grants
from processes.services.indicators import INDICATOR_KEY, progress_url
from processes.services.run_store import CONTEXT, RUN_JOB
from tasks.domain.jsonvalue import dumps
from tasks.models import Job, TaskRoot
from tasks.services import sql
from tasks.services.cursors import fixed_cursor
from tasks.services.enqueuing import enqueue
from tasks.services.reading import read_steps
from tasks.services.roots import Owner, create_root

__all__ = ["next_execution", "open_execution"]

_CHECKPOINT, _VALUE = Checkpoint._meta.db_table, RunValue._meta.db_table
_COPIED = {
    _CHECKPOINT: ("ordinal", "cursor", "action", "state", "context", "created_at"),
    _VALUE: ("key", "ordinal", "value"),
}


def next_execution(run: Run) -> uuid.UUID | None:
    """Return the execution that goes on for a run, or does it again; ask with the run's row locked to be sure."""
    return Run.objects.filter(previous_id=run.pk).values_list("root_id", flat=True).first()


def open_execution(
    run: Run,
    *,
    origin: Mapping[str, Any],
    plan_id: str,
    actor: Actor,
    how: str,
    details: Mapping[str, JSON] | None = None,
    changed: Mapping[str, str | None] | None = None,
    root: TaskRoot | None = None,
) -> Run:
    """Store an execution that follows `run`, whose row is locked, and return it.

    `origin` says where it begins (processes.domain.origin), `plan_id` by which plan. `changed` are keys of data (JSON
    texts, None for removed ones) that are otherwise there. `root` is a new tree that has its job already; without one
    both are made. `how` and `details` go into the audit log.
    """
    owner = Owner(user_id=run.root.owner_id, session_key=run.root.session_key)
    has_job = root is not None
    if root is None:
        root = create_root(
            title=run.root.title, owner=owner, steps=read_steps(run.root), shared=run.root.shared, previous_id=run.pk
        )
    begun = _renamed(origin, run, new_id=root.pk)
    new = Run.objects.create(
        root=root,
        template_id=run.template_id,
        plan_id=plan_id,
        instance_id=run.instance_id,
        user_id=run.user_id,
        session_key=run.session_key,
        status=RunStatus.CREATED.value,
        cursor=begun["cursor"],
        ordinal=begun["cursor"]["ordinal"],
        attributes=begun["attributes"],
        request=begun["request"],
        response=begun["response"],
        origin=begun,
        previous=run,
    )
    _copy_history(run, new, data_until=begun["ordinal"])
    point = Point(ordinal=new.ordinal, cursor=begun["cursor"], context={name: begun[name] for name in CONTEXT})
    write_checkpoint(new.pk, point, changed={})
    write_values(new.pk, ordinal=begun["ordinal"], changed=dict(changed or {}))
    # They would go with the old tree, which is purged first.
    adopt_files(_with_files(new), caller=_caller_of(run), owner=new)
    move_grants(execution=str(run.pk), to=str(new.pk))
    # Whoever still has the form that began it is led to the work that goes on.
    DataNode.objects.filter(continued_in=run.pk).update(continued_in=new.pk)
    record_execution(new, repeats=run.pk, actor=actor, how=how, details=details)
    if not has_job:
        # What must not be worked on beside others mustn't when it goes on, either.
        key = Job.objects.filter(pk=run.pk).values_list("concurrency_key", flat=True).first()
        enqueue(RUN_JOB, owner=owner, root_id=root.pk, concurrency_key=key or None)
    return new


def _copy_history(run: Run, new: Run, *, data_until: int) -> None:
    """Copy the places before the one where the new execution begins, and the data up to there."""
    ids = [sql.uuid_value(new.pk), sql.uuid_value(run.pk)]
    for table, names in _COPIED.items():
        columns = ", ".join(names)
        bound = "ordinal < %s" if table == _CHECKPOINT else "ordinal <= %s"
        until = new.ordinal if table == _CHECKPOINT else data_until
        with fixed_cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (run_id, {columns}) SELECT %s, {columns} FROM {table}"
                f" WHERE run_id = %s AND {bound}",
                [*ids, until],
            )
    own_id = RunValue.objects.filter(run_id=new.pk, key=INDICATOR_KEY, value=dumps(str(run.pk)))
    own_id.update(value=dumps(str(new.pk)))


def _with_files(new: Run) -> list[JSON]:
    """Return those of the stored values in which there may be infos of files, of whatever time."""
    rows = RunValue.objects.filter(run_id=new.pk, value__contains=FILE_INFO)
    return [json.loads(value) for value in rows.values_list("value", flat=True) if value is not None]


def _renamed(origin: Mapping[str, Any], run: Run, *, new_id: uuid.UUID) -> dict[str, Any]:
    """Return an origin in which the old run's page is the new one's, and its own changes are no one else's."""
    attributes, response = dict(origin["attributes"]), origin["response"]
    if isinstance(response, Mapping) and response.get("redirect") == progress_url(run.pk):
        response = {**response, "redirect": progress_url(new_id)}
    if attributes.get(LOADED_REVISION) is not None:
        # What the run itself has saved of an instance's Data is no reason to refuse the one that repeats it.
        attributes[LOADED_REVISION] = run.attributes.get(LOADED_REVISION)
    return {**origin, "attributes": attributes, "response": response}


def _caller_of(run: Run) -> Caller:
    return Caller(
        user_id=run.user_id,
        session_key=run.session_key,
        template_id=run.template_id,
        slug=run.template.slug if run.template is not None else "",
        instance_id=run.instance_id,
    )
