"""Named connections to other systems; their secrets are encrypted at rest."""

from django.contrib.auth.models import Group
from django.db import models


class ConnectionKind(models.TextChoices):
    """Name what a connection leads to."""

    HTTP = "http", "web service (HTTP)"
    SMTP = "smtp", "mail server (SMTP)"


class Connection(models.Model):
    """Hold where another system is and how to prove who asks; bound in templates by name (`{"credential": NAME}`)."""

    name = models.SlugField(unique=True)
    kind = models.CharField(max_length=8, choices=ConnectionKind.choices, default=ConnectionKind.HTTP)
    description = models.CharField(max_length=200, blank=True, default="")
    #: By kind, without secrets: {"base_url", "scheme": bearer|basic|header|none, "username", "header"} or {"host", …}.
    settings = models.JSONField(default=dict)
    #: Ciphertext (processes.services.secrets); empty without a secret.
    secret = models.TextField(blank=True, default="", editable=False)
    #: Editors who may bind it; nobody but superusers where there are none and `everyone` is off.
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    everyone = models.BooleanField("every editor may bind it", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
