"""Exporting a run as one JSON object: all that is known of it, to look at or to hand on.

Secrets aren't in it because they aren't in what is stored: of connections and grants a run holds references only. The
session of an owner who isn't signed in stays here, too: whoever has its key is that owner.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.models import Checkpoint, InboxItem, Run, RunValue
from processes.services.access import User, find_run
from processes.services.audit import actor_of
from processes.services.background import record_control
from processes.services.derivation import load_plan
from tasks.services.reading import read_updates

__all__ = ["EXPORT_FORMAT", "export_run", "plans_behind"]

EXPORT_FORMAT = 1
#: What is read at once: rows, and characters of values.
_ROWS_AT_ONCE = 200
_CHARS_AT_ONCE = 500_000

Row = TypeVar("Row", bound=Model)


def export_run(*, run_id: uuid.UUID, user: User) -> Iterator[str]:
    """Return a run as pieces of one JSON text, which are read as they are taken: little of it is ever held.

    It is `{"format": 1, "run", "checkpoints", "plans", "data", "messages", "updates"}`. `plans` holds each plan that it
    has been at, and those of their sub processes, by hash, with `definition` and `bindings` as they would be written.
    Of a run that is alive the parts may be of different moments. Raises TaskNotFound, at once, to who may not control
    runs; that it was exported is in the audit log.
    """
    run = find_run(run_id, user=user)
    record_control(run, "run.exported", actor_of(user))
    return _pieces(run)


def _pieces(run: Run) -> Iterator[str]:
    used = {run.plan_id}
    head = {"format": EXPORT_FORMAT, "exported_at": timezone.now().isoformat(), "run": _run(run)}
    yield f'{json.dumps(head)[:-1]}, "checkpoints": '
    yield from _listed(_checkpoints(run.pk, used))
    yield ', "plans": {'
    for number, plan in enumerate(plans_behind(used)):
        yield f"{', ' if number else ''}{json.dumps(plan.hash)}: {json.dumps(_plan(plan))}"
    yield '}, "data": '
    yield from _listed(_data(run.pk))
    yield ', "messages": '
    yield from _listed(json.dumps(_message(item)) for item in _paged(InboxItem.objects.filter(run=run), "id"))
    yield ', "updates": '
    yield from _listed(_updates(run.pk))
    yield "}"


def _listed(items: Iterable[str]) -> Iterator[str]:
    """Give JSON texts as those of one array."""
    yield "["
    for number, item in enumerate(items):
        yield f", {item}" if number else item
    yield "]"


def _paged(rows: QuerySet[Row], name: str) -> Iterator[Row]:
    """Give rows in the order of a column, reading some at once: in between the connection belongs to others."""
    last = -1
    while page := list(rows.filter(**{f"{name}__gt": last}).order_by(name)[:_ROWS_AT_ONCE]):
        last = getattr(page[-1], name)
        yield from page


def _checkpoints(run_id: uuid.UUID, used: set[str]) -> Iterator[str]:
    """Give the checkpoints, and note which plans they were at."""
    for row in _paged(Checkpoint.objects.filter(run_id=run_id), "ordinal"):
        used.update(item["plan"] for item in _named_in(row.cursor))
        yield json.dumps(_checkpoint(row))


def _data(run_id: uuid.UUID) -> Iterator[str]:
    """Give the versions of the data; a value is JSON as it is stored."""
    rows = RunValue.objects.filter(run_id=run_id).order_by("ordinal", "key")
    ahead = Q()
    while sizes := list(rows.filter(ahead).values_list("ordinal", "key", Length("value"))[:_ROWS_AT_ONCE]):
        for some in _chunks(sizes):
            found = rows.filter(pk__in=[(run_id, key, ordinal) for ordinal, key in some])
            for ordinal, key, value in found.values_list("ordinal", "key", "value"):
                told = json.dumps({"ordinal": ordinal, "key": key})
                yield told if value is None else f'{told[:-1]}, "value": {value}}}'
        ordinal, key, _ = sizes[-1]
        ahead = Q(ordinal__gt=ordinal) | Q(ordinal=ordinal, key__gt=key)


def _chunks(sizes: Iterable[tuple[int, str, int | None]]) -> Iterator[list[tuple[int, str]]]:
    """Give the places of values in chunks that aren't large together, unless one value is by itself."""
    chunk: list[tuple[int, str]] = []
    chars = 0
    for ordinal, key, length in sizes:
        if chunk and chars + (length or 0) > _CHARS_AT_ONCE:
            yield chunk
            chunk, chars = [], 0
        chunk.append((ordinal, key))
        chars += length or 0
    if chunk:
        yield chunk


def _plan(plan: Plan) -> dict[str, JSON]:
    return {
        "name": plan.name,
        "definition": plan.to_definition(),
        "bindings": plan.to_bindings(),
        "plan": plan.to_json(),
    }


def _message(item: InboxItem) -> dict[str, JSON]:
    return {
        "kind": item.kind,
        "payload": item.payload,
        "at": item.created_at.isoformat(),
        "taken_at": None if item.taken_at is None else item.taken_at.isoformat(),
        "result": item.result,
    }


def plans_behind(hashes: Iterable[str]) -> list[Plan]:
    """Return plans, and all that they may call by a recorded hash."""
    found: dict[str, Plan] = {}
    todo = sorted(hashes)
    while todo:
        plan_hash = todo.pop()
        if plan_hash not in found:
            plan = found[plan_hash] = load_plan(plan_hash)
            todo.extend(target.plan_hash for target in plan.processes if target.plan_hash is not None)
    return [found[plan_hash] for plan_hash in sorted(found)]


def _run(run: Run) -> dict[str, JSON]:
    return {
        "id": str(run.pk),
        "title": run.root.title,
        "template": None if run.template is None else run.template.slug,
        "plan": run.plan_id,
        "instance": None if run.instance_id is None else str(run.instance_id),
        "user": None if run.user is None else run.user.get_username(),
        "status": run.status,
        "error": run.error,
        "waiting_for": run.waiting_for,
        "paused": run.paused,
        "attributes": run.attributes,
        "request": run.request,
        "response": run.response,
        "origin": run.origin,
        "previous": None if run.previous_id is None else str(run.previous_id),
        "created_at": run.created_at.isoformat(),
        "finished_at": None if run.finished_at is None else run.finished_at.isoformat(),
    }


def _checkpoint(row: Checkpoint) -> dict[str, JSON]:
    return {
        "ordinal": row.ordinal,
        "action": row.action,
        "state": row.state,
        "at": row.created_at.isoformat(),
        "cursor": row.cursor,
        "context": row.context,
    }


def _named_in(cursor: JSON) -> list[JSON]:
    return [*cursor.get("frames", ()), *cursor.get("compensation", {}).get("done", ())]


def _updates(run_id: uuid.UUID) -> Iterator[str]:
    last = 0
    while updates := read_updates(run_id, after=last, limit=_ROWS_AT_ONCE):
        for seq, body in updates:
            last = seq
            yield body
