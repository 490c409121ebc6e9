"""The runs of one template that are alive: by which plans they go, and which of them were moved."""

import uuid
from dataclasses import dataclass

from django.db.models import Count

from processes.domain.run_status import RUN_TERMINAL
from processes.models import InboxItem, ProcessTemplate, Run
from processes.services.access import User, may_control
from processes.services.errors import TemplateNotFoundError
from processes.services.inbox import MOVE
from processes.services.moving import MOST_MOVED

__all__ = ["PlanInUse", "moved_runs", "plans_in_use"]

_TERMINAL = [status.value for status in RUN_TERMINAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInUse:
    """Say how many runs are alive by a plan; `parts` are those that belong to other runs."""

    plan: str
    runs: int
    parts: int


def plans_in_use(*, template: ProcessTemplate, user: User) -> list[PlanInUse]:
    """Return the plans by which runs of a template are alive, those with most runs first.

    Raises TemplateNotFoundError for who may not control runs.
    """
    _check(user)
    rows = Run.objects.filter(template=template).exclude(status__in=_TERMINAL).order_by()
    counted = rows.values_list("plan_id").annotate(Count("pk"), Count("fan_out"))
    found = [PlanInUse(plan=plan, runs=all_of_it - parts, parts=parts) for plan, all_of_it, parts in counted]
    return sorted(found, key=lambda item: (-item.runs, -item.parts, item.plan))


def moved_runs(*, template: ProcessTemplate, user: User) -> list[uuid.UUID]:
    """Return up to MOST_MOVED runs of a template that are alive at the plan that they were moved to last.

    Raises TemplateNotFoundError for who may not control runs.
    """
    _check(user)
    items = InboxItem.objects.filter(run__template=template, kind=MOVE, taken_at__isnull=False)
    rows = (
        items.exclude(run__status__in=_TERMINAL)
        .order_by("id")
        .values_list("run_id", "run__plan_id", "payload", "result")
    )
    found: dict[uuid.UUID, bool] = {}
    for run_id, plan, payload, result in rows.iterator(chunk_size=500):
        if result == {"done": True}:
            found[run_id] = payload["to"] == plan and not payload.get("undoes")
    return [run_id for run_id, is_there in found.items() if is_there][:MOST_MOVED]


def _check(user: User) -> None:
    if not may_control(user):
        raise TemplateNotFoundError("There is no such process.")
