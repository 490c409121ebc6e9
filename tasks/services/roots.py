"""Creating roots, and ending those that have no job."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tasks.domain.bounds import ERROR_CHARS, MESSAGE_CHARS, TITLE_CHARS, measure, shorten
from tasks.domain.jsonvalue import JSON
from tasks.domain.statuses import NODE_TERMINAL, NodeStatus
from tasks.domain.updates import Draft, UpdateType, draft, encode_node
from tasks.errors import IllegalTransition, StaleFence
from tasks.models import Job, Node, TaskRoot
from tasks.models.root import new_id
from tasks.services import prepared, sql
from tasks.services.log import append_updates
from tasks.tracking.port import TaskOwner, TaskUser

_ENDINGS = {
    NodeStatus.COMPLETED: UpdateType.TASK_END,
    NodeStatus.FAILED: UpdateType.TASK_ERROR,
    NodeStatus.CANCELLED: UpdateType.TASK_ABORTED,
}
#: How many days a finished tree is kept, with its job, log and attempts; the setting STEPLINE_KEPT_DAYS overrides it.
KEPT_DAYS = 30
#: How many days one is kept that waits for an operator; the setting STEPLINE_DEAD_LETTERS_KEPT_DAYS overrides it.
DEAD_LETTERS_KEPT_DAYS = 90
#: How long the tree of a request is kept, which only its client sees.
REQUEST_KEPT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Say to whom a tree belongs: a user, or the session of someone who is not signed in."""

    user_id: int | str | None = None
    session_key: str = ""

    @classmethod
    def of(cls, given: TaskOwner | TaskUser) -> "Owner":
        """Return the owner that a caller means: a user, or whatever has `user_id` and `session_key`."""
        return cls(
            user_id=given.user_id if hasattr(given, "user_id") else given.pk,
            session_key=getattr(given, "session_key", ""),
        )


def create_root(
    *,
    title: str,
    owner: Owner,
    root_id: uuid.UUID | None = None,
    input: JSON = None,
    steps: JSON = None,
    meta: JSON = None,
    shared: bool = False,
    request_scoped: bool = False,
    parent_id: uuid.UUID | None = None,
    previous_id: uuid.UUID | None = None,
    lease: timedelta | None = None,
) -> TaskRoot:
    """Create a root, whose log begins with taskStart, inside the caller's transaction or one of its own.

    `lease` is how long its writer may be silent before the dispatcher ends a root that gets no job. `parent_id` names
    the work that starts it, `previous_id` the ended execution that it repeats.
    """
    with transaction.atomic():
        root = TaskRoot(
            id=root_id or new_id(),
            title=shorten(title, TITLE_CHARS),
            owner_id=owner.user_id,
            session_key="" if owner.user_id is not None else owner.session_key,
            meta=meta,
            shared=shared,
            request_scoped=request_scoped,
            parent_id=parent_id,
            previous_id=previous_id,
            lease_until=timezone.now() + lease if lease is not None else None,
            **steps_columns(steps, seq=1),
        )
        prepared.insert(root)
        drafts = [draft(UpdateType.TASK_START, title=root.title, input=input, steps=steps)]
        if meta is not None:
            reference = encode_node(node_id=str(root.pk), type="task", title=root.title)
            drafts.append(draft(UpdateType.NODE_META, node=reference, meta=meta))
        append_updates(root_id=root.pk, drafts=drafts)
    return root


def report_progress(
    *,
    root_id: uuid.UUID,
    title: str,
    message: str | None = None,
    current: float | None = None,
    total: float | None = None,
) -> None:
    """Write what is given of message, current and total to a root that has no recorder.

    Raises StaleFence where it has ended.
    """
    reference = encode_node(node_id=str(root_id), type="task", title=title)
    text = None if message is None else shorten(message, MESSAGE_CHARS)
    given = {"message": text, "current": measure(current), "total": measure(total)}
    columns: dict[str, sql.Value] = {name: value for name, value in given.items() if value is not None}
    with transaction.atomic():
        append_updates(
            root_id=root_id, drafts=[draft(UpdateType.NODE_PROGRESS, node=reference, **columns)], columns=columns
        )


def restart_root(*, root_id: uuid.UUID, title: str, steps: JSON, lease: timedelta) -> None:
    """Let a root without a job begin anew, under another title: what it had reported no longer holds.

    Raises StaleFence where it has ended, IllegalTransition where it has got a job.
    """
    title = shorten(title, TITLE_CHARS)
    reference = encode_node(node_id=str(root_id), type="task", title=title)
    columns: dict[str, sql.Value] = {
        "title": title,
        "status": NodeStatus.RUNNING.value,
        "message": "",
        "current": None,
        "total": None,
        "lease_until": sql.time_value(timezone.now() + lease),
    }
    with transaction.atomic():
        seq = append_updates(
            root_id=root_id, drafts=[draft(UpdateType.NODE_START, node=reference, steps=steps)], columns=columns
        )
        TaskRoot.objects.filter(pk=root_id).update(steps=None, **steps_columns(steps, seq=seq))
        _check_jobless(root_id)


def steps_columns(steps: JSON, *, seq: int) -> dict[str, int | None]:
    """Return the columns of a root for the steps that its update `seq` names; None where it names none."""
    return {"steps_seq": None if steps is None else seq, "step_count": len(steps) if isinstance(steps, list) else 0}


def kept_for(*, dead_letter: bool = False) -> timedelta:
    """Return how long a finished tree is kept."""
    if dead_letter:
        return timedelta(days=getattr(settings, "STEPLINE_DEAD_LETTERS_KEPT_DAYS", DEAD_LETTERS_KEPT_DAYS))
    return timedelta(days=getattr(settings, "STEPLINE_KEPT_DAYS", KEPT_DAYS))


def ending(
    status: NodeStatus, *, result: JSON = None, reason: str = "", kept: timedelta | None = None
) -> tuple[Draft, dict[str, sql.Value]]:
    """Return the terminal update of a root that ends with `status`, and the columns that go with it.

    It is kept for `kept`, by default as long as every finished tree.
    """
    now = timezone.now()
    reason = shorten(reason, ERROR_CHARS)
    kind = _ENDINGS[status]
    closing = draft(kind, result=result) if kind is UpdateType.TASK_END else draft(kind, reason=reason or status.value)
    columns: dict[str, sql.Value] = {
        "status": status.value,
        "error": "" if kind is UpdateType.TASK_END else reason or status.value,
        "result": sql.json_value(result),
        "closed": True,
        "finished_at": sql.time_value(now),
        "purge_at": sql.time_value(now + (kept or kept_for())),
        "lease_until": None,
    }
    return closing, columns


def end_open_nodes(*, root_id: uuid.UUID, status: NodeStatus, reason: str) -> list[Draft]:
    """End the nodes that nobody will end any more, in the caller's transaction; return their updates, leaves first."""
    from_open = [s.value for s in NodeStatus if s not in NODE_TERMINAL]
    nodes = list(Node.objects.select_for_update().filter(root_id=root_id, status__in=from_open).order_by("ordinal"))
    reason = shorten(reason, ERROR_CHARS)
    drafts: list[Draft] = []
    for node in reversed(nodes):
        reference = _reference(node)
        if reason:
            drafts.append(draft(UpdateType.NODE_ERROR, node=reference, error=reason))
        drafts.append(draft(UpdateType.NODE_END, node=reference, status=status.value))
    if nodes:
        Node.objects.filter(pk__in=[node.pk for node in nodes]).update(status=status.value, error=reason)
    return drafts


def report_node(*, root_id: uuid.UUID, node_id: uuid.UUID, current: float, total: float | None) -> None:
    """Write how far a node is that no recorder holds at the moment, in the caller's transaction.

    Without effect where there is no such node, it has ended, or its root has. This locks the node, then the head.
    """
    open_statuses = [s.value for s in NodeStatus if s not in NODE_TERMINAL]
    rows = Node.objects.filter(pk=node_id, root_id=root_id, status__in=open_statuses)
    node = rows.select_for_update().first()
    if node is None or not TaskRoot.objects.filter(pk=root_id, closed=False).exists():
        return
    rows.update(current=measure(current), total=measure(total))
    told = draft(UpdateType.NODE_PROGRESS, node=_reference(node), current=measure(current), total=measure(total))
    with suppress(StaleFence):
        append_updates(root_id=root_id, drafts=[told])


def end_root(
    *, root_id: uuid.UUID, status: NodeStatus, reason: str = "", result: JSON = None, meta: JSON = None
) -> None:
    """End a root that has no job, with what is still open below it; `meta` replaces its meta where it is given.

    Raises StaleFence where it has ended already, IllegalTransition where it has a job: a job ends with its root, or
    is cancelled, but its root is never taken away from under it.
    """
    with transaction.atomic():
        root = TaskRoot.objects.only("title", "request_scoped").filter(pk=root_id).first()
        if root is None:
            raise StaleFence("There is no such task any more; nothing was written.", task_id=str(root_id))
        drafts = end_open_nodes(root_id=root_id, status=status, reason=reason)
        closing, columns = ending(
            status, result=result, reason=reason, kept=REQUEST_KEPT if root.request_scoped else None
        )
        if meta is not None:
            reference = encode_node(node_id=str(root_id), type="task", title=root.title)
            drafts.append(draft(UpdateType.NODE_META, node=reference, meta=meta))
            columns["meta"] = sql.json_value(meta)
        append_updates(root_id=root_id, drafts=[*drafts, closing], columns=columns)
        _check_jobless(root_id)


def _check_jobless(root_id: uuid.UUID) -> None:
    # Asked with the head locked: a job that is enqueued for this root at this moment needs the head too.
    if Job.objects.filter(pk=root_id).exists():
        raise IllegalTransition("The root of a job ends with its job.", task_id=str(root_id))


def _reference(node: Node) -> str:
    return encode_node(
        node_id=str(node.pk),
        type=node.type,
        title=node.title,
        parent_id=str(node.parent_id or node.root_id),
        alias=node.alias or None,
        attempt=node.attempt,
    )
