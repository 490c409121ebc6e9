"""Rows of the `processes` app. Outsiders import them from here."""

from processes.models.data_node import DataNode, DataNodeKind
from processes.models.plan import Plan
from processes.models.run import InboxItem, Run, RunValue
from processes.models.stored_file import StoredFile
from processes.models.template import Access, Binding, Extension, ProcessTemplate

__all__ = [
    "Access",
    "Binding",
    "DataNode",
    "DataNodeKind",
    "Extension",
    "InboxItem",
    "Plan",
    "ProcessTemplate",
    "Run",
    "RunValue",
    "StoredFile",
]
