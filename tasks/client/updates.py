"""The updates of one task, as a client follows them: each with its context, none lost and none twice."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Required, TypedDict, cast

from tasks.client.asking import events
from tasks.client.errors import BadAnswer, TaskAborted, TaskFailed
from tasks.client.exchange import Request
from tasks.client.flow import Emit, Event, Flow
from tasks.client.patience import Patience
from tasks.domain.context import Context
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree
from tasks.domain.updates import TERMINAL_TYPES, UpdateType
from tasks.errors import InvalidUpdate

__all__ = ["NodeReference", "Outcome", "Update", "fold", "follow_end", "follow_updates"]

_KNOWN = frozenset(map(str, UpdateType))
_SNAPSHOT = "snapshot"
#: How a root that has ended says so in a snapshot.
_ENDED = {
    NodeStatus.COMPLETED.value: UpdateType.TASK_END,
    NodeStatus.FAILED.value: UpdateType.TASK_ERROR,
    NodeStatus.CANCELLED.value: UpdateType.TASK_ABORTED,
}


class NodeReference(TypedDict, total=False):
    """Name the node that an update is about; the root has no `parentId`, and only actions have an `alias`."""

    id: Required[str]
    parentId: str
    type: Required[Literal["action", "process", "task"]]
    title: Required[str]
    alias: str
    attempt: int


class Update(TypedDict, total=False):
    """Be one update of a task's log, as docs/feed.md lists them, with the state of the task as of it.

    A `snapshot` comes instead of updates that the site doesn't hold any more, or where a client lags far behind.
    """

    v: Required[int]
    seq: Required[int]
    type: Required[str]
    taskId: Required[str]
    timestamp: str
    context: Required[Context]
    node: NodeReference
    title: str
    input: Any
    steps: list[dict[str, str]]
    status: str
    attempt: int
    waitingFor: dict[str, Any]
    current: float
    total: float
    message: str
    text: str
    data: Any
    meta: Any
    error: str
    reason: str
    until: str
    result: Any
    task: dict[str, Any]
    isOwner: bool
    incomplete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Say how a task has ended."""

    task_id: str
    #: `taskEnd`, `taskError` or `taskAborted`.
    type: str
    result: Any = None
    reason: str = ""

    def get(self) -> Any:
        """Return the result; raises TaskFailed or TaskAborted, with the reason."""
        if self.type == UpdateType.TASK_END:
            return self.result
        kind = TaskAborted if self.type == UpdateType.TASK_ABORTED else TaskFailed
        raise kind(self.reason, task_id=self.task_id)


def follow_updates(
    task_id: str, patience: Patience, *, snapshot: bool = False, tell: Callable[[Update], object] | None = None
) -> Flow[Outcome]:
    """Emit each update, from the first one or from a snapshot on, and return how the task has ended.

    `tell` is called with each of them before it is emitted.
    """
    tree = Tree()
    last: list[Outcome] = []

    def request() -> Request:
        asks_for_snapshot = snapshot and tree.root is None
        return _request(task_id, {"snapshot": "1"} if asks_for_snapshot else {"since": str(tree.seq)})

    def take(event: Event) -> Flow[bool]:
        update = _decoded(event)
        if update["type"] != _SNAPSHOT and update["seq"] <= tree.seq:
            return False
        fold(tree, update)
        update["context"] = tree.context
        if tell is not None:
            tell(cast("Update", update))
        yield Emit(update)
        if tree.finished:
            last.append(_outcome(update))
        return tree.finished

    yield from events(request, take, patience)
    return last[0]


def follow_end(task_id: str, patience: Patience) -> Flow[Outcome]:
    """Wait for a task's end, and return it; of what comes before, the site sends as little as it can."""
    last: list[Outcome] = []

    def take(event: Event) -> Flow[bool]:
        update = _decoded(event)
        ends = update["type"] in TERMINAL_TYPES
        if update["type"] == _SNAPSHOT:
            ends = isinstance(task := update.get("task"), dict) and task.get("status") in _ENDED
        if ends:
            last.append(_outcome(update))
        return ends
        yield  # A flow, though it has nothing to hand out.

    query = {"snapshot": "1", "types": UpdateType.TASK_STATUS.value}
    yield from events(lambda: _request(task_id, query), take, patience)
    return last[0]


def _request(task_id: str, query: dict[str, str]) -> Request:
    return Request(method="GET", path=f"/api/tasks/{task_id}/updates/", query=dict(query))


def _outcome(update: dict[str, Any]) -> Outcome:
    """Return how a task has ended from what tells of it last: its terminal update, or a snapshot."""
    kind, reason = update["type"], update.get("reason")
    if kind == _SNAPSHOT:
        kind, reason = _ENDED[update["task"]["status"]], update["task"].get("error")
    return Outcome(task_id=update["taskId"], type=str(kind), result=update.get("result"), reason=str(reason or ""))


def fold(tree: Tree, update: Mapping[str, Any]) -> None:
    """Apply an update to a tree, also one of a type that only a newer site knows; raises BadAnswer."""
    try:
        if update["type"] in _KNOWN or update["type"] == _SNAPSHOT:
            tree.apply(update)
        elif update["seq"] == tree.seq + 1:
            tree.seq = update["seq"]
        else:
            raise InvalidUpdate(f"Update {update['seq']} can't follow {tree.seq}.")
    except (InvalidUpdate, KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"The log of task {update.get('taskId')} doesn't hold together: {error}") from error


def _decoded(event: Event) -> dict[str, Any]:
    try:
        update = json.loads(event.data)
    except (ValueError, RecursionError):
        update = None
    known = isinstance(update, dict) and isinstance(update.get("seq"), int) and isinstance(update.get("type"), str)
    if not known:
        raise BadAnswer("What the stream tells is no update: is this the address of a Stepline site?")
    return dict(update)
