"""Rows of the `processes` app. Outsiders import them from here."""

from processes.models.audit_entry import AuditEntry
from processes.models.callback import Callback, CallbackWaiter
from processes.models.checkpoint import Checkpoint
from processes.models.clock_reading import ClockReading
from processes.models.connection import Connection, ConnectionKind
from processes.models.data_node import DataNode, DataNodeKind
from processes.models.driven import DrivenFields
from processes.models.dynamic_binding import DynamicBinding
from processes.models.fan_out import FanOut, FanOutItem
from processes.models.grant import Grant
from processes.models.indicator import Indicator
from processes.models.instance import NEVER_DUE, InstanceCandidate, ProcessInstance
from processes.models.instance_event import EventKind, InstanceEvent
from processes.models.instance_type import InstanceType
from processes.models.plan import Plan
from processes.models.run import InboxItem, Run, RunValue
from processes.models.run_answer import RunAnswer
from processes.models.run_form import FormOutcome, RunForm, RunFormAudience, RunFormEntry
from processes.models.status_rules import StatusRules
from processes.models.stored_file import FileHolder, StoredFile
from processes.models.template import Access, Binding, EditAccess, Extension, ProcessTemplate
from processes.models.topic import Delivery, DeliveryOutcome, Message, Subscription
from processes.models.trigger import (
    FiringOutcome,
    RecognisedBy,
    SignatureStyle,
    Trigger,
    TriggerFiring,
    TriggerKind,
)
from processes.models.version import TemplateVersion, VersionCause

__all__ = [
    "NEVER_DUE",
    "Access",
    "AuditEntry",
    "Binding",
    "Callback",
    "CallbackWaiter",
    "Checkpoint",
    "ClockReading",
    "Connection",
    "ConnectionKind",
    "DataNode",
    "DataNodeKind",
    "Delivery",
    "DeliveryOutcome",
    "DrivenFields",
    "DynamicBinding",
    "EditAccess",
    "EventKind",
    "Extension",
    "FanOut",
    "FanOutItem",
    "FileHolder",
    "FiringOutcome",
    "FormOutcome",
    "Grant",
    "InboxItem",
    "Indicator",
    "InstanceCandidate",
    "InstanceEvent",
    "InstanceType",
    "Message",
    "Plan",
    "ProcessInstance",
    "ProcessTemplate",
    "RecognisedBy",
    "Run",
    "RunAnswer",
    "RunForm",
    "RunFormAudience",
    "RunFormEntry",
    "RunValue",
    "SignatureStyle",
    "StatusRules",
    "StoredFile",
    "Subscription",
    "TemplateVersion",
    "Trigger",
    "TriggerFiring",
    "TriggerKind",
    "VersionCause",
]
