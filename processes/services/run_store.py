"""Reading and writing the stored state of a background run."""

import json
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model

from processes.domain.application import Application
from processes.domain.callback_tokens import redact
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.run_status import RUN_TRANSITIONS, RunStatus
from processes.models import ProcessTemplate, Run
from tasks.domain.jsonvalue import storable
from tasks.errors import IllegalTransition
from tasks.services import prepared

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


_runs = prepared.Reader(Run)
_templates = prepared.Reader(ProcessTemplate, only=("id", "slug", "title"))


@cache
def _users() -> prepared.Reader[Any]:
    return prepared.Reader(get_user_model())


def find_run(run_id: uuid.UUID) -> Run:
    """Return a run with its template and its user, for whoever carries it on; raises Run.DoesNotExist."""
    run = _runs.one(run_id)
    if run is None:
        raise Run.DoesNotExist(f"There is no run {run_id}.")
    if run.template_id is not None:
        run.template = _templates.one(run.template_id)
    if run.user_id is not None:
        run.user = _users().one(run.user_id)
    return run


def told(changed: Mapping[str, str | None]) -> dict[str, JSON]:
    """Return what of `changed` those who follow a run are told: short values, no private keys (`_score`), no tokens."""
    return {
        key: json.loads(redact(value))
        for key, value in changed.items()
        if value is not None and len(value) <= TOLD_CHARS and not key.startswith("_")
    }


def new_context(run: Run, data: dict[str, JSON], *, attributes: Mapping[str, JSON] | None = None) -> Application:
    """Return the context of a run as its last checkpoint left it, or with `attributes`."""
    app = Application(
        data=data,
        request=Request.from_json(run.request or {}),
        response=Response.from_json(run.response or {}),
        user=run.user,
        attributes=run.attributes if attributes is None else attributes,
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
    columns = checkpoint_columns(app, interpreter, context=context)
    # Data and attributes that can't be stored are refused; the text of an error, which may quote them, is mended.
    columns["cursor"] = storable(columns["cursor"])
    return columns


def checkpoint_columns(
    app: Application, interpreter: Interpreter, *, context: Mapping[str, Mapping[str, JSON]] | None = None
) -> dict[str, JSON]:
    """Return the same for a checkpoint, which mends the text of errors when it writes the cursor."""
    context = app.context_json() if context is None else context
    attributes = context["attributes"]
    return {
        "cursor": interpreter.cursor_json(),
        "ordinal": app.ordinal,
        "attributes": {key: value for key, value in attributes.items() if key != RUN_ID},
        "request": context["request"],
        "response": context["response"],
    }
