"""A task tree as the fold of its log.

Clients keep a tree by folding updates into a snapshot; the server keeps it in rows. Both must agree, and tests hold the
rows against this fold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.domain.bounds import tail
from tasks.domain.context import Context
from tasks.domain.jsonvalue import JSON
from tasks.domain.percentage import percentage
from tasks.domain.statuses import JOB_TERMINAL, JobStatus, NodeStatus
from tasks.domain.updates import TERMINAL_TYPES, UpdateType
from tasks.errors import InvalidUpdate

_TERMINAL_STATUS = {
    UpdateType.TASK_END: NodeStatus.COMPLETED,
    UpdateType.TASK_ERROR: NodeStatus.FAILED,
    UpdateType.TASK_ABORTED: NodeStatus.CANCELLED,
}
_OPEN = frozenset({NodeStatus.CREATED, NodeStatus.RUNNING, NodeStatus.WAITING})


@dataclass(slots=True, kw_only=True)
class TreeNode:
    """Hold what is known of one node."""

    id: str
    type: str
    title: str
    alias: str | None = None
    status: NodeStatus = NodeStatus.RUNNING
    error: str | None = None
    current: float | None = None
    total: float | None = None
    message: str | None = None
    meta: JSON = None
    data: JSON = None
    output: str = ""
    children: list["TreeNode"] = field(default_factory=list)
    #: How many children there will be at least: the steps of a run.
    expected: int = 0

    @property
    def percent(self) -> float | None:
        """Return how far along this node is, 0 to 100, or None where nothing is known."""
        return percentage(
            completed=self.status is NodeStatus.COMPLETED,
            current=self.current,
            total=self.total,
            children=((child.percent, 1.0) for child in self.children),
            expected=self.expected,
        )

    def to_json(self) -> dict[str, JSON]:
        """Return the node as a snapshot shows it, its descendants included."""
        value: dict[str, JSON] = {"id": self.id, "type": self.type, "title": self.title}
        optional: tuple[tuple[str, JSON], ...] = (
            ("alias", self.alias),
            ("error", self.error),
            ("current", self.current),
            ("total", self.total),
            ("message", self.message),
            ("meta", self.meta),
            ("output", self.output or None),
        )
        value["status"] = self.status.value
        value.update({key: item for key, item in optional if item is not None})
        value["children"] = [child.to_json() for child in self.children]
        return value

    def walk(self) -> Iterable["TreeNode"]:
        """Yield this node and its descendants, parents first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TreeNode":
        """Return the node that a snapshot shows."""
        return cls(
            id=value["id"],
            type=value["type"],
            title=value["title"],
            alias=value.get("alias"),
            status=NodeStatus(value["status"]),
            error=value.get("error"),
            current=value.get("current"),
            total=value.get("total"),
            message=value.get("message"),
            meta=value.get("meta"),
            output=value.get("output", ""),
            children=[cls.from_json(child) for child in value.get("children", ())],
        )


class Tree:
    """Fold the updates of one root into its tree.

    `apply` takes decoded updates in order, or a snapshot, which replaces the state. A gap or a repeat raises
    InvalidUpdate, since the feed promises neither.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.root: TreeNode | None = None
        self.status: str = JobStatus.PENDING.value
        self.steps: JSON = None
        self.result: JSON = None
        self.reason: str | None = None
        self.finished = False
        #: Input, result, data and errors as of the last update; each update that changes it makes another one.
        self.context = Context(task_id="")
        self._nodes: dict[str, TreeNode] = {}

    def apply(self, update: Mapping[str, Any]) -> None:
        """Fold one update, or take over a snapshot."""
        if update.get("type") == "snapshot":
            self._replace(update)
            return
        seq = update["seq"]
        if self.finished or seq != self.seq + 1:
            raise InvalidUpdate(f"Update {seq} can't follow {self.seq}.", seq=seq, after=self.seq)
        kind = UpdateType(update["type"])
        if self.root is None and kind is not UpdateType.TASK_START:
            raise InvalidUpdate(f"A log starts with taskStart, not {kind.value}.", seq=seq)
        self.seq = seq
        if kind in TERMINAL_TYPES:
            self._end(kind, update)
        elif kind is UpdateType.TASK_START:
            self.root = TreeNode(
                id=update["taskId"], type="task", title=update.get("title", ""), status=NodeStatus.CREATED
            )
            self._nodes[self.root.id] = self.root
            self.context = Context(task_id=self.root.id, input=update.get("input"))
            self.steps = update.get("steps")
            self.root.expected = len(update.get("steps") or ())
        elif kind is UpdateType.TASK_STATUS:
            self._set_status(update["status"])
        else:
            self._apply_to_node(kind, update)

    def snapshot(self) -> dict[str, JSON]:
        """Return the state as the feed's snapshot; raises InvalidUpdate before the first update."""
        if self.root is None:
            raise InvalidUpdate("There is nothing to show before taskStart.")
        value: dict[str, JSON] = {"v": 1, "type": "snapshot", "taskId": self.root.id, "seq": self.seq}
        value["status"] = self.status
        if self.steps is not None:
            value["steps"] = self.steps
        if self.result is not None:
            value["result"] = self.result
        value["task"] = self.root.to_json()
        return value

    def _replace(self, snapshot: Mapping[str, Any]) -> None:
        self.seq = snapshot["seq"]
        self.status = snapshot["status"]
        self.steps = snapshot.get("steps")
        self.root = TreeNode.from_json(snapshot["task"])
        self.root.expected = len(snapshot.get("steps") or ())
        self._nodes = {node.id: node for node in self.root.walk()}
        self.finished = self.root.status in _TERMINAL_STATUS.values()
        self.result = snapshot.get("result")
        self.reason = self.root.error if self.finished else None
        self.context = Context(
            task_id=self.root.id,
            outcome=self.result,
            completed=self.root.status is NodeStatus.COMPLETED,
            errors={node.alias: node.error for node in self.root.walk() if node.alias and node.error},
        )

    def _set_status(self, status: str) -> None:
        self.status = status
        if self.root is not None and self.root.status in _OPEN:
            if status == JobStatus.RUNNING:
                self.root.status = NodeStatus.RUNNING
            elif status == JobStatus.WAITING:
                self.root.status = NodeStatus.WAITING

    def _end(self, kind: UpdateType, update: Mapping[str, Any]) -> None:
        assert self.root is not None
        self.finished = True
        self.result = update.get("result")
        self.reason = update.get("reason")
        self.root.status = _TERMINAL_STATUS[kind]
        self.root.error = self.reason
        if kind is UpdateType.TASK_END:
            self.context = replace(self.context, outcome=self.result, completed=True)
        # A root without a job has no taskStatus to close it.
        if self.status not in JOB_TERMINAL:
            self.status = self.root.status.value

    def _apply_to_node(self, kind: UpdateType, update: Mapping[str, Any]) -> None:
        reference = update["node"]
        node = self._nodes.get(reference["id"])
        if kind is UpdateType.NODE_START:
            self._start(node, reference, update)
            return
        if node is None:
            raise InvalidUpdate(f"{kind.value} names a node that hasn't started.", node=reference["id"])
        if kind is UpdateType.NODE_PROGRESS:
            node.current = update.get("current", node.current)
            node.total = update.get("total", node.total)
            node.message = update.get("message", node.message)
        elif kind is UpdateType.NODE_OUTPUT:
            node.output = tail(node.output + update["text"])
        elif kind is UpdateType.NODE_UPDATE:
            node.data = update.get("data")
            if node.alias:
                self.context = self.context.with_data(node.alias, node.data)
        elif kind is UpdateType.NODE_META:
            node.meta = update.get("meta")
        elif kind is UpdateType.NODE_ERROR:
            node.error = update["error"]
            if node.alias:
                self.context = self.context.with_error(node.alias, update["error"])
        elif kind is UpdateType.NODE_DEFER:
            node.status = NodeStatus.WAITING
            node.message = update.get("reason", node.message)
        elif kind is UpdateType.NODE_END:
            node.status = NodeStatus(update["status"])

    def _start(self, node: TreeNode | None, reference: Mapping[str, Any], update: Mapping[str, Any]) -> None:
        if reference.get("alias"):
            self.context = self.context.without_error(reference["alias"])
        if node is not None:
            # It runs again, after its worker died or a retry: what it had reported no longer holds.
            node.status = NodeStatus.RUNNING
            node.title = reference["title"]
            node.error = node.current = node.message = None
            node.total = update.get("total")
            if node is self.root and "steps" in update:
                self.steps = update["steps"]
                node.expected = len(update["steps"])
            return
        parent = self._nodes.get(reference.get("parentId") or update["taskId"])
        if parent is None:
            raise InvalidUpdate("nodeStart names a parent that hasn't started.", node=reference["id"])
        node = TreeNode(
            id=reference["id"],
            type=reference["type"],
            title=reference["title"],
            alias=reference.get("alias"),
            total=update.get("total"),
        )
        parent.children.append(node)
        self._nodes[node.id] = node
