"""The admin of processes: templates to edit and publish; plans, runs, data and files to look at."""

from processes.admin.records import DataNodeAdmin, PlanAdmin, RunAdmin, StoredFileAdmin
from processes.admin.templates import ProcessTemplateAdmin

__all__ = ["DataNodeAdmin", "PlanAdmin", "ProcessTemplateAdmin", "RunAdmin", "StoredFileAdmin"]
