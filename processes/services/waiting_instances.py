"""The inbox: which instances wait for somebody, the most urgent first.

An instance waits for whoever it is assigned to; while nobody has it, for its candidates, and for those of whom the
status rules expect something at its status (an option of the group `expected`). Each way is a query with an index of
its own that ends after the rows that are shown, so that a hundred thousand instances cost no more than a hundred;
together they are one query, and how many there are depends on the rules and on the user's groups only.
"""

from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from processes.domain.status_rules import OptionGroup
from processes.models import InstanceCandidate, ProcessInstance
from processes.services.access import User
from processes.services.instance_access import FARTHEST
from processes.services.instance_roles import Roles
from processes.services.instance_ways import (
    URGENT,
    Way,
    candidacies,
    first_rows,
    instance_way,
    opened_by_rules,
    united,
)
from processes.services.offers import Option, options_of_many

__all__ = ["Waiting", "list_waiting", "waiting_instances"]

_RELATED: Final = ("template", "status_rules", "type", "owner", "assignee")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Hold an instance that waits, and what is offered of it."""

    instance: ProcessInstance
    options: tuple[Option, ...]
    #: Whether it is assigned to the user.
    is_mine: bool
    #: Whether they may claim it, which nobody needs to do with their own.
    may_claim: bool

    @property
    def expected(self) -> tuple[Option, ...]:
        """Return what is expected of the user."""
        return tuple(one for one in self.options if one.group is OptionGroup.EXPECTED)


def list_waiting(user: User, *, first: int = 0, count: int = 25) -> tuple[list[Waiting], bool]:
    """Return `count` instances that wait for a user, from row `first` on, and whether there are more.

    Where an instance is expected of somebody by a rule whose condition isn't fulfilled, it is left out; so a page may
    be shorter than `count`.
    """
    if first >= FARTHEST or not (user.is_authenticated and user.is_active):
        return [], False
    roles = Roles(user=user)
    upto = min(first + count + 1, FARTHEST)
    rows = first_rows(_ways(roles), order=URGENT, first=first, count=upto - first, related=_RELATED)
    shown = rows[:count]
    asked = roles.among(shown)
    offered = options_of_many(shown, user=user, roles=asked)
    found = [
        Waiting(
            instance=instance,
            options=offered[instance.pk],
            is_mine=instance.assignee_id == user.pk,
            may_claim=instance.assignee_id is None and (instance.owner_id != user.pk or asked.is_candidate(instance)),
        )
        for instance in shown
    ]
    return [one for one in found if _still_waits(one, asked)], len(rows) > count


def waiting_instances(user: User) -> QuerySet[ProcessInstance]:
    """Return all instances that wait for a user, as one query to filter further; conditions of rules aren't asked."""
    if not (user.is_authenticated and user.is_active):
        return ProcessInstance.objects.none()
    rows = ProcessInstance.objects.select_related(*_RELATED).order_by(*URGENT)
    return rows.filter(pk__in=united([way.keys for way in _ways(Roles(user=user))]))


def _ways(roles: Roles) -> list[Way]:
    """Return what waits for somebody, a way for each in which it may."""
    mine = ProcessInstance.objects.filter(assignee=roles.user.pk)
    open_ones = ProcessInstance.objects.filter(assignee=None)
    asked = InstanceCandidate.objects.filter(is_open=True)
    places = ("order_at", "instance_id")
    expected = opened_by_rules(roles, group=OptionGroup.EXPECTED, owned=True)
    return [
        instance_way(mine, order=URGENT),
        *candidacies(roles, rows=asked, order=places, columns=places),
        *(instance_way(open_ones.filter(part), order=URGENT) for part in expected),
    ]


def _still_waits(one: Waiting, roles: Roles) -> bool:
    """Tell whether an instance waits for somebody after the conditions of its rules were asked."""
    if one.is_mine or roles.is_candidate(one.instance):
        return True
    return any(option.group is OptionGroup.EXPECTED and not option.disabled for option in one.options)
