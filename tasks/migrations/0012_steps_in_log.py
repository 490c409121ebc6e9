"""The steps of a tree are in its log; its row, which every checkpoint writes anew, says where."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: Rows that one statement reads or changes: a large table isn't locked for long.
BATCH = 500


def point(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Let each tree that has steps name the update that says them."""
    roots, updates = _rows(apps, editor)
    left = roots.filter(steps__isnull=False, steps_seq__isnull=True).order_by("pk")
    last: uuid.UUID | None = None
    # By key, not by what is still to do: what can't be found in a log must not be looked for for ever.
    while batch := list((left if last is None else left.filter(pk__gt=last)).only("pk", "steps")[:BATCH]):
        first = dict(updates.filter(root__in=[root.pk for root in batch], seq=1).values_list("root_id", "body"))
        for root in batch:
            root.step_count = len(root.steps) if isinstance(root.steps, list) else 0
            if json.loads(first.get(root.pk, "{}")).get("steps") == root.steps:
                root.steps_seq = 1
            else:
                # It has begun anew since then.
                told = updates.filter(root_id=root.pk, body__contains='"steps":').order_by("-seq")
                root.steps_seq = _find(root.steps, told.values_list("seq", "body").iterator(chunk_size=BATCH))
        roots.bulk_update(batch, ["steps_seq", "step_count"])
        last = batch[-1].pk


def copy_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Let each tree hold its steps again."""
    roots, updates = _rows(apps, editor)
    left = roots.filter(steps_seq__isnull=False).order_by("pk")
    last: uuid.UUID | None = None
    while batch := list((left if last is None else left.filter(pk__gt=last)).only("pk", "steps_seq")[:BATCH]):
        for root in batch:
            # One by one: of many at a time, each read whole with its log's line, only the statement would be one.
            body = updates.filter(root_id=root.pk, seq=root.steps_seq).values_list("body", flat=True).first()
            if body is not None:
                roots.filter(pk=root.pk).update(steps=json.loads(body)["steps"])
        last = batch[-1].pk


def _rows(apps: Apps, editor: BaseDatabaseSchemaEditor) -> tuple[Any, Any]:
    alias = editor.connection.alias
    return (
        apps.get_model("tasks", "TaskRoot").objects.using(alias),
        apps.get_model("tasks", "Update").objects.using(alias),
    )


def _find(steps: object, told: Iterable[tuple[int, str]]) -> int | None:
    return next((seq for seq, body in told if json.loads(body).get("steps") == steps), None)


class Migration(migrations.Migration):
    """Say where they are."""

    # Each batch by itself: where it is broken off, it goes on with what is left.
    atomic = False

    dependencies = (("tasks", "0011_steps_columns"),)

    operations = (migrations.RunPython(point, copy_back),)
