"""The log of a root."""

from django.db import models

from tasks.models.root import TaskRoot


class Update(models.Model):
    """Hold one numbered update as the text that clients receive."""

    pk = models.CompositePrimaryKey("root", "seq")
    root = models.ForeignKey(TaskRoot, on_delete=models.CASCADE, related_name="updates", db_index=False)
    seq = models.BigIntegerField()
    #: The attempt that wrote it.
    attempt = models.IntegerField(default=1)
    #: One JSON object, encoded once (tasks.domain.updates).
    body = models.TextField()

    class Meta:
        ordering = ("seq",)

    def __str__(self) -> str:
        return self.body
