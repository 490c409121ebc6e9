"""What the conditions of status rules may look at, for several instances at once."""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final

from django.utils import timezone

from processes.domain.conditions import VARIABLES, Condition
from processes.domain.json_values import JSON
from processes.errors import ConditionError
from processes.models import DataNode, DataNodeKind, ProcessInstance
from processes.services.access import User
from processes.services.authority import described_user

__all__ = ["RuleFacts"]

logger = logging.getLogger(__name__)

#: There is neither a request nor an error when somebody looks at what is offered.
_NOTHING: Final[Mapping[str, object]] = {"param": {}, "error": None}


class RuleFacts:
    """Answer conditions about instances; what they look at is read once for all, and only if one looks at it."""

    def __init__(self, *, user: User, instances: Sequence[ProcessInstance]) -> None:
        self._user, self._instances = user, instances

    def about(self, instance: ProcessInstance) -> Callable[[Condition], bool]:
        """Return what answers the conditions about one instance; one that comes to no answer isn't fulfilled."""
        variables = _Variables(self, instance)

        def ask(condition: Condition) -> bool:
            try:
                return condition.evaluate(variables)
            except ConditionError as error:
                # A page must not fail because of somebody's rule; and what isn't sure isn't offered.
                logger.warning("A condition of status rules has no answer for %s: %s", instance.pk, error.message)
                return False

        return ask

    @cached_property
    def data(self) -> Mapping[uuid.UUID, Mapping[str, JSON]]:
        """Return the Data of all the instances."""
        rows = DataNode.objects.filter(
            kind=DataNodeKind.CONTEXT, instance__in=[instance.pk for instance in self._instances]
        )
        return {
            instance_id: data
            for instance_id, data in rows.values_list("instance_id", "data")
            if instance_id is not None
        }

    @cached_property
    def user(self) -> Mapping[str, JSON]:
        """Return what conditions may know of the user."""
        return described_user(self._user)

    @cached_property
    def now(self) -> datetime:
        """Return the present time: the same for all conditions."""
        return timezone.now()


class _Variables(Mapping[str, object]):
    """Give the variables of conditions about one instance."""

    def __init__(self, facts: RuleFacts, instance: ProcessInstance) -> None:
        self._facts, self._instance = facts, instance

    def __getitem__(self, name: str) -> object:
        match name:
            case "data":
                return self._facts.data.get(self._instance.pk, {})
            case "user":
                return self._facts.user
            case "now":
                return self._facts.now
            case "state":
                return self._instance.status
            case "attr":
                return _attributes(self._instance)
        return _NOTHING[name]

    def __iter__(self) -> Iterator[str]:
        return iter(VARIABLES)

    def __len__(self) -> int:
        return len(VARIABLES)


def _attributes(instance: ProcessInstance) -> dict[str, object]:
    return {
        "id": str(instance.pk),
        "title": instance.title,
        "status": instance.status,
        "status_at": instance.status_at,
        "owner": None if instance.owner_id is None else str(instance.owner_id),
        "assignee": None if instance.assignee_id is None else str(instance.assignee_id),
        "due_at": instance.due_at,
    }
