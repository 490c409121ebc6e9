"""The places at which a run can be taken up again."""

from django.db import models

from processes.models.run import Run


class Checkpoint(models.Model):
    """Hold a run's place after a step: the newest one is where the run stands, the others are its history.

    The data at that place are the newest values up to the same ordinal.
    """

    pk = models.CompositePrimaryKey("run", "ordinal")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="checkpoints", db_index=False)
    #: Steps that are done.
    ordinal = models.IntegerField()
    #: The interpreter's stack of frames (processes.domain.cursor).
    cursor = models.JSONField()
    #: The step that led here, and the state that it ended with; empty where the run began, null for no state.
    action = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - no state is not an empty one
    #: Attributes, request and response, where they have changed since the checkpoint before: {"attributes"?, …}.
    context = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.run_id}@{self.ordinal}"
