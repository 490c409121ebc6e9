"""What stands around an instance's page: its status, what is offered, who has it, what has happened."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from processes.domain.status_rules import OptionGroup
from processes.errors import ProcessError
from processes.models import InstanceCandidate, ProcessInstance
from processes.pages.history_words import Told, told
from processes.services.access import Caller, User, may_change_instances
from processes.services.instance_access import find_instance
from processes.services.instance_history import history_of
from processes.services.instance_roles import Roles
from processes.services.instance_work import expects, expects_others
from processes.services.offers import Option, grouped, options_of_many

__all__ = ["InstanceFrame", "frame_of"]

#: How many events the page itself shows, and how many names of those who were asked.
EVENTS_SHOWN = 5
NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFrame:
    """Hold what is shown around the page of an instance, as it stands when the page is drawn."""

    instance: ProcessInstance
    groups: Sequence[tuple[OptionGroup, Sequence[Option]]]
    #: Users and groups that were asked, while nobody has it.
    candidates: Sequence[str]
    is_mine: bool
    may_claim: bool
    may_release: bool
    may_hand_on: bool
    is_overdue: bool
    events: Sequence[Told]
    has_more_events: bool


def frame_of(caller: Caller, *, user: User) -> InstanceFrame | None:
    """Return the frame of the instance that is executed; None where none is, or the user may not open it any more.

    The instance is read anew: what has run before the page is drawn may have changed it.
    """
    if caller.instance_id is None or not isinstance(user, AbstractBaseUser):
        return None
    try:
        instance = find_instance(caller.instance_id, user=user)
    except ProcessError:
        return None
    roles = Roles(user=user).among([instance])
    options = options_of_many([instance], user=user, roles=roles)[instance.pk]
    asked = InstanceCandidate.objects.filter(instance=instance).select_related("user", "group").order_by("pk")
    names = [str(row) for row in asked[:NAMES_SHOWN]]
    events = list(history_of(instance)[: EVENTS_SHOWN + 1])
    is_mine, is_staff = instance.assignee_id == user.pk, may_change_instances(user)
    is_open = instance.assignee_id is None
    return InstanceFrame(
        instance=instance,
        groups=grouped(options),
        candidates=names if is_open else (),
        is_mine=is_mine,
        # Nobody needs to claim what is their own.
        may_claim=is_open and (roles.is_candidate(instance) or (expects(options) and instance.owner_id != user.pk)),
        may_release=is_mine and (bool(names) or expects_others(instance, user=user)),
        may_hand_on=is_staff or (is_mine and len(names) > 0),
        is_overdue=instance.due_at is not None and instance.due_at < timezone.now(),
        events=told(events[:EVENTS_SHOWN]),
        has_more_events=len(events) > EVENTS_SHOWN,
    )
