"""The admin of processes: templates to edit and publish; plans, runs, data and files to look at."""

from processes.admin.audit import AuditEntryAdmin
from processes.admin.connections import ConnectionAdmin
from processes.admin.instances import ProcessInstanceAdmin
from processes.admin.records import DataNodeAdmin, PlanAdmin, RunAdmin, StoredFileAdmin
from processes.admin.templates import ProcessTemplateAdmin

__all__ = [
    "AuditEntryAdmin",
    "ConnectionAdmin",
    "DataNodeAdmin",
    "PlanAdmin",
    "ProcessInstanceAdmin",
    "ProcessTemplateAdmin",
    "RunAdmin",
    "StoredFileAdmin",
]
