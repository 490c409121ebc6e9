"""The jobs that were set aside for an operator."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from tasks.domain.statuses import JobStatus
from tasks.models.job import Job


class DeadLetters(models.Manager["DeadLetter"]):
    """Know those only."""

    def get_queryset(self) -> models.QuerySet["DeadLetter"]:
        """Return the jobs that were set aside; the index `tasks_job_dead` holds them, newest first."""
        return super().get_queryset().filter(status=JobStatus.DEAD_LETTER.value)


class DeadLetter(Job):
    """Be a job whose attempts are used up, or whose workers kept dying. Who may see and replay jobs may these, too."""

    objects: ClassVar[DeadLetters] = DeadLetters()

    class Meta:
        proxy = True
        ordering = ("-finished_at",)
        default_permissions = ()
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
