"""Which models a process drives, and to which object an instance belongs."""

import uuid
from collections.abc import Sequence

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from processes.domain.application import Application
from processes.models import DrivenFields, ProcessInstance
from processes.services.host import host_of

__all__ = ["as_they_are", "driven_models", "object_of", "object_of_instance"]


def driven_models() -> list[type[DrivenFields]]:
    """Return the models of this site that have an instance of their own; proxies, and what derives from them, don't."""
    return [model for model in apps.get_models() if issubclass(model, DrivenFields) and _has_own_instance(model)]


def object_of_instance(instance_id: uuid.UUID) -> DrivenFields | None:
    """Return the object of a team's own model that has this instance; None where none has.

    Whatever models there are, one query says which it is, and one more reads it.
    """
    models = {f"{model._meta.get_field('instance').related_query_name()}__pk": model for model in driven_models()}
    keys = ProcessInstance.objects.filter(pk=instance_id).values(*models).first() if models else None
    for name, key in (keys or {}).items():
        if key is not None:
            found: DrivenFields | None = models[name]._base_manager.filter(pk=key).first()
            return None if found is None else as_they_are([found])[0]
    return None


def as_they_are(things: Sequence[DrivenFields]) -> list[DrivenFields]:
    """Return objects that were read as those of one model as what they are, where models derive from it with a table.

    A query for each of those models; none where there is none.
    """
    if not things:
        return []
    model = type(things[0])
    key = model._meta.pk
    found = {getattr(thing, key.attname): thing for thing in things}
    for derived in _derived_from(model):
        for thing in derived._base_manager.filter(**{f"{key.name}__in": list(found)}):
            found[getattr(thing, key.attname)] = thing
    return list(found.values())


def object_of(app: Application) -> DrivenFields | None:
    """Return the object whose process a script is at work for; None where no instance of such an object is executed.

    It is read anew each time, so that it is as it stands.
    """
    instance_id = host_of(app).caller.instance_id
    return None if instance_id is None else object_of_instance(instance_id)


def _derived_from(model: type[DrivenFields]) -> list[type[DrivenFields]]:
    """Return the models that derive from one with tables of their own, the most derived last."""
    derived = [one for one in apps.get_models() if issubclass(one, model) and one is not model and not one._meta.proxy]
    return sorted(derived, key=lambda one: len(one.__mro__))


def _has_own_instance(model: type[DrivenFields]) -> bool:
    try:
        return not model._meta.proxy and model._meta.get_field("instance").model is model
    except FieldDoesNotExist:
        return False
