"""The attempts of a job that came to no good end."""

from django.db import models

from tasks.models.job import Job


class Attempt(models.Model):
    """Hold how an attempt of a job failed, or was lost with its worker.

    The attempt that brings a job to its end well is told by the job itself: most jobs have no row here.
    """

    class Outcome(models.TextChoices):
        """Name how an attempt can end badly."""

        #: An exception; the job is tried again, or that was the last attempt.
        FAILED = "failed"
        #: It took longer than it may.
        TIMED_OUT = "timed_out"
        #: Its worker died or fell silent. Not counted against the job's attempts.
        LOST = "lost"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    #: The number of the attempt, from 1; a lost one has the number of the one that takes over.
    number = models.IntegerField()
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    worker = models.CharField(max_length=200, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField()
    #: Code, message and traceback as a JSON object; the traceback is for staff.
    error = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = (models.Index(fields=["job"], name="tasks_attempt_job"),)

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"
