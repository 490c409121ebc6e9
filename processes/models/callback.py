"""Callbacks: what later work reports to the action that anchors it."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.domain.callbacks import CallbackStatus
from processes.models.run import Run


class Callback(models.Model):
    """Hold how far a callback is, and its response store: what came with the anchor, and the last stored response.

    Its id follows from the run and the step that anchors it; with it goes a token, which is never stored. It goes with
    its run, or when its time is over (`purge_at`), and the files that its responses have brought go with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="callbacks")
    #: The anchor's name.
    action = models.CharField(verbose_name=_("anchor"), max_length=200)
    status = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in CallbackStatus], default=CallbackStatus.CREATED.value
    )
    #: The `callbackData` of the anchor's config.
    data = models.JSONField(null=True)
    stores_response = models.BooleanField(verbose_name=_("stores responses"), default=False)
    #: The last response that was stored.
    response = models.JSONField(null=True)
    #: The states for which the anchor's next clause has a branch.
    routes = models.JSONField(default=list)
    #: The hash of what was last reported, by which a repetition is known.
    reported = models.CharField(max_length=64, blank=True, default="")
    #: How long it is kept after its end.
    retention = models.DurationField()
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    #: When it ends by itself.
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    purge_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        ordering = ("-created_at",)
        indexes = (
            models.Index(
                fields=["expires_at"], name="processes_callback_open", condition=models.Q(ended_at__isnull=True)
            ),
            models.Index(
                fields=["purge_at"], name="processes_callback_over", condition=models.Q(purge_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return str(self.pk)


class CallbackWaiter(models.Model):
    """Note a run that waits for the end of a callback, its own or another run's, at one of its steps."""

    callback = models.ForeignKey(Callback, on_delete=models.CASCADE, related_name="waiters", db_index=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    ordinal = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["callback", "run", "ordinal"], name="processes_callback_waiter"),
        )

    def __str__(self) -> str:
        return f"{self.run_id} for {self.callback_id}"
