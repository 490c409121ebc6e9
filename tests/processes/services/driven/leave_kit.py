"""The example's leave requests, for tests of what a process does to a team's own models."""

from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import models

from examples.leave_requests.models import Department, LeaveKind, LeaveRequest
from processes.models import DynamicBinding, ProcessTemplate, StatusRules
from tests.processes.services.instance_kit import member
from tests.processes.services.published import action, page, publish_process

__all__ = ["bind", "leave", "load", "other_process", "other_rules"]


def load() -> None:
    """Load the example's process and rules, as `make run` does."""
    call_command("load_examples", verbosity=0)


def leave(employee: User | None = None, **given: Any) -> LeaveRequest:
    """Return a stored request, from Monday to Friday."""
    known = {
        "employee": employee or member("mara"),
        "kind": given.pop("kind", None) or LeaveKind.objects.get_or_create(name="Holiday")[0],
        "department": given.pop("department", None) or Department.objects.get_or_create(name="Sales")[0],
        "first_day": date(2026, 6, 1),
        "last_day": date(2026, 6, 5),
    }
    request = LeaveRequest(**{**known, **given})
    request.save()
    return request


def bind(
    thing: models.Model,
    *,
    process: ProcessTemplate | None = None,
    status_rules: StatusRules | None = None,
    reference: str = "leave-request",
) -> DynamicBinding:
    """Let an object of the context bind something."""
    return DynamicBinding.objects.create(
        content_type=ContentType.objects.get_for_model(thing),
        object_id=str(thing.pk),
        reference=reference,
        process=process,
        status_rules=status_rules,
    )


def other_process(slug: str = "leave-by-hand") -> ProcessTemplate:
    """Return a published process that is not the example's."""
    return publish_process(
        slug, [page("@display", "by hand", safe=True), action("approve", "set_status", config={"status": "approved"})]
    )


def other_rules(slug: str = "anybody", rules: str = '[{"role": "owner", "action": "approve"}]') -> StatusRules:
    """Return status rules that aren't the example's."""
    return StatusRules.objects.create(slug=slug, title=slug.capitalize(), rules=rules)
