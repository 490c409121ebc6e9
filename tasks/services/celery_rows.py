"""The rows of Celery tasks: which tree a task has, and what its sender knows of it.

Lock order of everything about Celery's trees: the canvas's row, the rows of its tasks, heads from leaf to root.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from tasks.domain.jsonvalue import JSON
from tasks.models import CeleryTask, TaskRoot
from tasks.services.roots import Owner, create_root

#: How long a tree waits for its task to be begun, unless the task says so itself.
QUEUED = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Say what the sender of a task knows of its tree; it travels with the message."""

    title: str = ""
    owner: Owner | None = None
    #: The work that sends it. Without an owner of its own, a task has that work's.
    parent_id: uuid.UUID | None = None
    shared: bool = False

    def to_json(self) -> dict[str, JSON]:
        """Return it as a header of the message."""
        owner = self.owner
        value: dict[str, JSON] = {
            "title": self.title,
            "user": None if owner is None or owner.user_id is None else str(owner.user_id),
            "session": "" if owner is None else owner.session_key,
            "parent": None if self.parent_id is None else str(self.parent_id),
            "shared": self.shared,
        }
        return {key: item for key, item in value.items() if item}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Origin":
        """Return what a header says."""
        user, session, parent = value.get("user"), str(value.get("session") or ""), value.get("parent")
        return cls(
            title=str(value.get("title") or ""),
            owner=Owner(user_id=None if user is None else str(user), session_key=session) if user or session else None,
            parent_id=None if parent is None else uuid.UUID(str(parent)),
            shared=bool(value.get("shared")),
        )


def root_id_of(task_id: str, *, execution: int = 0) -> uuid.UUID:
    """Return the id of a task's tree: the task's own where that is a UUID."""
    try:
        root_id = uuid.UUID(task_id)
    except ValueError:
        root_id = uuid.uuid5(uuid.NAMESPACE_URL, f"celery:{task_id}")
    return root_id if execution == 0 else uuid.uuid5(root_id, f"execution {execution}")


def latest_row(task_id: str, *, lock: bool = False) -> CeleryTask | None:
    """Return the row of a task's newest execution, with its root; None where it has none."""
    rows = CeleryTask.objects.filter(task_id=task_id).select_related("root").order_by("-execution")
    return (rows.select_for_update(of=("self",)) if lock else rows).first()


def create_row(
    *,
    task_id: str,
    name: str,
    origin: Origin,
    waits_until: datetime | None = None,
    after: CeleryTask | None = None,
    owner: Owner | None = None,
    parent_id: uuid.UUID | None = None,
) -> CeleryTask:
    """Create the tree of a task, or of its next execution; the existing one where somebody else was first."""
    execution = 0 if after is None else after.execution + 1
    root_id = root_id_of(task_id, execution=execution)
    try:
        with transaction.atomic():
            if after is not None:
                previous = after.root
                # What the message says counts: another sender may have used the same id.
                owner = origin.owner or Owner(user_id=previous.owner_id, session_key=previous.session_key)
                parent_id = previous.parent_id
            root = create_root(
                root_id=root_id,
                title=origin.title or name,
                owner=owner or owner_for(origin),
                shared=origin.shared,
                parent_id=parent_id or existing_root_id(origin.parent_id),
                lease=waits_until - timezone.now() if waits_until is not None else QUEUED,
            )
            if after is not None:
                root.previous = after.root
                root.save(update_fields=["previous"])
            return CeleryTask.objects.create(root=root, task_id=task_id, execution=execution, name=name)
    except IntegrityError:
        row = CeleryTask.objects.select_related("root").filter(pk=root_id).first()
        if row is not None:
            return row
        given = owner or origin.owner
        if given is None or given.user_id is None or get_user_model().objects.filter(pk=given.user_id).exists():
            raise
    # Its owner was deleted meanwhile, or created in a transaction that was rolled back.
    return create_row(
        task_id=task_id,
        name=name,
        origin=replace(origin, owner=Owner()),
        waits_until=waits_until,
        after=after,
        owner=Owner(),
        parent_id=parent_id,
    )


def owner_for(origin: Origin) -> Owner:
    """Return the owner that the sender named, else that of the work that sends it, else nobody."""
    if origin.owner is not None:
        return origin.owner
    if origin.parent_id is None:
        return Owner()
    found = TaskRoot.objects.filter(pk=origin.parent_id).values_list("owner_id", "session_key").first()
    return Owner() if found is None else Owner(user_id=found[0], session_key=found[1])


def existing_root_id(root_id: uuid.UUID | None) -> uuid.UUID | None:
    """Return the id where there is such a root, else None."""
    if root_id is None or not TaskRoot.objects.filter(pk=root_id).exists():
        return None
    return root_id
