"""Files of instances: whoever may open an instance may read what belongs to it, whoever has put it there."""

import uuid

from django.db.models import Q

from processes.models import FileHolder, ProcessInstance, StoredFile
from processes.services.access import User
from processes.services.instance_access import may_execute_instance
from processes.services.instance_roles import Roles

__all__ = ["find_instance_file"]

#: So many instances that hold a file are asked about.
_MOST_INSTANCES = 20


def find_instance_file(file_id: uuid.UUID, *, user: User) -> StoredFile | None:
    """Return a file that belongs to an instance which `user` may open, or that one holds; None for any other.

    That a file is named in an instance's Data isn't enough: only those of whoever saved it there came to belong to it.
    """
    if not user.is_authenticated or not user.is_active:
        return None
    stored = StoredFile.objects.filter(pk=file_id, is_complete=True).first()
    if stored is None:
        return None
    holding = FileHolder.objects.filter(file=stored, instance__isnull=False).values("instance")
    rows = ProcessInstance.objects.filter(Q(pk=stored.instance_id) | Q(pk__in=holding)).select_related("status_rules")
    roles = Roles(user=user)
    if any(may_execute_instance(user, instance, roles=roles) for instance in rows[:_MOST_INSTANCES]):
        return stored
    return None
