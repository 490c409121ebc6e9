"""What other systems have answered a run."""

from django.db import models

from processes.models.run import Run


class RunAnswer(models.Model):
    """Hold what came back from one request of a run, or why nothing did, so that the run can be replayed without it."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="answers", db_index=False)
    method = models.CharField(max_length=10)
    #: As the script has asked for it, without the query.
    url = models.TextField()
    #: {"status", "headers", "text"?, "json"?}, {"error"}, or, for one that isn't kept, {"too_long": chars} or
    #: {"not_kept": true}.
    answer = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["run", "id"], name="processes_run_answer"),)

    def __str__(self) -> str:
        return f"{self.method} {self.url}"
