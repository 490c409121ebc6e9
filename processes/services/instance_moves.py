"""Move an instance to the plan that its process has now, or to another process: on purpose, never by itself."""

import uuid

from django.db import transaction

from processes.models import EventKind, ProcessInstance, ProcessTemplate
from processes.services import audit
from processes.services.assignments import locked_instance
from processes.services.doer import Doer
from processes.services.instance_history import note_event
from processes.services.instances import derive_instance_plan

__all__ = ["move_instance"]


@transaction.atomic
def move_instance(instance_id: uuid.UUID, *, template: ProcessTemplate | None = None, doer: Doer) -> bool:
    """Give an instance what is published now, of its own template or of another one; return whether that is new.

    What runs in the background goes on with the plan that it began with. Raises InstanceNotFoundError,
    NotPublishedError, and DefinitionError where what the instance binds doesn't fit.
    """
    instance = locked_instance(instance_id)
    wanted = template or instance.template
    plan, bindings = derive_instance_plan(template=wanted, bindings=instance.bindings)
    before = instance.plan_id
    if plan.hash == before and wanted.pk == instance.template_id:
        return False
    instance.template, instance.plan_id, instance.bindings = wanted, plan.hash, bindings
    instance.save(update_fields=["template", "plan", "bindings", "updated_at"])
    note_event(instance.pk, EventKind.MOVED, doer=doer, facts={"template": wanted.slug, "to": plan.hash})
    _record(instance, before=before, doer=doer)
    return True


def _record(instance: ProcessInstance, *, before: str, doer: Doer) -> None:
    audit.record(
        "instance.moved",
        actor=doer.actor,
        subject=instance,
        plan_hash=instance.plan_id,
        details={"template": instance.template.slug, "plan": before, "to": instance.plan_id},
    )
