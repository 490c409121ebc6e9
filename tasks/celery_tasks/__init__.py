"""Celery tasks as task trees: `@shared_task(base=TrackedTask)` is all that an existing task needs.

What Celery does with a task stays Celery's: sending, routing, retries, results. This package listens, and tells the
tree. Whatever goes wrong here is logged, and never keeps a task from running.
"""

from tasks.celery_tasks import listeners as listeners
from tasks.celery_tasks.canvas import TrackedCanvas, cancel, track
from tasks.celery_tasks.run import TaskRevoked
from tasks.celery_tasks.task import TrackedTask

__all__ = ["TaskRevoked", "TrackedCanvas", "TrackedTask", "cancel", "track"]
