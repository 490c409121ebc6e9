"""The status of an instance: where it stands, as its status rules know it; and what it is called."""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from processes.domain.json_values import json_problems
from processes.domain.status_rules import status_problem
from processes.errors import PermanentError
from processes.models import EventKind
from processes.services.assignments import locked_instance, withdraw
from processes.services.doer import Doer
from processes.services.errors import WrongStatusError
from processes.services.instance_history import note_event

__all__ = ["TITLE_CHARS", "check_status", "set_status", "set_title"]

TITLE_CHARS = 200


def check_status(status: str) -> str:
    """Give a status back, an empty one for none; raises PermanentError `config` for what rules couldn't tell apart."""
    problem = status_problem(status) or next((one.message for one in json_problems(status)), None)
    if problem is not None:
        raise PermanentError(f"{problem}: {status!r}", code="config")
    return status


@transaction.atomic
def set_status(
    instance_id: uuid.UUID, status: str, *, doer: Doer, expected: Collection[str] = (), keeps_assignment: bool = False
) -> bool:
    """Set the status of an instance, under its lock, and return whether it is another one now.

    Whoever was asked to work on it at the former status isn't asked any more, unless the assignment is kept: what they
    were asked for is done. `expected` are the statuses from which it may change; raises WrongStatusError where it has
    another one (but for the new one, as a step sees it that is repeated), so that of two who decide at the same moment
    one wins. Raises PermanentError `config` for what can't be a status.
    """
    check_status(status)
    instance = locked_instance(instance_id)
    before = instance.status
    if before == status:
        return False
    if expected and before not in expected:
        raise WrongStatusError(
            _("This has changed meanwhile: its status is “%(status)s” now.") % {"status": before},
            fields={"status": before, "expected": sorted(expected)},
        )
    instance.status, instance.status_at = status, timezone.now()
    instance.save(update_fields=["status", "status_at", "updated_at"])
    if not keeps_assignment:
        withdraw(instance)
    note_event(instance.pk, EventKind.STATUS, doer=doer, before=before, after=status)
    return True


@transaction.atomic
def set_title(instance_id: uuid.UUID, title: str, *, doer: Doer) -> bool:
    """Set what an instance is called, cut to 200 characters, and return whether that is something else now."""
    instance = locked_instance(instance_id)
    before, title = instance.title, title[:TITLE_CHARS]
    if before == title:
        return False
    instance.title = title
    instance.save(update_fields=["title", "updated_at"])
    note_event(instance.pk, EventKind.EDITED, doer=doer, facts={"title": {"before": before, "after": title}})
    return True
