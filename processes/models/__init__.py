"""Rows of the `processes` app. Outsiders import them from here."""

from processes.models.audit_entry import AuditEntry
from processes.models.connection import Connection, ConnectionKind
from processes.models.data_node import DataNode, DataNodeKind
from processes.models.grant import Grant
from processes.models.indicator import Indicator
from processes.models.instance import ProcessInstance
from processes.models.plan import Plan
from processes.models.run import InboxItem, Run, RunValue
from processes.models.stored_file import FileHolder, StoredFile
from processes.models.template import Access, Binding, EditAccess, Extension, ProcessTemplate
from processes.models.version import TemplateVersion, VersionCause

__all__ = [
    "Access",
    "AuditEntry",
    "Binding",
    "Connection",
    "ConnectionKind",
    "DataNode",
    "DataNodeKind",
    "EditAccess",
    "Extension",
    "FileHolder",
    "Grant",
    "InboxItem",
    "Indicator",
    "Plan",
    "ProcessInstance",
    "ProcessTemplate",
    "Run",
    "RunValue",
    "StoredFile",
    "TemplateVersion",
    "VersionCause",
]
