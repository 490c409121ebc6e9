"""Triggers: what starts a process by itself, and what each of them has started."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.run import Run
from processes.models.template import ProcessTemplate


class TriggerKind(models.TextChoices):
    """Name what a trigger waits for."""

    SCHEDULE = "schedule", _("a schedule")
    WEBHOOK = "webhook", _("a webhook")


class SignatureStyle(models.TextChoices):
    """Name how the sender of a webhook signs it (processes.domain.signatures)."""

    STANDARD = "standard", _("Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature)")
    GITHUB = "github", _("as GitHub does (X-Hub-Signature-256)")
    STRIPE = "stripe", _("as Stripe does (Stripe-Signature: t=…,v1=…)")


class RecognisedBy(models.TextChoices):
    """Name how a delivery that comes again is recognised."""

    ID = "id", _("by its id; where it has none, by what was sent")
    BODY = "body", _("by what was sent")


class Trigger(models.Model):
    """Hold when a template is started by itself, with what, and in whose name.

    The id is a part of a webhook's address; it opens nothing without the secret.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(_("title"), max_length=200)
    template = models.ForeignKey(
        ProcessTemplate, verbose_name=_("process"), on_delete=models.CASCADE, related_name="triggers"
    )
    kind = models.CharField(_("started by"), max_length=16, choices=TriggerKind.choices, default=TriggerKind.SCHEDULE)
    enabled = models.BooleanField(_("enabled"), default=True)
    #: Where the run enters; empty for where a page without an action does.
    action = models.CharField(_("action"), max_length=200, blank=True, default="")
    data = models.JSONField(_("data"), default=dict, blank=True)
    #: What `request.parameters` holds; of a webhook's own fields these have the last word.
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    #: In whose name it runs; without a user it starts nothing.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("in the name of"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    #: A line of crontab, read in a zone (empty for the site's); or a time span, counted from `anchor_at`.
    cron = models.CharField(_("crontab"), max_length=200, blank=True, default="")
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    every_seconds = models.PositiveIntegerField(_("every"), null=True, blank=True)
    anchor_at = models.DateTimeField(null=True, editable=False)
    #: Whether a time that nobody looked at is made up for, once.
    catches_up = models.BooleanField(_("make up for missed times, once"), default=True)
    next_at = models.DateTimeField(_("next time"), null=True, editable=False)

    style = models.CharField(
        _("signed"), max_length=16, choices=SignatureStyle.choices, default=SignatureStyle.STANDARD
    )
    #: In the place of the style's own header; not for Standard Webhooks, which name theirs.
    signature_header = models.CharField(_("header of the signature"), max_length=100, blank=True, default="")
    delivery_header = models.CharField(_("header of the id"), max_length=100, blank=True, default="")
    recognised_by = models.CharField(
        _("a delivery is recognised"), max_length=8, choices=RecognisedBy.choices, default=RecognisedBy.ID
    )
    tolerance_seconds = models.PositiveIntegerField(_("tolerance"), default=300)
    #: How often it may start a run (tasks.domain.rate), and the moment that is stored for that; empty for any number.
    rate = models.CharField(_("at most"), max_length=20, blank=True, default="600/m")
    free_at = models.DateTimeField(null=True, editable=False)
    #: Ciphertexts (processes.services.secrets); the previous one is valid until `previous_until`.
    secret = models.TextField(blank=True, default="", editable=False)
    secret_set_at = models.DateTimeField(null=True, editable=False)
    previous_secret = models.TextField(blank=True, default="", editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    #: When a delivery was refused, and why (processes.domain.signatures.Refusal), for whoever sets it up.
    refused_at = models.DateTimeField(null=True, editable=False)
    refusal = models.CharField(max_length=16, blank=True, default="", editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("trigger")
        verbose_name_plural = _("triggers")
        ordering = ("title",)
        indexes = (
            models.Index(fields=["next_at"], name="processes_trigger_due", condition=models.Q(next_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.title


class FiringOutcome(models.TextChoices):
    """Name what a trigger did at one of its times."""

    STARTED = "started", _("started")
    SKIPPED = "skipped", _("passed over")
    FAILED = "failed", _("couldn't start")


class TriggerFiring(models.Model):
    """Hold one time that a trigger was due, one delivery, or one click on “Fire now”.

    The row and the run are stored together, and `key` makes sure that there is one row only: for a due time, for a
    delivery. It outlives the run, whose id it keeps.
    """

    id = models.BigAutoField(primary_key=True)
    trigger = models.ForeignKey(
        Trigger, verbose_name=_("trigger"), on_delete=models.CASCADE, related_name="firings", db_index=False
    )
    key = models.CharField(max_length=100)
    #: The signature itself, where it holds a time and not the id: the same one again is the same delivery, whatever id
    #: it bears.
    replay_key = models.CharField(max_length=100, null=True)  # noqa: DJ001 - unique where there is one
    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)
    outcome = models.CharField(
        _("outcome"), max_length=16, choices=FiringOutcome.choices, default=FiringOutcome.STARTED
    )
    #: Why nothing was started.
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    due_at = models.DateTimeField(_("due"), null=True)
    #: The delivery's id, as its sender gave it.
    delivery = models.CharField(_("delivery"), max_length=200, blank=True, default="")
    #: It may be gone: runs are kept for a while only.
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        null=True,
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,
        related_name="firings",
    )

    class Meta:
        verbose_name = _("firing of a trigger")
        verbose_name_plural = _("firings of triggers")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=["trigger", "key"], name="processes_firing_key"),
            models.UniqueConstraint(fields=["trigger", "replay_key"], name="processes_firing_replay"),
        )
        indexes = (models.Index(fields=["trigger", "-id"], name="processes_firing_newest"),)

    def __str__(self) -> str:
        return f"{self.outcome} {self.key}"
