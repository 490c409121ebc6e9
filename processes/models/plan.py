"""Compiled plans, one row per content."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Plan(models.Model):
    """Hold an immutable plan under the SHA-256 of its canonical JSON. Rows are written once and never changed."""

    hash = models.CharField(verbose_name=_("hash"), max_length=64, primary_key=True, editable=False)
    #: Canonical JSON (processes.domain.plan).
    content = models.TextField(_("content"))
    created_at = models.DateTimeField(verbose_name=_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")

    def __str__(self) -> str:
        return self.hash[:12]
