"""What is known of a Celery task, beyond its tree."""

from django.db import models

from tasks.models.root import TaskRoot


class CeleryTask(models.Model):
    """Hold which Celery task a tree is of, how often it was delivered, and whether its end was asked for.

    A canvas that is tracked as a whole has a tree of its own, whose row has a plan and no task id.
    """

    root = models.OneToOneField(TaskRoot, primary_key=True, on_delete=models.CASCADE, related_name="celery_task")
    #: Celery's own id, which may be any text; none for a canvas.
    task_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - nulls are never equal
    #: Celery delivers a task again at times whose tree has ended: that is another execution, with a tree of its own.
    execution = models.IntegerField(default=0)
    name = models.CharField(max_length=255, blank=True, default="")
    #: Which of a canvas's tasks follow which (tasks.domain.canvas).
    plan = models.JSONField(null=True, blank=True)
    #: How often it was begun; the tree's fence, so that a run that was given up writes nothing more.
    deliveries = models.IntegerField(default=0)
    #: The process that it runs in; empty while it waits.
    worker = models.CharField(max_length=200, blank=True, default="")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.TextField(blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["task_id", "execution"], name="tasks_celery_task"),)

    def __str__(self) -> str:
        return f"{self.name or 'canvas'} ({self.root_id})"
