"""Tokens by which programs act for a user."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ApiToken(models.Model):
    """Be a token: what is kept of it opens nothing, since it is a digest."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user"),
        help_text=_("In whose name the program acts. It may never do more than they."),
    )  # fmt: skip
    name = models.CharField(_("name"), max_length=100, help_text=_("What it is for, and where it is kept."))
    #: Its first characters, by which people tell tokens apart.
    hint = models.CharField(_("begins with"), max_length=16, editable=False)
    #: SHA-256 of the token, in hexadecimal: it is random enough to need no slow digest.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    rate = models.CharField(
        _("rate"), max_length=20, blank=True, default="", db_default="",
        help_text=_("How often it may be used, such as 600/min. Empty: as often as the site lets all of them."),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("Empty: never. Programs need a new one then.")
    )
    #: To the minute.
    used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        ordering: ClassVar = ("-created_at", "-id")
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
