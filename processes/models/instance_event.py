"""The history of process instances: who did what, when, and what it changed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.instance import ProcessInstance


class EventKind(models.TextChoices):
    """Name what has happened to an instance."""

    CREATED = "created", _("created")
    EXECUTED = "executed", _("executed")
    DATA = "data", _("data changed")
    STATUS = "status", _("status changed")
    ASSIGNED = "assigned", _("assigned")
    CLAIMED = "claimed", _("claimed")
    RELEASED = "released", _("released")
    DUE = "due", _("due date changed")
    ESCALATED = "escalated", _("escalated")
    CONSUMED = "consumed", _("message received")
    EDITED = "edited", _("edited")
    MOVED = "moved", _("moved to another version")


class InstanceEvent(models.Model):
    """Hold one thing that happened to an instance, in the transaction in which it did; it goes with the instance.

    Names are copied: an event outlives the user who caused it.
    """

    id = models.BigAutoField(primary_key=True)
    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="events", db_index=False)
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    #: No id for somebody who isn't signed in, or for Stepline itself.
    actor_id = models.CharField(max_length=64, blank=True, default="")
    actor_name = models.CharField(max_length=150, blank=True, default="")
    #: The action of the process that was executed, or that was at work.
    action = models.CharField(max_length=200, blank=True, default="")
    #: The background run in which it happened, if it was one; runs are kept for a while only.
    run_id = models.UUIDField(null=True)
    status_before = models.CharField(max_length=60, blank=True, default="")
    status_after = models.CharField(max_length=60, blank=True, default="")
    #: What has changed in the Data: [{"path", "before", "after"}], bounded (processes.domain.data_changes).
    changes = models.JSONField(default=list)
    #: JSON facts of the kind: to whom it was assigned, when it is due, which topic.
    facts = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("event of an instance")
        verbose_name_plural = _("history of instances")
        ordering = ("-id",)
        indexes = (models.Index(fields=["instance", "-id"], name="processes_event_newest"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"
