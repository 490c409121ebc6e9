"""The times that a run has been told."""

from django.db import models

from processes.models.run import Run


class ClockReading(models.Model):
    """Hold what an action has read of the clock, so that the run can be replayed at the very same times."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="clock_readings", db_index=False)
    #: The number of the step.
    ordinal = models.IntegerField()
    #: In the order in which they were read, as texts of ISO 8601.
    moments = models.JSONField()

    class Meta:
        indexes = (models.Index(fields=["run", "id"], name="processes_clock_reading"),)

    def __str__(self) -> str:
        return f"{self.run_id}@{self.ordinal}"
