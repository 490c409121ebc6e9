"""Reading and writing the stored state of a background run."""

import json
import uuid
from collections.abc import Mapping

from django.db.models import OuterRef, Subquery

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON, json_problems
from processes.domain.request import Request
from processes.domain.response import Response
from processes.domain.run_status import RUN_TRANSITIONS, RunStatus
from processes.errors import NotJsonError
from processes.models import Run, RunValue
from tasks.domain.jsonvalue import dumps, storable
from tasks.errors import IllegalTransition

#: Values longer than this as JSON are stored, but not told to those who follow the run.
TOLD_CHARS = 4_096

#: Attributes that a durable run sets itself; scripts read them, checkpoints needn't hold them.
RUN_ID = "run_id"


class StoredData:
    """Know what is stored of a run's data, so that a checkpoint writes only the keys that changed."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        self._stored = dict(stored)

    @classmethod
    def load(cls, run_id: uuid.UUID) -> tuple["StoredData", dict[str, JSON]]:
        """Return what is stored, and the data itself; the newest version of each key counts."""
        rows = RunValue.objects.filter(run_id=run_id)
        # Older versions stay in the database, so that a long history costs no memory.
        latest = rows.filter(key=OuterRef("key")).order_by("-ordinal").values("ordinal")[:1]
        newest = dict(rows.filter(ordinal=Subquery(latest)).values_list("key", "value"))
        stored = {key: value for key, value in newest.items() if value is not None}
        return cls(stored), {key: json.loads(value) for key, value in stored.items()}

    def changes(self, data: Mapping[str, JSON]) -> dict[str, str | None]:
        """Return the JSON text of each changed key, None for removed ones; raises NotJsonError, naming the place."""
        changed: dict[str, str | None] = {}
        for key, value in data.items():
            text = _encode(key, value)
            if self._stored.get(key) != text:
                changed[key] = text
        changed.update(dict.fromkeys(self._stored.keys() - data.keys()))
        return changed

    def saved(self, changed: Mapping[str, str | None]) -> None:
        """Take note that `changed` is committed."""
        for key, value in changed.items():
            if value is None:
                self._stored.pop(key, None)
            else:
                self._stored[key] = value


def told(changed: Mapping[str, str | None]) -> dict[str, JSON]:
    """Return what of `changed` those who follow the run are told: short values, no private keys (`_score`)."""
    return {
        key: json.loads(value)
        for key, value in changed.items()
        if value is not None and len(value) <= TOLD_CHARS and not key.startswith("_")
    }


def new_context(run: Run, data: dict[str, JSON]) -> Application:
    """Return the context of a run as its last checkpoint left it."""
    app = Application(
        data=data,
        request=Request.from_json(run.request or {}),
        response=Response.from_json(run.response or {}),
        user=run.user,
        attributes=run.attributes,
        execution=str(run.pk),
    )
    app.set(RUN_ID, str(run.pk))
    return app


def check_run_transition(run: Run, new: RunStatus) -> None:
    """Raise IllegalTransition unless the run may become `new`."""
    current = RunStatus(run.status)
    if new not in RUN_TRANSITIONS[current]:
        raise IllegalTransition(f"A run can't go from {current.value} to {new.value}.")


def run_columns(app: Application, interpreter: Interpreter) -> dict[str, object]:
    """Return the columns of a checkpoint; raises NotJsonError, naming the place, for what isn't JSON."""
    context = app.context_json()
    attributes = context["attributes"]
    return {
        # Data and attributes that can't be stored are refused; the text of an error, which may quote them, is mended.
        "cursor": storable(interpreter.cursor_json()),
        "ordinal": app.ordinal,
        "attributes": {key: value for key, value in attributes.items() if key != RUN_ID},
        "request": context["request"],
        "response": context["response"],
    }


def write_values(run_id: uuid.UUID, *, ordinal: int, changed: Mapping[str, str | None]) -> None:
    """Append the changed keys of a checkpoint.

    An action that stops to wait isn't done, so what it changed belongs to the ordinal before it, which has its
    checkpoint already: the same key of the same ordinal is replaced.
    """
    RunValue.objects.bulk_create(
        [RunValue(run_id=run_id, key=key, ordinal=ordinal, value=value) for key, value in changed.items()],
        update_conflicts=True,
        unique_fields=["run", "key", "ordinal"],
        update_fields=["value"],
    )


def _encode(key: str, value: JSON) -> str:
    try:
        text = dumps(value)
        text.encode()  # Half of a surrogate pair is refused here, and below NUL: no database stores them.
        if "\\u0000" in text and json_problems(value, limit=1):
            raise ValueError("NUL")
    except (TypeError, ValueError, RecursionError) as error:
        place, message = "", str(error)
        if problems := json_problems(value, limit=1):
            place, message = problems[0].path, problems[0].message
        raise NotJsonError(f"data.{key}{place} can't be stored: {message}", path=f"/{key}{place}") from error
    return text
