"""Process instances: durable things whose process runs when they are executed."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from processes.models.instance_type import InstanceType
from processes.models.plan import Plan
from processes.models.status_rules import StatusRules
from processes.models.template import ProcessTemplate

#: Where what has no due date stands in the order of what is due: behind everything that has one.
NEVER_DUE = datetime(9999, 1, 1, tzinfo=UTC)


def new_instance_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


def never_due() -> datetime:
    """Return `NEVER_DUE`."""
    return NEVER_DUE


class ProcessInstance(models.Model):
    """Hold a thing that a process works on: its plan, owner and status. Its Data is a data node of kind `context`.

    The plan is fixed when the instance is made; publishing the template changes nothing here. Types in code derive
    from this class, as Django's models do from each other.
    """

    id = models.UUIDField(primary_key=True, default=new_instance_id, editable=False)
    type = models.ForeignKey(
        InstanceType,
        verbose_name=_("type"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="instances",
    )
    template = models.ForeignKey(
        ProcessTemplate, verbose_name=_("process"), on_delete=models.PROTECT, related_name="instances"
    )
    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="instances")
    status_rules = models.ForeignKey(
        StatusRules,
        verbose_name=_("status rules"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="instances",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    title = models.CharField(verbose_name=_("title"), max_length=200, blank=True, default="")
    status = models.CharField(verbose_name=_("status"), max_length=60, blank=True, default="")
    #: Since when it has this status.
    status_at = models.DateTimeField(
        verbose_name=_("status since"), default=timezone.now, db_default=Now(), editable=False
    )
    #: Who is at work on it; while nobody is, those who may claim it are `candidates`.
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        # An index of all would hold those that nobody has, too, and mislead planners: there are indexes for both below.
        db_index=False,
    )
    assigned_at = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    #: `due_at`, or `NEVER_DUE`: lists of what waits are read in the order of this column's indexes.
    order_at = models.DateTimeField(default=never_due, db_default=NEVER_DUE, editable=False)
    #: What is yet to happen when it isn't done in time (processes.domain.escalation), and when the first of it will.
    escalation = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    escalate_at = models.DateTimeField(null=True, editable=False)
    #: What this instance binds differently from its template: {reference: target}.
    bindings = models.JSONField(verbose_name=_("bindings"), default=dict, blank=True)
    created_at = models.DateTimeField(verbose_name=_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(verbose_name=_("changed at"), auto_now=True)

    class Meta:
        verbose_name = _("process instance")
        verbose_name_plural = _("process instances")
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["owner", "-created_at"], name="processes_instance_owned"),
            # What waits for me; what waits for whoever has a role at a status: each the most urgent first.
            models.Index(
                fields=["assignee", "order_at", "id"],
                name="processes_instance_assigned",
                condition=models.Q(assignee__isnull=False),
            ),
            models.Index(
                fields=["status_rules", "status", "order_at", "id"],
                name="processes_instance_status",
                condition=models.Q(assignee__isnull=True),
            ),
            models.Index(
                fields=["owner", "status_rules", "status", "order_at", "id"], name="processes_instance_expected"
            ),
            # What somebody may open by a role at a status, the newest first.
            models.Index(fields=["status_rules", "status", "-created_at", "-id"], name="processes_instance_newest"),
            models.Index(
                fields=["escalate_at"],
                name="processes_instance_escalate",
                condition=models.Q(escalate_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.title or str(self.pk)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the instance with all that is its own.

        Its row is locked first, as everybody does who adds to it: what is added in between would refer to nothing.
        """
        with transaction.atomic():
            ProcessInstance.objects.select_for_update().filter(pk=self.pk).values_list("pk").first()
            return super().delete(*args, **kwargs)


class InstanceCandidate(models.Model):
    """Say who may claim an instance: a user, or the members of a group. Rows go when somebody else is asked.

    Claiming leaves them, so that releasing it lets the same ones claim it again.
    """

    id = models.BigAutoField(primary_key=True)
    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="candidates")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    #: Copies of the instance's, for the index: whether nobody has claimed it, and its place in the order.
    is_open = models.BooleanField(default=True)
    order_at = models.DateTimeField(default=never_due)

    class Meta:
        verbose_name = _("candidate")
        verbose_name_plural = _("candidates")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, group__isnull=True)
                | models.Q(user__isnull=True, group__isnull=False),
                name="processes_candidate_is_one",
            ),
            models.UniqueConstraint(fields=["instance", "user"], name="processes_candidate_user"),
            models.UniqueConstraint(fields=["instance", "group"], name="processes_candidate_group"),
        )
        indexes = (
            models.Index(
                fields=["user", "order_at", "instance"],
                name="processes_candidate_of_user",
                condition=models.Q(user__isnull=False, is_open=True),
            ),
            models.Index(
                fields=["group", "order_at", "instance"],
                name="processes_candidate_of_group",
                condition=models.Q(group__isnull=False, is_open=True),
            ),
            # Deleting a user or a group looks for what refers to them, whether it is open or not.
            models.Index(
                fields=["user", "instance"], name="processes_candidate_users", condition=models.Q(user__isnull=False)
            ),
            models.Index(
                fields=["group", "instance"], name="processes_candidate_groups", condition=models.Q(group__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return str(self.user or self.group)
