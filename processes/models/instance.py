"""Process instances: durable things whose process runs when they are executed."""

import uuid

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from processes.models.plan import Plan
from processes.models.template import ProcessTemplate


def new_instance_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


class ProcessInstance(models.Model):
    """Hold a thing that a process works on: its plan, owner and status. Its Data is a data node of kind `context`.

    The plan is fixed when the instance is made; publishing the template changes nothing here.
    """

    id = models.UUIDField(primary_key=True, default=new_instance_id, editable=False)
    template = models.ForeignKey(ProcessTemplate, on_delete=models.PROTECT, related_name="instances")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="instances")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    title = models.CharField(max_length=200, blank=True, default="")
    status = models.CharField(max_length=60, blank=True, default="")
    #: What this instance binds differently from its template: {reference: target}.
    bindings = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "process instance"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.title or str(self.pk)
