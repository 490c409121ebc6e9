"""Grants: a caller's credentials, lent to a process for a while."""

import secrets

from django.conf import settings
from django.db import models

from processes.models.template import ProcessTemplate


def new_grant_reference() -> str:
    """Return 128 random bits as 22 URL-safe characters."""
    return secrets.token_urlsafe(16)


class Grant(models.Model):
    """Let a process act for the user who called it: short-lived, revocable, for that process only.

    The reference alone opens nothing: only a run of the same template that bears it may use it.
    """

    reference = models.CharField(max_length=22, unique=True, default=new_grant_reference, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    template = models.ForeignKey(ProcessTemplate, null=True, on_delete=models.CASCADE, related_name="+")
    #: The execution it was made in (a run's id, or the request's).
    execution = models.CharField(max_length=100)
    #: What it may be used for: "call" (processes), "http" (requests to allowed services).
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"grant {self.pk}"
