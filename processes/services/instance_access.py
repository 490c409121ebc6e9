"""Who may open an instance: see it, and execute its process. Missing and forbidden look the same.

Its owner may, whoever it is assigned to and those who may claim it, staff who may change instances, and whoever has a
role to which the status rules offer something at its present status: a rule for everyone opens it to nobody else.
Conditions of rules (`if`) decide what is offered, not who may look. What may be done is another question:
`processes.services.offers` answers it.
"""

import uuid

from django.db.models import Q, QuerySet

from processes.domain.status_rules import StatusMatch
from processes.models import InstanceCandidate, ProcessInstance, StatusRules
from processes.registry import roles as registered
from processes.services.access import User, may_change_instances
from processes.services.errors import InstanceNotFoundError, SignInRequiredError
from processes.services.instance_roles import OWNER, Roles
from processes.services.status_rules import parsed_rules

__all__ = ["at_status", "find_instance", "may_execute_instance", "opened_by_rules", "visible_instances"]


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
    for part in opened_by_rules(roles):
        seen |= part
    return ProcessInstance.objects.filter(seen)


def opened_by_rules(roles: Roles) -> list[Q]:
    """Return, for each set of status rules, which instances it opens to somebody by a role of theirs."""
    found: list[Q] = []
    for row in StatusRules.objects.only("pk", "rules"):
        rules = parsed_rules(row.rules)
        for name, held in held_roles(roles, rules.roles).items():
            of_rules = Q(status_rules=row.pk) & held
            found.extend(of_rules & at_status(rule.statuses) for rule in rules.rules_for([name]))
    return list(dict.fromkeys(found))


def held_roles(roles: Roles, names: frozenset[str]) -> dict[str, Q]:
    """Return which roles of these somebody has, and towards which instances, as far as the database can tell."""
    held: dict[str, Q] = {name: Q() for name in names & roles.lasting}
    for name in names - held.keys():
        hook = registered.find(name)
        if hook is not None and hook.filter is not None:
            held[name] = hook.filter(roles.user)
    return held


def at_status(match: StatusMatch) -> Q:
    """Return the filter for instances whose status a rule means."""
    found = Q() if match.included is None else Q(status__in=sorted(match.included))
    return found & ~Q(status__in=sorted(match.excluded)) if match.excluded else found


def _opened_by_rules(instance: ProcessInstance, roles: Roles) -> bool:
    if instance.status_rules is None:
        return False
    rules = parsed_rules(instance.status_rules.rules)
    held = roles.towards(instance, among=rules.roles - {OWNER})
    return any(rule.statuses.matches(instance.status) for rule in rules.rules_for(held))
