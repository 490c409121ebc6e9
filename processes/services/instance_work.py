"""Claim, give back and hand on instances for a user: whether they may is asked here, of rules and candidates."""

import uuid
from collections.abc import Iterable
from copy import copy
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from processes.domain.status_rules import OptionGroup
from processes.models import ProcessInstance
from processes.services import assignments
from processes.services.access import may_change_instances
from processes.services.assignments import locked_instance
from processes.services.doer import Doer
from processes.services.errors import NotAssignableError
from processes.services.instance_access import find_instance
from processes.services.offers import Option, options_of

__all__ = [
    "change_due", "claim_instance", "expects", "expects_others", "hand_on_instance", "named_user", "release_instance",
]  # fmt: skip


def expects(options: Iterable[Option]) -> bool:
    """Tell whether something is expected of whoever these options are offered to."""
    return any(option.group is OptionGroup.EXPECTED and not option.disabled for option in options)


def expects_others(instance: ProcessInstance, *, user: AbstractBaseUser) -> bool:
    """Tell whether the rules would expect something of others, too, if `user` gave the instance back.

    They are taken to expect it of all who have the roles of whoever has it, but for that of having it.
    """
    given_back = copy(instance)
    given_back.assignee = None
    return expects(options_of(given_back, user=instance.assignee or user))


@transaction.atomic
def claim_instance(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> None:
    """Take an instance that waits for one of several.

    Raises NotAssignableError, and what `find_instance` raises to those who may not open it.
    """
    instance = _locked(instance_id, user=user)
    assignments.claim(instance.pk, user=user, is_expected=expects(options_of(instance, user=user)))


@transaction.atomic
def release_instance(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> None:
    """Give an instance back; raises as `claim_instance` does."""
    instance = _locked(instance_id, user=user)
    assignments.release(instance.pk, user=user, others_expected=expects_others(instance, user=user))


def hand_on_instance(instance_id: uuid.UUID, *, to: str, user: AbstractBaseUser) -> None:
    """Give an instance to the user of that name; raises as `claim_instance` does."""
    instance = find_instance(instance_id, user=user)
    if instance.assignee_id != user.pk and not may_change_instances(user):
        # Before anything is said about the other: who there is, is nobody's business.
        raise assignments.not_theirs()
    assignments.hand_on(instance.pk, to=named_user(to).pk, user=user)


def change_due(instance_id: uuid.UUID, due_at: datetime | None, *, user: AbstractBaseUser) -> ProcessInstance:
    """Change until when an instance is to be done: whoever owns it may, and staff who may change instances."""
    instance = find_instance(instance_id, user=user)
    if instance.owner_id != user.pk and not may_change_instances(user):
        raise NotAssignableError(_("Only its owner can change until when it is to be done."))
    assignments.set_due(instance.pk, due_at, doer=Doer.of(user))
    return instance


def named_user(name: str) -> AbstractBaseUser:
    """Return the active user of a name; raises NotAssignableError."""
    model = get_user_model()
    found = model._default_manager.filter(**{model.USERNAME_FIELD: name}, is_active=True).first() if name else None
    if found is None:
        raise NotAssignableError(_("There is no active user “%(name)s”.") % {"name": name})
    return found


def _locked(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> ProcessInstance:
    """Return an instance that `user` may open, locked, and as it stands then: what is offered now, counts."""
    # Whoever may not open it holds nobody up, and learns nothing.
    find_instance(instance_id, user=user)
    locked_instance(instance_id)
    return find_instance(instance_id, user=user)
