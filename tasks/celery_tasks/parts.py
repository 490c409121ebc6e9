"""What canvases are made of: the tasks in them, in which order, and what the message of each says of the whole."""

import uuid
from collections.abc import Iterator
from typing import Any

from celery import current_app

from tasks.celery_tasks.run import HEADER
from tasks.domain.canvas import CHAIN, GROUP
from tasks.domain.jsonvalue import JSON
from tasks.services.celery_rows import root_id_of

#: In the header of a task without a tree: the root of the canvas that it is part of, or that stands in a task's place.
PART_OF = "part_of"
#: … and that its end is the end of that task.
LAST = "last"


def copy_of(signature: Any) -> Any:
    """Return a copy of a canvas, tasks and all: what is given to those for one sending isn't for the next one."""
    copy = signature.clone()
    kind = copy.get("subtask_type")
    if kind in ("chain", "group"):
        copy.kwargs["tasks"] = [copy_of(part) for part in signature.tasks]
    elif kind == "chord":
        header = signature.kwargs["header"]
        is_group = getattr(header, "tasks", None) is not None
        copy.kwargs["header"] = copy_of(header) if is_group else [copy_of(part) for part in header]
        if signature.body is not None:
            copy.kwargs["body"] = copy_of(signature.body)
    return copy


def leaves(signature: Any) -> Iterator[Any]:
    """Yield the tasks of a canvas, in their order."""
    parts = _parts(signature)
    if parts is None:
        yield signature
    else:
        for part in parts:
            yield from leaves(part)


def last_of(signature: Any) -> Any:
    """Return the task whose result is that of the whole; for a group, the group."""
    kind = signature.get("subtask_type")
    if kind == "chain":
        return last_of(signature.tasks[-1])
    return last_of(signature.body) if kind == "chord" else signature


def plan_of(signature: Any) -> JSON:
    """Return the plan (tasks.domain.canvas) of a canvas whose tasks have ids."""
    kind = signature.get("subtask_type")
    if kind == "chord":
        header = signature.tasks
        body = [] if signature.body is None else [plan_of(signature.body)]
        return [CHAIN, [GROUP, *(plan_of(part) for part in getattr(header, "tasks", header))], *body]
    parts = _parts(signature)
    if parts is None:
        return str(root_id_of(id_of(signature)))
    return [CHAIN if kind == "chain" else GROUP, *(plan_of(part) for part in parts)]


def id_of(leaf: Any) -> str:
    """Return the id that a task of a canvas has, or gets now."""
    return str(leaf.options.setdefault("task_id", str(uuid.uuid4())))


def is_tracked(leaf: Any) -> bool:
    """Tell whether a task of a canvas has a tree of its own, as far as this process knows it."""
    return bool(getattr(current_app.tasks.get(leaf.task), "is_tracked", False))


def tell(leaf: Any, header: dict[str, JSON]) -> None:
    """Let the message of a task of a canvas say this of its tree."""
    headers = leaf.options.get("headers") or {}
    leaf.options["headers"] = {**headers, HEADER: {**(headers.get(HEADER) or {}), **header}}


def _parts(signature: Any) -> list[Any] | None:
    kind = signature.get("subtask_type")
    if kind in ("chain", "group"):
        return list(signature.tasks)
    if kind != "chord":
        return None
    header = signature.tasks
    return [*getattr(header, "tasks", header), *([] if signature.body is None else [signature.body])]
