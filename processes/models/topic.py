"""Published messages, who subscribes to which topic, and what was delivered to whom."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from processes.models.instance import ProcessInstance


def new_message_id() -> uuid.UUID:
    """Return a UUID whose order is that of creation (RFC 9562, version 7)."""
    return uuid7()


class Subscription(models.Model):
    """Say that an instance wants the messages of a topic that are published from now on."""

    id = models.BigAutoField(primary_key=True)
    instance = models.ForeignKey(
        ProcessInstance, on_delete=models.CASCADE, related_name="subscriptions", db_index=False
    )
    #: `invoice.paid`, or with `*` as its last part: `invoice.*` (processes.domain.topics).
    topic = models.CharField(verbose_name=_("topic"), max_length=200)
    #: A condition on the message; empty for every one.
    condition = models.CharField(verbose_name=_("condition"), max_length=1_000, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["instance", "topic"], name="processes_subscription_topic"),)
        indexes = (models.Index(fields=["topic", "id"], name="processes_subscription_of"),)

    def __str__(self) -> str:
        return self.topic


class Message(models.Model):
    """Hold what was published on a topic, in the transaction of whoever did so."""

    id = models.UUIDField(primary_key=True, default=new_message_id, editable=False)
    topic = models.CharField(verbose_name=_("topic"), max_length=200)
    #: What its sender knows it by: the same key on the same topic is the same message. Its id where none was given.
    key = models.CharField(max_length=200)
    payload = models.JSONField(default=dict)
    published_by_id = models.CharField(max_length=64, blank=True, default="")
    published_by_name = models.CharField(max_length=150, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    #: The last subscription that was looked at, while there are further ones; subscribers after `upto` came later.
    spread_to = models.BigIntegerField(default=0)
    spread_upto = models.BigIntegerField(default=0)
    #: When every subscriber had been looked at.
    spread_at = models.DateTimeField(null=True)
    #: How many deliveries it came to.
    deliveries_count = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("published message")
        verbose_name_plural = _("published messages")
        permissions = (("publish_message", "Can publish messages"),)
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["topic", "key"], name="processes_message_key"),)
        indexes = (
            models.Index(fields=["id"], name="processes_message_to_spread", condition=models.Q(spread_at__isnull=True)),
        )

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class DeliveryOutcome(models.TextChoices):
    """Name what has become of a delivery."""

    STARTED = "started", _("given to the process")
    IGNORED = "ignored", _("the process doesn't take messages")
    FAILED = "failed", _("couldn't be given to the process")


class Delivery(models.Model):
    """Hold that a message was given to an instance: stored together with the run that consumes it, and once only."""

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    instance = models.ForeignKey(ProcessInstance, on_delete=models.CASCADE, related_name="deliveries")
    at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=16, choices=DeliveryOutcome.choices, default=DeliveryOutcome.STARTED)
    #: Why it couldn't be given to the process.
    reason = models.CharField(max_length=500, blank=True, default="")
    #: The run that consumes it; runs are kept for a while only.
    run_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = _("delivery of a message")
        verbose_name_plural = _("deliveries of messages")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["message", "instance"], name="processes_delivery_once"),)

    def __str__(self) -> str:
        return f"{self.outcome} {self.message_id}"
