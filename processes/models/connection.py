"""Named connections to other systems; their secrets are encrypted at rest."""

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _


class ConnectionKind(models.TextChoices):
    """Name what a connection leads to."""

    HTTP = "http", _("web service (HTTP)")
    SMTP = "smtp", _("mail server (SMTP)")


class Connection(models.Model):
    """Hold where another system is and how to prove who asks; bound in templates by name (`{"credential": NAME}`)."""

    name = models.SlugField(_("name"), unique=True)
    kind = models.CharField(_("kind"), max_length=8, choices=ConnectionKind.choices, default=ConnectionKind.HTTP)
    description = models.CharField(_("description"), max_length=200, blank=True, default="")
    #: By kind, without secrets: {"base_url", "scheme": bearer|basic|header|none, "username", "header"} or {"host", …}.
    settings = models.JSONField(default=dict)
    #: Ciphertext (processes.services.secrets); empty without a secret.
    secret = models.TextField(blank=True, default="", editable=False)
    #: Editors who may bind it; nobody but superusers where there are none and `everyone` is off.
    groups = models.ManyToManyField(Group, verbose_name=_("groups"), blank=True, related_name="+")
    everyone = models.BooleanField(_("every editor may bind it"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
