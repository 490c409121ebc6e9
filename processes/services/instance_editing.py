"""Changing an instance by hand, past its process: for staff who may change instances."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON, content_hash
from processes.models import EventKind, ProcessInstance
from processes.services import audit
from processes.services.access import may_change_instances
from processes.services.assignments import Assignment, assign, locked_instance, set_due, withdraw
from processes.services.doer import Doer
from processes.services.errors import InstanceNotFoundError, StaleDraftError
from processes.services.instance_history import note_event
from processes.services.instance_status import set_status, set_title
from processes.services.instance_work import named_user

__all__ = ["InstanceEdit", "edit_instance", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEdit:
    """Hold what an instance is to be: `assignee` is the name of a user, empty for nobody."""

    title: str
    status: str
    assignee: str
    due_at: datetime | None


def state_of(instance: ProcessInstance) -> str:
    """Return what tells whether anything has changed of what is edited by hand."""
    return content_hash(dict(_values(instance)))


@transaction.atomic
def edit_instance(
    instance_id: uuid.UUID, edit: InstanceEdit, *, editor: AbstractBaseUser, seen: str | None = None
) -> list[str]:
    """Change an instance by hand, and return which fields have changed; history and audit log tell who did it.

    A changed status ends an assignment that isn't changed, too. `seen` is the state that the editor saw. Raises
    InstanceNotFoundError for somebody who may not, StaleDraftError where it has another one by now (its process may
    have moved it on), NotAssignableError for a user who isn't there.
    """
    if not may_change_instances(editor):
        raise InstanceNotFoundError(_("There is no such instance, or you may not change it."))
    instance = locked_instance(instance_id)
    if seen is not None and seen != state_of(instance):
        raise StaleDraftError(
            _("Somebody else has saved this meanwhile. Nothing of yours was saved: open it again."),
            fields={"status": instance.status},
        )
    before = _values(instance)
    doer = Doer.of(editor)
    set_title(instance.pk, edit.title, doer=doer)
    set_status(instance.pk, edit.status, doer=doer)
    if edit.assignee != before["assignee"]:
        _reassign(instance_id, edit, doer=doer)
    elif edit.due_at != instance.due_at:
        set_due(instance.pk, edit.due_at, doer=doer)
    after = _values(locked_instance(instance_id))
    changed = [name for name, value in after.items() if value != before[name]]
    if changed:
        audit.record(
            "instance.edited",
            actor=audit.actor_of(editor),
            subject=instance,
            plan_hash=instance.plan_id,
            details={"changed": list(changed), "status": edit.status},
        )
    return changed


def _reassign(instance_id: uuid.UUID, edit: InstanceEdit, *, doer: Doer) -> None:
    if edit.assignee:
        assignment = Assignment(users=[named_user(edit.assignee).pk], due_at=edit.due_at)
        assign(instance_id, assignment, doer=doer)
        return
    withdraw(locked_instance(instance_id))
    note_event(instance_id, EventKind.RELEASED, doer=doer)
    set_due(instance_id, edit.due_at, doer=doer)


def _values(instance: ProcessInstance) -> Mapping[str, JSON]:
    return {
        "title": instance.title,
        "status": instance.status,
        "assignee": "" if instance.assignee is None else instance.assignee.get_username(),
        "due_at": None if instance.due_at is None else instance.due_at.isoformat(),
    }
