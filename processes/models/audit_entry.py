"""The audit log: who did what, under whose authority. Rows are only ever added."""

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEntries(models.QuerySet["AuditEntry"]):
    """Refuse what would change or delete rows of the log."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        _refuse()

    def delete(self) -> NoReturn:
        """Refuse."""
        _refuse()


class AuditEntry(models.Model):
    """Hold one thing that somebody did.

    Names and ids are copied, not referred to: an entry outlives the user and the thing that it is about. Neither Django
    nor (by triggers) the database changes a row.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    #: What was done, as `subject.verb`: `template.published`, `run.started` (processes.services.audit lists them).
    action = models.CharField(verbose_name=_("action"), max_length=60, db_index=True)
    #: Who did it; no id for somebody who wasn't signed in, or for the system itself.
    actor_id = models.CharField(max_length=64, blank=True, default="", db_index=True)
    actor_name = models.CharField(max_length=150, blank=True, default="")
    #: Under whose authority, where it wasn't the actor's own.
    authority_id = models.CharField(max_length=64, blank=True, default="")
    authority_name = models.CharField(max_length=150, blank=True, default="")
    #: What it was done to.
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64, blank=True, default="")
    subject_name = models.CharField(max_length=200, blank=True, default="")
    plan_hash = models.CharField(verbose_name=_("plan"), max_length=64, blank=True, default="")
    #: JSON, without secrets and without data of the process.
    details = models.JSONField(default=dict)

    objects = AuditEntries.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-id",)
        indexes = (models.Index(fields=["subject_kind", "subject_id"], name="processes_audit_subject"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry; raises TypeError for one that is stored already."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        _refuse()


def _refuse() -> NoReturn:
    raise TypeError("The audit log is only ever added to.")
