"""Rows of the `tasks` app. Outsiders import them from here; inside, dependencies run root <- node, update, job."""

from tasks.models.job import Job
from tasks.models.node import Node
from tasks.models.root import TaskRoot
from tasks.models.update import Update

__all__ = ["Job", "Node", "TaskRoot", "Update"]
