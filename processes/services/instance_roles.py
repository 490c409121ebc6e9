"""The roles that a user has towards an instance: status rules name them.

| role | who |
| --- | --- |
| `owner` | whose instance it is |
| `assignee` | who is at work on it |
| `candidate` | who may claim it, while nobody has |
| `staff` | all staff |
| the name of a group | its members; reserved names, those above, are none |
| a registered role | whom its function says (`processes.registry.role`) |
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from django.contrib.auth.models import Group
from django.db.models import Q

from processes.domain.status_rules import RESERVED_ROLES
from processes.models import InstanceCandidate, ProcessInstance
from processes.registry import HeldRoles
from processes.registry import roles as registered
from processes.services.access import User

__all__ = ["ASSIGNEE", "CANDIDATE", "OWNER", "STAFF", "Roles"]

logger = logging.getLogger(__name__)

OWNER: Final = "owner"
ASSIGNEE: Final = "assignee"
CANDIDATE: Final = "candidate"
STAFF: Final = "staff"

#: From so many on the database is asked about all of them at once.
_MANY: Final = 2


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Know a user's roles: their groups are read once, however many instances are asked about."""

    user: User
    #: Candidates of instances that were read for many at once; of others they are read one by one.
    candidacies: Mapping[object, bool] = field(default_factory=dict)
    #: The instances that were read for many at once.
    many: Collection[uuid.UUID] = ()
    _hooks: dict[object, HeldRoles] = field(default_factory=dict, init=False, repr=False)
    _held: dict[str, frozenset[uuid.UUID] | None] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def is_somebody(self) -> bool:
        """Tell whether the user may have any role at all."""
        return bool(self.user.is_authenticated and self.user.is_active)

    @cached_property
    def groups(self) -> Mapping[str, int]:
        """Return the groups of the user, name to key."""
        if not self.is_somebody or not hasattr(self.user, "groups"):
            return {}
        return dict(Group.objects.filter(user=self.user.pk).values_list("name", "pk"))

    @cached_property
    def lasting(self) -> frozenset[str]:
        """Return the roles that don't depend on an instance: groups, and staff.

        A group that is called as a reserved role gives nobody that role.
        """
        if not self.is_somebody:
            return frozenset()
        groups = self.groups.keys() - set(RESERVED_ROLES)
        return frozenset({*groups, *([STAFF] if getattr(self.user, "is_staff", False) else [])})

    def towards(self, instance: ProcessInstance, *, among: Collection[str]) -> frozenset[str]:
        """Return which of the roles `among` the user has towards an instance; others aren't looked for."""
        if not self.is_somebody:
            return frozenset()
        return frozenset(role for role in among if self._has(role, instance))

    def is_candidate(self, instance: ProcessInstance) -> bool:
        """Tell whether the user is one of those who were asked, claimed or not."""
        if not self.is_somebody:
            return False
        if instance.pk in self.candidacies:
            return self.candidacies[instance.pk]
        rows = InstanceCandidate.objects.filter(instance=instance)
        return self._are_asked(rows.values_list("user_id", "group_id"))

    def filter_of(self, role: str) -> Q | None:
        """Return towards which instances the user has a role of a function, as its filter tells the database.

        None where there is no filter, or one that fails, which is told in the log.
        """
        hook = registered.find(role)
        if hook is None or hook.filter is None:
            return None
        try:
            towards: Q = hook.filter(self.user)
            # What it names is looked for already here, so that a list fails of no role.
            ProcessInstance.objects.filter(towards)
        except Exception:
            logger.exception('The filter of the role "%s" can\'t be used: lists find nothing by it', role)
            return None
        return towards

    def among(self, instances: Collection[ProcessInstance]) -> "Roles":
        """Return the same roles, with the candidates of all these instances read by one query; by none where known.

        So are roles of functions that give the database a filter.
        """
        if all(instance.pk in self.candidacies for instance in instances):
            return self
        asked: dict[object, list[tuple[object, object]]] = {instance.pk: [] for instance in instances}
        rows = InstanceCandidate.objects.filter(instance__in=list(instances))
        for instance_id, user_id, group_id in rows.values_list("instance_id", "user_id", "group_id"):
            asked[instance_id].append((user_id, group_id))
        known = Roles(
            user=self.user,
            candidacies={key: self._are_asked(found) for key, found in asked.items()},
            many=tuple(instance.pk for instance in instances),
        )
        known.__dict__["groups"] = self.groups
        return known

    def _are_asked(self, rows: Iterable[tuple[object, object]]) -> bool:
        """Tell whether the user is among candidates, given as pairs of a user's key and a group's."""
        groups = set(self.groups.values())
        return any(user == self.user.pk or group in groups for user, group in rows)

    def _has(self, role: str, instance: ProcessInstance) -> bool:
        if role == OWNER:
            return instance.owner_id == self.user.pk
        if role == ASSIGNEE:
            return instance.assignee_id == self.user.pk
        if role == CANDIDATE:
            return instance.assignee_id is None and self.is_candidate(instance)
        if role in self.lasting:
            return True
        held = self._held_among_many(role)
        return self._asked_of_hooks(instance).has(role) if held is None else instance.pk in held

    def _held_among_many(self, role: str) -> frozenset[uuid.UUID] | None:
        """Return towards which of the many the user has a role of a function; None where that is asked one by one."""
        if len(self.many) < _MANY:
            return None
        if role not in self._held:
            towards = self.filter_of(role)
            rows = None if towards is None else ProcessInstance.objects.filter(towards, pk__in=self.many)
            self._held[role] = None if rows is None else frozenset(rows.values_list("pk", flat=True))
        return self._held[role]

    def _asked_of_hooks(self, instance: ProcessInstance) -> HeldRoles:
        """Return the answers of the app's own roles about an instance: each function is called once."""
        if instance.pk not in self._hooks:
            self._hooks[instance.pk] = registered.asked(user=self.user, instance=instance)
        return self._hooks[instance.pk]
