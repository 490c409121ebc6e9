"""The admin of tasks: jobs, dead letters and task trees, to look at, to cancel and to do once more; and API tokens."""

from tasks.admin.api_tokens import ApiTokenAdmin
from tasks.admin.dead_letters import DeadLetterAdmin
from tasks.admin.jobs import JobAdmin
from tasks.admin.trees import TaskTreeAdmin

__all__ = ["ApiTokenAdmin", "DeadLetterAdmin", "JobAdmin", "TaskTreeAdmin"]
