"""The admin of processes: templates and triggers to edit; plans, runs, messages, data and files to look at."""

from processes.admin.audit import AuditEntryAdmin
from processes.admin.callbacks import CallbackAdmin
from processes.admin.connections import ConnectionAdmin
from processes.admin.instances import ProcessInstanceAdmin
from processes.admin.records import DataNodeAdmin, PlanAdmin, StoredFileAdmin
from processes.admin.runs import RunAdmin
from processes.admin.templates import ProcessTemplateAdmin
from processes.admin.topics import DeliveryAdmin, MessageAdmin, SubscriptionAdmin
from processes.admin.triggers import TriggerAdmin, TriggerFiringAdmin

__all__ = [
    "AuditEntryAdmin",
    "CallbackAdmin",
    "ConnectionAdmin",
    "DataNodeAdmin",
    "DeliveryAdmin",
    "MessageAdmin",
    "PlanAdmin",
    "ProcessInstanceAdmin",
    "ProcessTemplateAdmin",
    "RunAdmin",
    "StoredFileAdmin",
    "SubscriptionAdmin",
    "TriggerAdmin",
    "TriggerFiringAdmin",
]
