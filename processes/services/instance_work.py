"""Claim, give back and hand on instances for a user: whether they may is asked here, of rules and candidates."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.utils.translation import gettext as _

from processes.domain.status_rules import OptionGroup
from processes.models import ProcessInstance
from processes.services import assignments
from processes.services.access import may_change_instances
from processes.services.doer import Doer
from processes.services.errors import NotAssignableError
from processes.services.instance_access import find_instance
from processes.services.offers import Option, options_of

__all__ = ["change_due", "claim_instance", "expects", "hand_on_instance", "named_user", "release_instance"]


def expects(options: Iterable[Option]) -> bool:
    """Tell whether something is expected of whoever these options are offered to."""
    return any(option.group is OptionGroup.EXPECTED and not option.disabled for option in options)


def claim_instance(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> None:
    """Take an instance that waits for one of several.

    Raises NotAssignableError, and what `find_instance` raises to those who may not open it.
    """
    instance = find_instance(instance_id, user=user)
    assignments.claim(instance.pk, user=user, is_expected=expects(options_of(instance, user=user)))


def release_instance(instance_id: uuid.UUID, *, user: AbstractBaseUser) -> None:
    """Give an instance back; raises as `claim_instance` does."""
    instance = find_instance(instance_id, user=user)
    assignments.release(instance.pk, user=user, others_expected=expects(options_of(instance, user=user)))


def hand_on_instance(instance_id: uuid.UUID, *, to: str, user: AbstractBaseUser) -> None:
    """Give an instance to the user of that name; raises as `claim_instance` does."""
    instance = find_instance(instance_id, user=user)
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
