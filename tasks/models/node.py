"""The nodes below a root."""

from django.db import models

from tasks.domain.bounds import TITLE_CHARS, TYPE_CHARS
from tasks.domain.statuses import NodeStatus
from tasks.models.root import TaskRoot, new_id


class Node(models.Model):
    """Hold what a snapshot shows of one node; `ordinal` is the order of creation below the root."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.ForeignKey(TaskRoot, on_delete=models.CASCADE, related_name="nodes", db_index=False)
    #: Another node of the same root; none directly below the root.
    parent_id = models.UUIDField(null=True, blank=True)
    ordinal = models.IntegerField()
    type = models.CharField(max_length=TYPE_CHARS)
    title = models.CharField(max_length=TITLE_CHARS)
    alias = models.CharField(max_length=TITLE_CHARS, blank=True, default="")
    status = models.CharField(max_length=16, choices=[(s.value, s.value) for s in NodeStatus])
    error = models.TextField(blank=True, default="")
    current = models.FloatField(null=True, blank=True)
    total = models.FloatField(null=True, blank=True)
    message = models.TextField(blank=True, default="")
    output = models.TextField(blank=True, default="")
    meta = models.JSONField(null=True, blank=True)
    #: The attempt of the job that wrote it; a successor closes what older attempts left open.
    attempt = models.IntegerField(default=1)

    class Meta:
        ordering = ("ordinal",)
        indexes = (models.Index(fields=["root", "ordinal"], name="tasks_node_root"),)

    def __str__(self) -> str:
        return self.title
