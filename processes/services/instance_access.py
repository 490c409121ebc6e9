"""Who may open an instance: see it, and execute its process. Missing and forbidden look the same.

Its owner may, whoever it is assigned to and those who may claim it, staff who may change instances, and whoever has a
role to which the status rules offer something at its present status: a rule for everyone opens it to nobody else.
Conditions of rules (`if`) decide what is offered, not who may look. What may be done is another question:
`processes.services.offers` answers it.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import OuterRef, Q, QuerySet, Subquery

from processes.models import InstanceCandidate, ProcessInstance
from processes.services.access import User, may_change_instances
from processes.services.errors import InstanceNotFoundError, SignInRequiredError
from processes.services.instance_roles import OWNER, Roles
from processes.services.instance_ways import (
    NEWEST,
    candidacies,
    first_rows,
    instance_way,
    opened_at_once,
    opened_by_rules,
)
from processes.services.status_rules import readable_rules

__all__ = ["FARTHEST", "Place", "find_instance", "may_execute_instance", "newest_visible", "visible_instances"]

#: The farthest that lists can be leafed, in rows: each page reads those before it.
FARTHEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Place:
    """Be the place of an instance in a list of the newest."""

    created_at: datetime
    pk: uuid.UUID

    def behind(self) -> Q:
        """Return the filter for what comes behind it; its first part is one that an index can begin at."""
        later = Q(created_at__lt=self.created_at) | Q(created_at=self.created_at, pk__lt=self.pk)
        return Q(created_at__lte=self.created_at) & later


def may_execute_instance(user: User | None, instance: ProcessInstance, *, roles: Roles | None = None) -> bool:
    """Tell whether `user` may open an instance, and execute its process."""
    if user is None or not user.is_authenticated or not user.is_active:
        return False
    if user.pk in (instance.owner_id, instance.assignee_id) or may_change_instances(user):
        return True
    roles = roles or Roles(user=user)
    return roles.is_candidate(instance) or _opened_by_rules(instance, roles)


def find_instance(instance_id: uuid.UUID, *, user: User | None) -> ProcessInstance:
    """Return the instance that `user` may open; raises InstanceNotFoundError where there is none, or none for them.

    Somebody not signed in gets a SignInRequiredError, whether it exists or not.
    """
    message = "There is no such instance, or you may not execute it."
    if user is None or not user.is_authenticated:
        raise SignInRequiredError(message)
    rows = ProcessInstance.objects.select_related("template", "status_rules", "type", "assignee")
    instance = rows.filter(pk=instance_id).first()
    if instance is None or not may_execute_instance(user, instance):
        raise InstanceNotFoundError(message)
    return instance


def visible_instances(user: User) -> QuerySet[ProcessInstance]:
    """Return the instances that `user` may open, as one query.

    Roles of functions count where those give the database a filter (`processes.registry.role`).
    """
    if not user.is_authenticated or not user.is_active:
        return ProcessInstance.objects.none()
    if may_change_instances(user):
        return ProcessInstance.objects.all()
    roles = Roles(user=user)
    asked = InstanceCandidate.objects.filter(Q(user=user.pk) | Q(group__in=list(roles.groups.values())))
    seen = Q(owner=user.pk) | Q(assignee=user.pk) | Q(pk__in=asked.values("instance"))
    for part in opened_at_once(roles):
        seen |= part
    return ProcessInstance.objects.filter(seen)


def newest_visible(
    user: User,
    *,
    count: int,
    wanted: Mapping[str, object] | None = None,
    matching: Q = Q(),  # noqa: B008 - never changed
    behind: Place | None = None,
    related: Sequence[str] = (),
) -> tuple[list[ProcessInstance], bool]:
    """Return `count` instances that `user` may open, the newest first, behind a place; and whether there are more.

    `wanted` narrows them: fields of an instance, as a filter names them, and their values; `matching` as any filter
    does. However many there are and however far it is, so many rows are read as are shown.
    """
    if not user.is_authenticated or not user.is_active:
        return [], False
    wanted = wanted or {}
    rows = ProcessInstance.objects.filter(matching, **wanted)
    candidates = InstanceCandidate.objects.all()
    if behind is not None:
        rows = rows.filter(behind.behind())
        # What was created later has a later key, so that those before the place needn't be passed.
        candidates = candidates.filter(instance_id__lt=_key_after(behind.created_at))
    if may_change_instances(user):
        ways = [instance_way(rows, order=NEWEST)]
    else:
        roles, status = Roles(user=user), wanted.get("status")
        opened = opened_by_rules(roles, status=None if status is None else str(status))
        own = [Q(owner=user.pk), Q(assignee=user.pk), *opened]
        # Keys are in the order of creation (UUID, version 7), so that candidates are, too: those of a group are looked
        # through from the newest on until enough are found that are wanted. Each instance is asked for by its key, as a
        # subquery says and a join doesn't: PostgreSQL would rather read all instances than a thousand of them.
        made = rows.filter(pk=OuterRef("instance_id")).order_by().values("created_at")[:1]
        asked = candidates.annotate(created_at=Subquery(made)).filter(created_at__isnull=False)
        ways = [
            *(instance_way(rows.filter(part), order=NEWEST) for part in own),
            *candidacies(roles, rows=asked, order=("-instance_id",), columns=("created_at", "instance_id")),
        ]
    found = first_rows(ways, order=NEWEST, first=0, count=count + 1, related=related)
    return found[:count], len(found) > count


def _key_after(moment: datetime) -> uuid.UUID:
    """Return a key that is later than those of all that was created until then."""
    milliseconds = int(moment.timestamp() * 1_000) + 2
    return uuid.UUID(int=milliseconds << 80)


def _opened_by_rules(instance: ProcessInstance, roles: Roles) -> bool:
    if instance.status_rules is None:
        return False
    rules = readable_rules(instance.status_rules)
    held = roles.towards(instance, among=rules.roles - {OWNER})
    return any(rule.statuses.matches(instance.status) for rule in rules.rules_for(held))
