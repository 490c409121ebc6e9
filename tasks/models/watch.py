"""Who wants to be told when a tree has ended."""

from django.conf import settings
from django.db import models

from tasks.models.root import TaskRoot


class Watch(models.Model):
    """Hold that a user asked for a mail at the end of a tree, and what the mail needs of the request that asked."""

    id = models.BigAutoField(primary_key=True)
    root = models.ForeignKey(TaskRoot, on_delete=models.CASCADE, related_name="watches", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    #: The absolute address of the tree's page, as the user sees it.
    url = models.URLField(max_length=500)
    language = models.CharField(max_length=35, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    #: When the mail was handed to a job.
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "watches"
        constraints = (models.UniqueConstraint(fields=["root", "user"], name="tasks_watch_once"),)
        indexes = (models.Index(fields=["root"], name="tasks_watch_open", condition=models.Q(told_at__isnull=True)),)

    def __str__(self) -> str:
        return f"{self.user} watches {self.root}"
