"""Durable runs: the checkpointed state, its data, and the inbox."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.domain.run_status import RunStatus
from processes.models.instance import ProcessInstance
from processes.models.plan import Plan
from processes.models.template import ProcessTemplate
from tasks.models import TaskRoot


class Run(models.Model):
    """Hold the checkpoint of a background run, which shares its id with its task root and its job.

    Only the holder of the job's lease writes it; everyone else appends to its inbox.
    """

    root = models.OneToOneField(TaskRoot, primary_key=True, on_delete=models.CASCADE, related_name="run")
    template = models.ForeignKey(ProcessTemplate, null=True, on_delete=models.SET_NULL, related_name="runs")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="runs")
    #: The instance that is being executed, where one is. (It can't go while runs know it: whose rights they may
    #: borrow depends on it.)
    instance = models.ForeignKey(
        ProcessInstance, verbose_name=_("instance"), null=True, on_delete=models.PROTECT, related_name="runs"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    session_key = models.CharField(max_length=40, blank=True, default="")
    status = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in RunStatus], default=RunStatus.CREATED.value
    )
    #: The interpreter's stack of frames (processes.domain.cursor).
    cursor = models.JSONField()
    #: Actions that have a checkpoint. The identity of a step is (run, ordinal).
    ordinal = models.IntegerField(verbose_name=_("checkpoint"), default=0)
    #: The ordinal of the last `once` action that was about to run: a second start of the same one must not happen.
    intent = models.IntegerField(null=True)
    #: When the action began that is at work, where it has a time limit.
    step_began_at = models.DateTimeField(null=True)
    #: Why the run doesn't go on, while it doesn't: {"code", "until"?, …}.
    waiting_for = models.JSONField(null=True)
    #: Who has paused it, and since when it is to stand still: {"by", "since"}.
    paused = models.JSONField(null=True)
    attributes = models.JSONField(default=dict)
    request = models.JSONField(null=True)
    response = models.JSONField(null=True)
    error = models.JSONField(null=True)
    #: How it began: {ordinal, cursor, attributes, request, response}; its data then are the values up to that ordinal.
    origin = models.JSONField(null=True)
    #: The run that this one repeats. One to one: of two who repeat a run at the same time, one begins anew.
    previous = models.OneToOneField("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="repetition")
    #: Of a child run: what it is a part of, and which items it works off, one after the other.
    fan_out = models.ForeignKey("FanOut", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    first_index = models.IntegerField(null=True, blank=True)
    last_index = models.IntegerField(null=True, blank=True)
    #: The execution whose grants it may use, where that isn't its own.
    lent_to = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ("-created_at",)
        permissions = (("control_run", "Can control runs, and see and edit their data"),)

    def __str__(self) -> str:
        return str(self.root_id)


class RunValue(models.Model):
    """Hold one version of one top-level key of a run's data: a checkpoint appends only what it changed."""

    pk = models.CompositePrimaryKey("run", "key", "ordinal")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="values", db_index=False)
    key = models.CharField(max_length=200)
    #: The ordinal of the checkpoint that wrote it.
    ordinal = models.IntegerField()
    #: JSON text; null where the checkpoint removed the key.
    value = models.TextField(null=True)  # noqa: DJ001 - empty text is no JSON, null is the removal

    def __str__(self) -> str:
        return f"{self.key}@{self.ordinal}"


class InboxItem(models.Model):
    """Hold a message to the holder of a run: it takes them in order, one at a time, at action boundaries."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inbox", db_index=False)
    kind = models.CharField(max_length=32)
    payload = models.JSONField(default=dict)
    #: A second message with the same key is dropped.
    dedupe_key = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    taken_at = models.DateTimeField(null=True)
    #: What became of it, for whoever sent it: {"done": true}, or {"refused": reason, "names": […]}.
    result = models.JSONField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["run", "dedupe_key"], name="processes_inbox_dedupe"),)
        indexes = (
            models.Index(fields=["run", "id"], name="processes_inbox_open", condition=models.Q(taken_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.kind} for {self.run_id}"
