"""The admin of processes: what editors write (templates, status rules, triggers), and records to look at."""

from processes.admin.audit import AuditEntryAdmin
from processes.admin.callbacks import CallbackAdmin
from processes.admin.connections import ConnectionAdmin
from processes.admin.instance_types import InstanceTypeAdmin
from processes.admin.instances import ProcessInstanceAdmin
from processes.admin.records import DataNodeAdmin, PlanAdmin, StoredFileAdmin
from processes.admin.runs import RunAdmin
from processes.admin.status_rules import StatusRulesAdmin
from processes.admin.templates import ProcessTemplateAdmin
from processes.admin.topics import DeliveryAdmin, MessageAdmin, SubscriptionAdmin
from processes.admin.triggers import TriggerAdmin, TriggerFiringAdmin

__all__ = [
    "AuditEntryAdmin",
    "CallbackAdmin",
    "ConnectionAdmin",
    "DataNodeAdmin",
    "DeliveryAdmin",
    "InstanceTypeAdmin",
    "MessageAdmin",
    "PlanAdmin",
    "ProcessInstanceAdmin",
    "ProcessTemplateAdmin",
    "RunAdmin",
    "StatusRulesAdmin",
    "StoredFileAdmin",
    "SubscriptionAdmin",
    "TriggerAdmin",
    "TriggerFiringAdmin",
]
