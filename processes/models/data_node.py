"""Persisted process data with an unguessable reference."""

import secrets

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from processes.models.instance import ProcessInstance
from processes.models.template import ProcessTemplate


def new_reference() -> str:
    """Return 128 random bits as 22 URL-safe characters."""
    return secrets.token_urlsafe(16)


class DataNodeKind(models.TextChoices):
    """Say what a data node's life depends on."""

    TEMPORARY = "temporary", _("temporary: expires")
    CONTEXT = "context", _("context: belongs to an instance")


class DataNode(models.Model):
    """Hold the data of a process between two requests, bound to its owner.

    `revision` rises with every submitted step: of two tabs that submit the same one, the second finds a newer revision
    and changes nothing.
    """

    reference = models.CharField(max_length=22, unique=True, default=new_reference, editable=False)
    kind = models.CharField(
        verbose_name=_("kind"), max_length=16, choices=DataNodeKind.choices, default=DataNodeKind.TEMPORARY
    )
    template = models.ForeignKey(
        ProcessTemplate, verbose_name=_("process"), null=True, on_delete=models.CASCADE, related_name="data_nodes"
    )
    #: Whose Data it is, where it is a context node; else the instance that was being executed, if one was.
    instance = models.ForeignKey(
        ProcessInstance,
        verbose_name=_("instance"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="data_nodes",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), null=True, blank=True, on_delete=models.CASCADE
    )
    #: The session of an owner who is not signed in; empty for a user's.
    session_key = models.CharField(max_length=40, blank=True, default="")
    data = models.JSONField(default=dict)
    revision = models.IntegerField(verbose_name=_("revision"), default=1)
    #: Where it lies beside an instance's Data: the revision of that Data which it began with.
    based_on = models.IntegerField(null=True, blank=True)
    #: The action that showed the last form: where its owner goes on after a conflict.
    step = models.CharField(verbose_name=_("step"), max_length=200, blank=True, default="")
    #: What was typed into forms and not submitted yet, as it was typed: {form: {field: text, texts, file info}}.
    entered = models.JSONField(default=dict, db_default={}, blank=True)
    #: When its owner last asked to keep it for later: then their home page lists it.
    drafted_at = models.DateTimeField(null=True, blank=True)
    #: The background run that took the data over, once one has.
    continued_in = models.UUIDField(verbose_name=_("goes on in the run"), null=True, blank=True)
    created_at = models.DateTimeField(verbose_name=_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(verbose_name=_("changed at"), auto_now=True)
    expires_at = models.DateTimeField(verbose_name=_("expires at"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("data node")
        verbose_name_plural = _("data nodes")
        constraints = (
            models.UniqueConstraint(
                fields=["instance"], condition=models.Q(kind=DataNodeKind.CONTEXT), name="processes_one_context_node"
            ),
        )
        indexes = (
            models.Index(
                fields=["owner", "-drafted_at"],
                name="processes_drafts",
                condition=models.Q(drafted_at__isnull=False),
            ),
            # Looked up by what took the data over; most data nodes never are.
            models.Index(
                fields=["continued_in"],
                name="processes_continued_in",
                condition=models.Q(continued_in__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"data node {self.pk}"
