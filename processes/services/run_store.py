"""Reading and writing the stored state of a background run."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection

from processes.domain.application import Application
from processes.domain.callback_tokens import redact
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON, copy_json
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.run_status import RUN_TRANSITIONS, RunStatus
from processes.models import Checkpoint, InboxItem, ProcessTemplate, Run
from tasks.domain.jsonvalue import storable
from tasks.errors import IllegalTransition
from tasks.services import prepared, sql
from tasks.services.cursors import fixed_cursor

#: The job that carries a run on (processes.jobs registers it). A release whose runs the one before it couldn't carry on
#: gives it a new name: workers claim only jobs that they know, so those of the older release leave them alone.
RUN_JOB = "processes.run.3"
#: What it was called: runs that older releases have begun. Their workers know nothing of what is tried again, undone or
#: led on by callbacks; those of the first one neither of lent authority nor of today's scripts.
OLDER_RUN_JOBS = ("processes.run", "processes.run.2")
#: Values longer than this as JSON are stored, but not told to those who follow the run.
TOLD_CHARS = 4_096

#: The columns that hold the context; `data` has rows of its own.
CONTEXT = ("attributes", "request", "response")
#: Attributes that a durable run sets itself; scripts read them, checkpoints needn't hold them.
RUN_ID = "run_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold a run with its template and its user, where it stands, and whether somebody has said something to it.

    It stands nowhere yet where it is a child run, or one that an older release has begun.
    """

    run: Run
    stands: Checkpoint | None
    has_messages: bool


def find_run(run_id: uuid.UUID) -> Found:
    """Return a run for whoever carries it on, by one query; raises Run.DoesNotExist."""
    statement, run_columns, template_columns, user_columns, checkpoint_columns = _taken_up()
    with fixed_cursor() as cursor:
        cursor.execute(statement, [sql.uuid_value(run_id)])
        row = cursor.fetchone()
    if row is None:
        raise Run.DoesNotExist(f"There is no run {run_id}.")
    values = iter(row)
    run = run_columns.row(list(islice(values, run_columns.count)))
    template, user = list(islice(values, template_columns.count)), list(islice(values, user_columns.count))
    checkpoint = list(islice(values, checkpoint_columns.count))
    has_template, has_user, has_place, has_messages = values
    if has_template:
        run.template = template_columns.row(template)
    if has_user:
        run.user = user_columns.row(user)
    stands = checkpoint_columns.row(checkpoint) if has_place else None
    return Found(run=run, stands=stands, has_messages=bool(has_messages))


@cache
def _taken_up() -> tuple[str, prepared.Columns[Run], prepared.Columns[ProcessTemplate], Any, Any]:
    user_model = get_user_model()
    run, template = prepared.Columns(Run, alias="run"), prepared.Columns(ProcessTemplate, alias="template", only=_SHOWN)
    user, place = prepared.Columns(user_model, alias="person"), prepared.Columns(Checkpoint, alias="place")
    key = connection.ops.quote_name(str(user_model._meta.pk.column))
    places, messages = Checkpoint._meta.db_table, InboxItem._meta.db_table
    statement = f"""
        SELECT {run.sql}, {template.sql}, {user.sql}, {place.sql},
            template.id IS NOT NULL, person.{key} IS NOT NULL, place.run_id IS NOT NULL,
            EXISTS (SELECT 1 FROM {messages} WHERE run_id = run.root_id AND taken_at IS NULL)
        FROM {Run._meta.db_table} run
            LEFT JOIN {ProcessTemplate._meta.db_table} template ON template.id = run.template_id
            LEFT JOIN {user_model._meta.db_table} person ON person.{key} = run.user_id
            LEFT JOIN {places} place ON place.run_id = run.root_id
                AND place.ordinal = (SELECT MAX(ordinal) FROM {places} WHERE run_id = run.root_id)
        WHERE run.root_id = %s
    """  # noqa: S608 - names of models
    return statement, run, template, user, place


#: What is read of a template.
_SHOWN = ("id", "slug", "title")


def told(changed: Mapping[str, str | None]) -> dict[str, JSON]:
    """Return what of `changed` those who follow a run are told: short values, no private keys (`_score`), no tokens."""
    return {
        key: json.loads(redact(value))
        for key, value in changed.items()
        if value is not None and len(value) <= TOLD_CHARS and not key.startswith("_")
    }


def new_context(run: Run, data: dict[str, JSON], *, attributes: Mapping[str, JSON] | None = None) -> Application:
    """Return the context of a run as its last checkpoint left it, or with `attributes`."""
    # Copies: scripts change what they are given, and the run's own columns are to say what is stored.
    kept = {name: copy_json(getattr(run, name) or {}) for name in CONTEXT}
    app = Application(
        data=data,
        request=Request.from_json(kept["request"]),
        response=Response.from_json(kept["response"]),
        user=run.user,
        attributes=kept["attributes"] if attributes is None else attributes,
        execution=str(run.pk),
    )
    app.set(RUN_ID, str(run.pk))
    return app


def check_run_transition(run: Run, new: RunStatus) -> None:
    """Raise IllegalTransition unless the run may become `new`."""
    current = RunStatus(run.status)
    if new not in RUN_TRANSITIONS[current]:
        raise IllegalTransition(f"A run can't go from {current.value} to {new.value}.")


def run_columns(
    app: Application, interpreter: Interpreter, *, context: Mapping[str, Mapping[str, JSON]] | None = None
) -> dict[str, JSON]:
    """Return the columns of a run's row; raises NotJsonError, naming the place, for what isn't JSON.

    `context` is that of `app`, where it has been asked for already.
    """
    context = app.context_json() if context is None else context
    attributes = context["attributes"]
    return {
        # Data and attributes that can't be stored are refused; the text of an error, which may quote them, is mended.
        "cursor": storable(interpreter.cursor_json()),
        "ordinal": app.ordinal,
        "attributes": {key: value for key, value in attributes.items() if key != RUN_ID},
        "request": context["request"],
        "response": context["response"],
    }
