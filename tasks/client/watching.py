"""Many tasks at once: the list of a scope, kept up to date."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from tasks.client.asking import events
from tasks.client.errors import BadAnswer
from tasks.client.exchange import Request, error_told
from tasks.client.flow import Broken, Emit, Event, Flow
from tasks.client.patience import Patience
from tasks.domain.statuses import JOB_TERMINAL, NODE_TERMINAL, JobStatus, NodeStatus
from tasks.domain.updates import format_timestamp

__all__ = ["Scope", "TaskList", "TaskSummary", "Wanted", "follow_list", "wanted"]

Scope = Literal["mine", "shared", "all"]
#: In `only`: whatever hasn't ended.
OPEN = "open"
_UNENDED = sorted({*map(str, set(JobStatus) - JOB_TERMINAL), *map(str, set(NodeStatus) - NODE_TERMINAL)})


class TaskSummary(TypedDict, total=False):
    """Say of a task what a list shows: its state as of update `seq`."""

    taskId: Required[str]
    title: Required[str]
    status: Required[str]
    seq: Required[int]
    createdAt: Required[str]
    isOwner: bool
    startedAt: str
    finishedAt: str
    current: float
    total: float
    percent: float
    message: str
    error: str
    function: str
    parentId: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList:
    """Hold a list as it is now, and what has just become of it."""

    #: Newest first.
    tasks: tuple[TaskSummary, ...] = ()
    #: Those that are new or say something else than before; also the last state of one that has left the list.
    changed: tuple[TaskSummary, ...] = ()
    #: The ids of those that have left the list.
    gone: tuple[str, ...] = ()

    def after(self, message: Mapping[str, Any]) -> "TaskList":
        """Return the list after a message: one that replaces it, or one that tells what has changed."""
        known = {task["taskId"]: task for task in self.tasks}
        told: list[TaskSummary] = list(message["tasks"])
        changed = tuple(task for task in told if _is_news(task, known.get(task["taskId"])))
        if message.get("snapshot"):
            kept = {task["taskId"]: task for task in told}
            gone = tuple(task_id for task_id in known if task_id not in kept)
        else:
            gone = tuple(task_id for task_id in message.get("gone", ()) if task_id in known)
            kept = {**known, **{task["taskId"]: task for task in changed}}
            for task_id in message.get("gone", ()):
                kept.pop(task_id, None)
        newest = sorted(kept.values(), key=lambda task: (task["createdAt"], task["taskId"]), reverse=True)
        return TaskList(tasks=tuple(newest), changed=changed, gone=gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Say which tasks are watched."""

    scope: Scope = "mine"
    since: datetime | None = None
    only: tuple[str, ...] = ()
    function: tuple[str, ...] = ()
    text: str = ""

    def query(self) -> dict[str, str | list[str]]:
        """Return it as the query of an address."""
        query: dict[str, str | list[str]] = {"scope": self.scope}
        if self.since is not None:
            query["since"] = format_timestamp(self.since)
        if self.only:
            # One or the other: the site's own `open` would be asked for beside the statuses.
            query["status"] = ",".join(
                name for given in self.only for name in (_UNENDED if given == OPEN else (given,))
            )
        if self.function:
            query["function"] = ",".join(self.function)
        if self.text:
            query["text"] = self.text
        return query


def wanted(
    *,
    scope: Scope,
    since: datetime | None,
    only: str | Iterable[str],
    function: str | Iterable[str],
    text: str,
) -> Wanted:
    """Return what a caller says of the tasks that they want; raises ValueError for a time without its zone."""
    if since is not None and since.tzinfo is None:
        raise ValueError("since is a time with its zone, as datetime.now(UTC) - timedelta(hours=1).")
    return Wanted(scope=scope, since=since, only=_names(only), function=_names(function), text=text)


def follow_list(wanted: Wanted, patience: Patience) -> Flow[None]:
    """Emit the list as it is, and again each time that it has changed, without an end."""
    now = TaskList()
    is_first = True

    def take(event: Event) -> Flow[bool]:
        nonlocal now, is_first
        message = _decoded(event)
        if message.get("type") == "error":
            if message.get("code") == "interrupted":
                raise Broken(str(message.get("message") or "the list was interrupted"))
            raise error_told(message)
        if message.get("type") == "tasks":
            now = _after(now, message)
            if is_first or now.changed or now.gone:
                is_first = False
                yield Emit(now)
        return False

    yield from events(lambda: Request(method="GET", path="/api/events/", query=wanted.query()), take, patience)


def _after(now: TaskList, message: Mapping[str, Any]) -> TaskList:
    try:
        return now.after(message)
    except (KeyError, TypeError) as error:
        raise BadAnswer(f"What the stream tells is no list of tasks: {error!r}") from error


def _is_news(task: TaskSummary, known: TaskSummary | None) -> bool:
    return known is None or (task["seq"] >= known["seq"] and task != known)


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) and given else tuple(given)


def _decoded(event: Event) -> dict[str, Any]:
    try:
        message = json.loads(event.data)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadAnswer("What the stream tells is no message: is this the address of a Stepline site?")
    return message
