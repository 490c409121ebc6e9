"""Rows of the `tasks` app. Outsiders import them from here; inside, the others depend on root."""

from tasks.models.api_token import ApiToken
from tasks.models.attempt import Attempt
from tasks.models.celery_task import CeleryTask
from tasks.models.dead_letter import DeadLetter
from tasks.models.job import Job
from tasks.models.node import Node
from tasks.models.root import TaskRoot
from tasks.models.throttle import Throttle
from tasks.models.update import Update
from tasks.models.watch import Watch

__all__ = ["ApiToken", "Attempt", "CeleryTask", "DeadLetter", "Job", "Node", "TaskRoot", "Throttle", "Update", "Watch"]
