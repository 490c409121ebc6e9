"""What clients are fed from: snapshots, stretches of the log, heads."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from django.db import transaction

from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import TreeNode
from tasks.errors import TaskNotFound
from tasks.models import Node, TaskRoot, Update

#: Updates that one read of the log returns at most.
READ_LIMIT = 500
#: Readings of a tree that may be in vain because it was written meanwhile.
FREE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Head:
    """Say how far a root's log goes, and whether it is closed."""

    last_seq: int
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Hold a root's whole state as of update `seq`."""

    root: TaskRoot
    tree: TreeNode
    seq: int
    status: str
    steps: JSON

    def to_json(self, *, is_owner: bool | None = None, incomplete: bool = False) -> dict[str, JSON]:
        """Return the snapshot as the feed sends it."""
        value: dict[str, JSON] = {
            "v": 1,
            "type": "snapshot",
            "taskId": str(self.root.pk),
            "seq": self.seq,
            "status": self.status,
        }
        if self.steps is not None:
            value["steps"] = self.steps
        if is_owner is not None:
            value["isOwner"] = is_owner
        if incomplete:
            value["incomplete"] = True
        if self.root.result is not None:
            value["result"] = self.root.result
        value["task"] = self.tree.to_json()
        return value


def read_snapshot(root_id: uuid.UUID) -> Snapshot:
    """Return the state of a root; raises TaskNotFound.

    Head and nodes are read until both are of the same moment: a writer changes nodes and then, last, the head, so a
    head that is the same before and after the nodes were read vouches for them. Four queries, whatever the size. A
    tree that is written faster than it can be read holds its head still for the last of a few tries.
    """
    for _ in range(FREE_TRIES):
        root, nodes = _read(root_id)
        if TaskRoot.objects.filter(pk=root_id).values_list("last_seq", flat=True).first() == root.last_seq:
            break
    else:
        with transaction.atomic():
            # A statement of its own: what is joined to a row that was waited for would be older than the row.
            TaskRoot.objects.select_for_update(no_key=True).filter(pk=root_id).values_list("pk").first()
            root, nodes = _read(root_id)
    return Snapshot(
        root=root,
        tree=_build_tree(root, nodes),
        seq=root.last_seq,
        status=root.shown_status,
        steps=read_steps(root),
    )


def read_updates(root_id: uuid.UUID, *, after: int, limit: int = READ_LIMIT) -> list[tuple[int, str]]:
    """Return up to `limit` updates past number `after`, as pairs of number and encoded text, in order."""
    rows = Update.objects.filter(root_id=root_id, seq__gt=after).order_by("seq")
    return list(rows.values_list("seq", "body")[:limit])


def read_steps(root: TaskRoot) -> JSON:
    """Return the steps that a root has said it will take, as its log tells them; None where it has said none."""
    if root.steps is not None or root.steps_seq is None:
        return cast(JSON, root.steps)
    body = Update.objects.filter(root_id=root.pk, seq=root.steps_seq).values_list("body", flat=True).first()
    # A tree that is being purged loses its log first.
    return None if body is None else cast(JSON, json.loads(body)["steps"])


def read_heads(root_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Head]:
    """Return the heads of the given roots; those that no longer exist are absent."""
    rows = TaskRoot.objects.filter(pk__in=list(root_ids)).values_list("pk", "last_seq", "closed")
    return {pk: Head(last_seq=last_seq, closed=closed) for pk, last_seq, closed in rows}


def _read(root_id: uuid.UUID) -> tuple[TaskRoot, list[Node]]:
    root = TaskRoot.objects.select_related("job", "celery_task").filter(pk=root_id).first()
    if root is None:
        raise TaskNotFound("There is no such task, or you may not see it.", task_id=str(root_id))
    return root, list(Node.objects.filter(root_id=root_id).order_by("ordinal"))


def _build_tree(root: TaskRoot, nodes: Iterable[Node]) -> TreeNode:
    top = _tree_node(root, node_id=str(root.pk), type="task", alias=None)
    top.expected = root.expected
    by_id: dict[uuid.UUID, TreeNode] = {root.pk: top}
    for node in nodes:
        built = _tree_node(node, node_id=str(node.pk), type=node.type, alias=node.alias or None)
        by_id[node.pk] = built
        # Parents are created before their children, so the parent is there.
        by_id.get(node.parent_id or root.pk, top).children.append(built)
    return top


def _tree_node(row: TaskRoot | Node, *, node_id: str, type: str, alias: str | None) -> TreeNode:
    return TreeNode(
        id=node_id,
        type=type,
        title=row.title,
        alias=alias,
        status=NodeStatus(row.status),
        error=row.error or None,
        current=_number(row.current),
        total=_number(row.total),
        message=row.message or None,
        meta=row.meta,
        output=row.output,
    )


def _number(value: float | None) -> float | None:
    """Return whole numbers as integers, so that 3 rows aren't shown as 3.0."""
    return int(value) if value is not None and value.is_integer() else value
