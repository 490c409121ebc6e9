"""`ProcessDriven`: a team's own Django model, driven by a process (docs/own_models.md)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.db.models.query import QuerySet
from django.urls import reverse

from processes.domain.json_values import JSON
from processes.models import DrivenFields, InstanceEvent
from processes.services.access import User
from processes.services.doer import STEPLINE, Doer
from processes.services.driven import (
    check_derived,
    derive,
    follow_or_open,
    move_plan,
    running_of,
    withdraw_instance,
)
from processes.services.driven.progress import Running
from processes.services.errors import InstanceNotFoundError
from processes.services.foreground import Answer
from processes.services.instance_access import visible_instances
from processes.services.instance_history import history_of
from processes.services.instance_status import set_status
from processes.services.instances import execute_instance
from processes.services.offers import Option, options_of
from processes.services.waiting_instances import waiting_instances

__all__ = ["ProcessDriven", "ProcessDrivenManager", "ProcessDrivenQuerySet"]

M = TypeVar("M", bound=DrivenFields)

#: What pages, admin and API read of each object.
_SHOWN = (
    "process",
    "instance",
    "instance__status_rules",
    "instance__owner",
    "instance__assignee",
    "instance__template",
)


class ProcessDrivenQuerySet(QuerySet[M]):
    """Find objects by where their process stands."""

    def for_user(self, user: User) -> Self:
        """Leave the objects that `user` may open."""
        return self.filter(instance__in=visible_instances(user).order_by().values("pk"))

    def waiting_for(self, user: User) -> Self:
        """Leave the objects that wait for `user`, by assignment or by the rules, whose conditions aren't asked."""
        return self.filter(instance__in=waiting_instances(user).order_by().values("pk"))

    def with_status(self, *statuses: str) -> Self:
        """Leave the objects that have one of these statuses."""
        return self.filter(instance__status__in=statuses)

    def with_process(self) -> Self:
        """Read along what the tags, the admin and the API show of each object."""
        return self.select_related(*_SHOWN)


class ProcessDrivenManager(models.Manager.from_queryset(ProcessDrivenQuerySet)):  # type: ignore[misc]
    """Offer the methods of `ProcessDrivenQuerySet`."""


class ProcessDriven(DrivenFields):
    """Let a process drive a team's model: each object has a process instance of its own.

    Saving derives `process` and `status_rules` from the object's context, makes the instance with the first process
    that there is (its `@init` runs in the same transaction), and gives it the object's title, owner and status rules.
    The instance's plan stays until `move_plan`.

    A save raises DrivenProcessError where a default that is needed isn't there, NotPublishedError, and the error with
    which `@init` ended: then nothing is stored.
    """

    objects: ClassVar[ProcessDrivenManager] = ProcessDrivenManager()

    class Meta(DrivenFields.Meta):
        abstract = True

    @property
    def status(self) -> str:
        """Return where the object stands: its instance's status; `refresh_from_db` reads it anew."""
        return "" if self.instance is None else self.instance.status

    @property
    def process_url(self) -> str:
        """Return the path of the page that executes the object's process; empty without one."""
        if self.instance_id is None:
            return ""
        return reverse("processes:instance", kwargs={"instance_id": self.instance_id})

    @property
    def history_url(self) -> str:
        """Return the path of the page that tells what has happened; empty without a process."""
        if self.instance_id is None:
            return ""
        return reverse("processes:instance-history", kwargs={"instance_id": self.instance_id})

    def save(self, *args: Any, **options: Any) -> None:
        """Derive, store, and let the instance follow: all in one transaction."""
        fields = options.get("update_fields")
        if fields is not None and not fields:
            super().save(*args, **options)
            return
        before = (self.process_id, self.status_rules_id, self.instance_id)
        try:
            with transaction.atomic():
                self._derive()
                if fields is not None:
                    options["update_fields"] = {*fields, "process", "status_rules"}
                super().save(*args, **options)
                follow_or_open(self)
        except BaseException:
            self.process_id, self.status_rules_id, self.instance_id = before
            raise

    def options_for(self, user: User) -> tuple[Option, ...]:
        """Return what the status rules offer a user, in the order of the rules."""
        return () if self.instance is None else options_of(self.instance, user=user)

    def execute(
        self, *, user: AbstractBaseUser, action: str | None = None, parameters: Mapping[str, JSON] | None = None
    ) -> Answer:
        """Execute the object's process for a user, as its page does, and read the object's instance anew.

        Raises InstanceNotFoundError where they may not or there is no process, and the error that the process ended
        with.
        """
        if self.instance is None:
            raise InstanceNotFoundError("This has no process, so nothing of it can be executed.")
        try:
            return execute_instance(instance=self.instance, user=user, action=action, parameters=parameters)
        finally:
            self._forget_instance()

    def set_status(self, status: str, *, user: AbstractBaseUser | None = None) -> bool:
        """Set the status by the team's own code, as Stepline without a user; return whether it is another one now."""
        if self.instance_id is None:
            raise InstanceNotFoundError("This has no process, so it has no status.")
        changed = set_status(self.instance_id, status, doer=STEPLINE if user is None else Doer.of(user))
        self._forget_instance()
        return changed

    def history(self) -> QuerySet[InstanceEvent]:
        """Return what has happened, the newest first."""
        return InstanceEvent.objects.none() if self.instance is None else history_of(self.instance)

    def running(self) -> list[Running]:
        """Return the background runs that are at work on it."""
        return [] if self.instance_id is None else running_of([self.instance_id])[self.instance_id]

    def move_plan(self, *, user: AbstractBaseUser | None = None) -> bool:
        """Move the object to what its process has published now; return whether that is another plan."""
        return move_plan(self, doer=STEPLINE if user is None else Doer.of(user))

    def _derive(self) -> None:
        [derived] = derive([self])
        check_derived(self, derived)
        self.process_id, self.status_rules_id = derived.process_id, derived.status_rules_id
        if self.instance_id is None and not self._state.adding:
            # Somebody else may have given it one since this was read: a stale copy must not take it away.
            rows = type(self)._base_manager.select_for_update(of=("self",)).filter(pk=self.pk)
            self.instance_id = rows.values_list("instance_id", flat=True).first()

    def _forget_instance(self) -> None:
        self._state.fields_cache.pop("instance", None)


def _withdraw(sender: type[models.Model], instance: models.Model, **_: object) -> None:
    # Django knows senders by their place in memory, where a class that is gone may have been before.
    if isinstance(instance, ProcessDriven):
        withdraw_instance(instance)


def _connect(sender: type[models.Model], **_: object) -> None:
    # Model by model: a listener for all of them would make Django read whatever it deletes. The column lies with the
    # model at the top; what derives from it with a table of its own may go alone (`keep_parents`).
    if issubclass(sender, ProcessDriven) and sender._meta.get_field("instance").model is sender._meta.concrete_model:
        models.signals.post_delete.connect(_withdraw, sender=sender, dispatch_uid=f"driven.{sender._meta.label}")


models.signals.class_prepared.connect(_connect, dispatch_uid="processes.driven")
