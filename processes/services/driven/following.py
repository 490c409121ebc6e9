"""The instance of an object: made when the object has a process, and kept in step with it."""

from contextlib import suppress

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from processes.models import DrivenFields, ProcessInstance, Subscription
from processes.services import audit
from processes.services.assignments import locked_instance, withdraw
from processes.services.doer import STEPLINE, Doer
from processes.services.errors import InstanceNotFoundError
from processes.services.instance_moves import move_instance
from processes.services.instances import create_instance

__all__ = ["follow", "follow_or_open", "move_plan", "open_instance", "withdraw_instance"]

_TITLE_CHARS = 200


def open_instance(thing: DrivenFields) -> ProcessInstance | None:
    """Create the instance of an object that is stored, and run its `@init`; None where the object has no process.

    The object knows its instance before `@init` runs. Raises what `create_instance` raises.
    """
    if thing.process is None:
        return None

    def tie(instance: ProcessInstance) -> None:
        thing._meta.model._base_manager.filter(pk=thing.pk).update(instance=instance)
        thing.instance = instance

    try:
        return create_instance(
            template=thing.process,
            owner=thing.get_process_owner(),
            data=thing.get_process_data(),
            title=_title(thing),
            status=thing.first_status,
            status_rules=thing.status_rules,
            on_created=tie,
        )
    except BaseException:
        thing.instance = None
        raise


def follow(thing: DrivenFields) -> bool:
    """Give the instance of an object its title, owner and status rules; return whether any of them is new.

    Its plan stays: `move_plan` moves it. Raises InstanceNotFoundError where it is gone.
    """
    if thing.instance_id is None:
        return False
    owner = thing.get_process_owner()
    wanted = {
        "title": _title(thing),
        "owner_id": None if owner is None else owner.pk,
        "status_rules_id": thing.status_rules_id,
    }
    rows = ProcessInstance.objects.filter(pk=thing.instance_id)
    found = rows.values(*wanted).first()
    if found is None:
        raise InstanceNotFoundError("There is no such instance any more.")
    if found == wanted:
        return False
    rows.update(**wanted, updated_at=timezone.now())
    thing._state.fields_cache.pop("instance", None)
    return True


def follow_or_open(thing: DrivenFields) -> None:
    """Let the instance of an object that was just stored follow it, and make it where there is none.

    There may be none though the object names one: what was made in a transaction that was rolled back is no more.
    """
    if thing.instance_id is not None:
        with suppress(InstanceNotFoundError):
            follow(thing)
            return
        thing._meta.model._base_manager.filter(pk=thing.pk).update(instance=None)
        thing.instance = None
    open_instance(thing)


def move_plan(thing: DrivenFields, *, doer: Doer = STEPLINE) -> bool:
    """Move the instance of an object to what its process has published now; return whether that is another plan."""
    if thing.instance_id is None or thing.process is None:
        return False
    moved = move_instance(thing.instance_id, template=thing.process, doer=doer)
    if moved:
        thing._state.fields_cache.pop("instance", None)
    return moved


@transaction.atomic
def withdraw_instance(thing: DrivenFields) -> None:
    """Delete the instance of an object that is gone, with Data, files and history.

    One that background runs know stays as their record, for staff: it waits for nobody any more, opens to nobody, and
    gets no messages.
    """
    if thing.instance_id is None:
        return
    instance = ProcessInstance.objects.filter(pk=thing.instance_id).first()
    if instance is None:
        return
    try:
        with transaction.atomic():
            instance.delete()
            audit.record("instance.deleted", actor=audit.SYSTEM, subject_id=thing.instance_id, subject=instance)
    except ProtectedError:
        kept = locked_instance(instance.pk)
        withdraw(kept)
        kept.owner, kept.status_rules = None, None
        kept.save(update_fields=["owner", "status_rules", "updated_at"])
        Subscription.objects.filter(instance=kept).delete()


def _title(thing: DrivenFields) -> str:
    return thing.get_process_title()[:_TITLE_CHARS]
