"""Who is asked to work on an instance, until when, and who has taken it.

An instance is given to one user, or to candidates (users, and the members of groups) of whom one claims it. Of two who
claim at the same moment one wins. Whoever has it may give it back, so that the candidates may claim it again, or hand
it on. Each change locks the instance's row, and is told in its history.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.escalation import EscalationStep, next_step_at, steps_from_json, steps_to_json
from processes.domain.json_values import JSON
from processes.models import NEVER_DUE, EventKind, InstanceCandidate, ProcessInstance
from processes.services.access import may_change_instances
from processes.services.doer import STEPLINE, Doer
from processes.services.errors import InstanceNotFoundError, NotAssignableError
from processes.services.instance_history import note_event

__all__ = [
    "Assignment",
    "Key",
    "assign",
    "claim",
    "escalate",
    "hand_on",
    "is_candidate",
    "let_go",
    "locked_instance",
    "not_theirs",
    "release",
    "set_due",
    "withdraw",
]

Key: TypeAlias = int | str | uuid.UUID

#: So many of those who are asked are named in the history.
_TOLD: Final = 100


_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Say who is asked (users and groups, by key), until when, and what happens when it isn't done by then."""

    users: Collection[Key] = ()
    groups: Collection[Key] = ()
    due_at: datetime | None = None
    escalation: Sequence[EscalationStep] = ()


def locked_instance(instance_id: uuid.UUID) -> ProcessInstance:
    """Return an instance whose row is locked until the end of the transaction; raises InstanceNotFoundError."""
    # Without what it refers to: PostgreSQL reads the row anew where it has waited for it, and joins it with what was so
    # before. Who has it would be told of a time when somebody else had.
    instance = ProcessInstance.objects.select_for_update(no_key=True).filter(pk=instance_id).first()
    if instance is None:
        raise InstanceNotFoundError("There is no such instance any more.")
    return instance


@transaction.atomic
def assign(instance_id: uuid.UUID, assignment: Assignment, *, doer: Doer) -> None:
    """Ask others to work on an instance, in the place of whoever was asked before.

    One user without groups has it at once. Raises NotAssignableError where nobody is named, or somebody who isn't there
    or isn't active.
    """
    instance = locked_instance(instance_id)
    _give(instance, assignment.users, assignment.groups)
    _put_off(instance, assignment.due_at, assignment.escalation)
    _save(instance)
    note_event(instance.pk, EventKind.ASSIGNED, doer=doer, facts=_facts(instance))


@transaction.atomic
def withdraw(instance: ProcessInstance) -> None:
    """Ask nobody any more: what was asked for is done, or isn't wanted any longer. `instance` is locked."""
    _take_away(instance)
    _put_off(instance, None, ())
    _save(instance)


@transaction.atomic
def claim(instance_id: uuid.UUID, *, user: AbstractBaseUser, is_expected: bool = False) -> None:
    """Take an instance that waits for one of several; claiming what one has already is fine.

    `is_expected` says that the status rules expect something of the user, who needn't be a candidate then. Raises
    NotAssignableError where somebody else has it, or it doesn't wait for this user.
    """
    instance = locked_instance(instance_id)
    if instance.assignee_id == user.pk:
        return
    if instance.assignee_id is not None:
        raise _taken(instance)
    if not (is_expected or is_candidate(user, instance) or may_change_instances(user)):
        raise NotAssignableError(_("This doesn't wait for you."))
    _take(instance, user.pk)
    _save(instance)
    note_event(instance.pk, EventKind.CLAIMED, doer=Doer.of(user), facts={"due_at": _moment(instance.due_at)})


@transaction.atomic
def release(instance_id: uuid.UUID, *, user: AbstractBaseUser, others_expected: bool = False) -> None:
    """Give an instance back, so that those who were asked may claim it again.

    `others_expected` says that the status rules expect something of others. Raises NotAssignableError where the user
    doesn't have it, and where nobody else could claim it.
    """
    instance = locked_instance(instance_id)
    if instance.assignee_id is None:
        return
    if instance.assignee_id != user.pk and not may_change_instances(user):
        raise _taken(instance)
    if not (others_expected or instance.candidates.exists()):
        raise NotAssignableError(_("Nobody else was asked, so nobody could take it: hand it on to somebody instead."))
    _release(instance)
    _save(instance)
    note_event(instance.pk, EventKind.RELEASED, doer=Doer.of(user))


@transaction.atomic
def hand_on(instance_id: uuid.UUID, *, to: Key, user: AbstractBaseUser) -> None:
    """Give an instance to another user; due date and candidates stay.

    Whoever has it may hand it on to one of the candidates, staff who may change instances to anybody. Raises
    NotAssignableError.
    """
    instance = locked_instance(instance_id)
    is_staff = may_change_instances(user)
    if not is_staff and instance.assignee_id != user.pk:
        raise not_theirs()
    [other] = _users([to])
    if not is_staff and not is_candidate(other, instance):
        raise NotAssignableError(
            _("%(user)s isn't one of those who were asked.") % {"user": other.get_username()},
            fields={"user": other.get_username()},
        )
    if instance.assignee_id == other.pk:
        return
    _take(instance, other.pk)
    _save(instance)
    note_event(
        instance.pk,
        EventKind.ASSIGNED,
        doer=Doer.of(user),
        facts={"users": [other.get_username()], "groups": [], "due_at": _moment(instance.due_at)},
    )


@transaction.atomic
def set_due(instance_id: uuid.UUID, due_at: datetime | None, *, doer: Doer) -> None:
    """Change until when an instance is to be done; what is yet to happen if it isn't, is counted from then."""
    instance = locked_instance(instance_id)
    if instance.due_at == due_at:
        return
    before = _moment(instance.due_at)
    _put_off(instance, due_at, steps_from_json(instance.escalation))
    _save(instance)
    note_event(instance.pk, EventKind.DUE, doer=doer, facts={"before": before, "after": _moment(due_at)})


def escalate(instance: ProcessInstance, step: EscalationStep, *, rest: Sequence[EscalationStep]) -> None:
    """Give a locked instance to whom a step asks, and note what is yet to come."""
    if step.asks_others:
        # Whoever was asked, and has gone meanwhile, keeps nobody from asking the others.
        users = get_user_model()._default_manager.filter(pk__in=step.users, is_active=True).values_list("pk", flat=True)
        groups = Group.objects.filter(pk__in=step.groups).values_list("pk", flat=True)
        if users or groups:
            _give(instance, list(users), list(groups))
    instance.escalation, instance.escalate_at = steps_to_json(rest), next_step_at(instance.due_at, rest)
    _save(instance)
    note_event(
        instance.pk,
        EventKind.ESCALATED,
        doer=STEPLINE,
        facts={**(_facts(instance) if step.asks_others else {}), "action": step.action},
    )


def let_go(sender: type[Model], instance: Model, using: str, **_: object) -> None:
    """Let others claim again what a user has who is about to be deleted (a listener to `pre_delete`)."""
    rows = InstanceCandidate.objects.using(using).filter(instance__assignee=instance.pk, is_open=False)
    rows.update(is_open=True)


def is_candidate(user: AbstractBaseUser, instance: ProcessInstance) -> bool:
    """Tell whether a user is one of those who were asked, or in one of the groups that were."""
    rows = InstanceCandidate.objects.filter(instance=instance)
    groups = getattr(user, "groups", None)
    if rows.filter(user=user.pk).exists():
        return True
    return groups is not None and rows.filter(group__in=groups.order_by().values("pk")).exists()


def not_theirs() -> NotAssignableError:
    """Return the error of somebody who hands on what they don't have."""
    return NotAssignableError(_("Only whoever has it can hand it on: claim it first."))


def _give(instance: ProcessInstance, users: Collection[Key], groups: Collection[Key]) -> None:
    found, named = _users(users), _groups(groups)
    if not (found or named):
        raise NotAssignableError(_("Nobody is named: name a user or a group."))
    _take_away(instance)
    if len(found) == 1 and not named:
        _take(instance, found[0].pk)
        return
    InstanceCandidate.objects.bulk_create(
        [
            *(InstanceCandidate(instance=instance, user_id=one.pk, order_at=instance.order_at) for one in found),
            *(InstanceCandidate(instance=instance, group_id=one.pk, order_at=instance.order_at) for one in named),
        ]
    )


def _take(instance: ProcessInstance, user_id: Key) -> None:
    instance.assignee_id, instance.assigned_at = user_id, timezone.now()  # type: ignore[assignment]  # a key, of any kind
    InstanceCandidate.objects.filter(instance=instance, is_open=True).update(is_open=False)


def _release(instance: ProcessInstance) -> None:
    instance.assignee_id = instance.assigned_at = None
    InstanceCandidate.objects.filter(instance=instance, is_open=False).update(is_open=True)


def _take_away(instance: ProcessInstance) -> None:
    instance.assignee_id = instance.assigned_at = None
    InstanceCandidate.objects.filter(instance=instance).delete()


def _put_off(instance: ProcessInstance, due_at: datetime | None, steps: Sequence[EscalationStep]) -> None:
    due_at = None if due_at is None else _checked(due_at)
    instance.due_at, instance.order_at = due_at, due_at or NEVER_DUE
    instance.escalation, instance.escalate_at = steps_to_json(steps), next_step_at(due_at, steps)
    InstanceCandidate.objects.filter(instance=instance).exclude(order_at=instance.order_at).update(
        order_at=instance.order_at
    )


def _checked(due_at: datetime) -> datetime:
    """Return a due date in UTC; raises NotAssignableError for one that databases and time zones can't all tell."""
    try:
        moment = due_at.astimezone(UTC)
    except OverflowError:
        moment = NEVER_DUE
    if not _EARLIEST <= moment < NEVER_DUE:
        text = _("Until when it is to be done can't be %(moment)s: name a day between the years 1900 and 9998.")
        raise NotAssignableError(text % {"moment": due_at.isoformat()})
    return moment


def _save(instance: ProcessInstance) -> None:
    instance.save(
        update_fields=["assignee", "assigned_at", "due_at", "order_at", "escalation", "escalate_at", "updated_at"]
    )


def _users(keys: Collection[Key]) -> list[AbstractBaseUser]:
    if not keys:
        return []
    rows = get_user_model()._default_manager.filter(pk__in=list(keys), is_active=True)
    found: list[AbstractBaseUser] = list(rows.order_by("pk"))
    if missing := {str(key) for key in keys} - {str(user.pk) for user in found}:
        raise NotAssignableError(_("There is no active user %(key)s.") % {"key": min(missing)})
    return found


def _groups(keys: Collection[Key]) -> list[Group]:
    if not keys:
        return []
    found = list(Group.objects.filter(pk__in=[str(key) for key in keys]).order_by("pk"))
    if missing := {str(key) for key in keys} - {str(group.pk) for group in found}:
        raise NotAssignableError(_("There is no group %(key)s.") % {"key": min(missing)})
    return found


def _facts(instance: ProcessInstance) -> dict[str, JSON]:
    """Return who is asked, by their names, as the history tells it."""
    rows = InstanceCandidate.objects.filter(instance=instance).select_related("user", "group").order_by("pk")
    candidates = list(rows[:_TOLD])
    users: list[JSON] = [row.user.get_username() for row in candidates if row.user is not None]
    if instance.assignee_id is not None:
        users = [get_user_model()._default_manager.get(pk=instance.assignee_id).get_username()]
    groups: list[JSON] = [row.group.name for row in candidates if row.group is not None]
    return {"users": users, "groups": groups, "due_at": _moment(instance.due_at)}


def _taken(instance: ProcessInstance) -> NotAssignableError:
    name = "" if instance.assignee is None else instance.assignee.get_username()
    return NotAssignableError(_("%(user)s has it.") % {"user": name}, fields={"assignee": name})


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
