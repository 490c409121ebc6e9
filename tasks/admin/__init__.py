"""The admin of tasks: jobs, dead letters and task trees, to look at, to cancel and to do once more."""

from tasks.admin.dead_letters import DeadLetterAdmin
from tasks.admin.jobs import JobAdmin
from tasks.admin.trees import TaskTreeAdmin

__all__ = ["DeadLetterAdmin", "JobAdmin", "TaskTreeAdmin"]
